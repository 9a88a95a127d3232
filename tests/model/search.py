"""Every order in which the steps of a small world can happen, each world visited once."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.model.protocol import faults, steps
from tests.model.rules import broken

if TYPE_CHECKING:
    from servers.domain.accounts import Violation
    from tests.model.world import Bug, World


@dataclass(frozen=True)
class Found:
    """How much was looked at; and the first end that breaks an invariant, with its way there."""

    worlds: int
    ends: int
    violations: tuple[Violation, ...] = ()
    way: tuple[str, ...] = ()

    @property
    def invariants(self) -> set[str]:
        """The invariants that do not hold at that end."""
        return {each.invariant for each in self.violations}

    def __str__(self) -> str:
        told = [each.detail for each in self.violations]
        return "\n".join([f"{self.worlds} worlds, {self.ends} ends", *self.way, *told])


def search(start: World, bug: Bug | None = None) -> Found:
    """Visit every world that can come of this one until an invariant is broken, by a shortest way.

    The end of a world is where nothing happens any more unless something goes wrong. There
    the invariants are checked; what is wrong before and right in every end is no harm, since
    what was told and what was written down is never taken back.
    """
    came_from: dict[World, tuple[World | None, str]] = {start: (None, "")}
    checked: dict[tuple[object, ...], list[Violation]] = {}
    waiting, ends = deque([start]), 0
    while waiting:
        world = waiting.popleft()
        onward = list(steps(world, bug))
        if not onward:
            ends += 1
            lasting = (world.book, world.ledger, world.rows, world.told)
            if lasting not in checked:
                checked[lasting] = broken(world)
            if checked[lasting]:
                return Found(len(came_from), ends, tuple(checked[lasting]), _way(came_from, world))
        onward.extend(faults(world, bug))
        for label, after in onward:
            if after not in came_from:
                came_from[after] = (world, label)
                waiting.append(after)
    return Found(len(came_from), ends)


def _way(came_from: dict[World, tuple[World | None, str]], end: World) -> tuple[str, ...]:
    labels: list[str] = []
    world: World | None = end
    while world is not None:
        world, label = came_from[world]
        labels.append(label)
    return tuple(labels[-2::-1])
