"""Whatever may happen to a shop, done to it at random; each fault by a name of its own."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from tests.simulation.host import Host
    from tests.simulation.shop import Shop

FAULTS = (
    *("kill", "kill_at_write", "kill_all", "stop", "freeze", "power_cut"),
    *("partition", "one_way", "long_partition", "break", "slow_network"),
    *("lost", "late", "copied", "reset"),
    *("slow_disk", "disk_error", "disk_full", "clock"),
)
"""All that can be asked for, by name."""

_MOST_KINDS = 4
_MOST_FAULTS = 8
_LASTING = frozenset({"long_partition"})


class Planned(NamedTuple):
    """A fault and when it begins, in seconds from the first errand."""

    when_s: float
    name: str


def plan(random: Random, allowed: Sequence[str], within_s: float) -> list[Planned]:
    """Choose which faults happen, and when each begins.

    A few kinds, each more than once: what takes two faults of a kind would hardly ever happen
    if every seed had a little of everything.
    """
    if not allowed:
        return []
    kinds = random.sample(list(allowed), min(random.randint(1, _MOST_KINDS), len(allowed)))
    names = [random.choice(kinds) for _ in range(random.randint(1, _MOST_FAULTS))]
    # What lasts longer than the errands has to begin while there are some.
    return sorted(
        Planned(random.uniform(0, within_s / 3 if name in _LASTING else within_s), name)
        for name in names
    )


class Adversary:
    """Carries out a plan."""

    def __init__(self, shop: Shop, random: Random, planned: Sequence[Planned]) -> None:
        self.done: Counter[str] = Counter()
        self._shop = shop
        self._random = random
        self._planned = planned

    async def work(self) -> None:
        """Carry out the plan; return when all that has an end has ended."""
        await asyncio.gather(*[self._at(each) for each in self._planned])

    async def _at(self, fault: Planned) -> None:
        await asyncio.sleep(fault.when_s)
        self.done[fault.name] += 1
        self._shop.trace.note("adversary", fault.name)
        await getattr(self, f"_{fault.name}")()

    def _host(self, *, with_disk: bool = False) -> Host:
        names = ["catalog", "order-a", "order-b", "catalog", "order-a"]
        host = self._random.choice(names if with_disk else [*names, *self._shop.frontends])
        found = self._shop.hosts[host]
        found.restart_after_s = self._away_s()
        return found

    def _away_s(self) -> float:
        """Return how long a server stays away: sometimes longer than any request is kept up."""
        return self._random.uniform(9, 12) if self._random.random() < 0.2 else self._random.random()

    # Processes

    async def _kill(self) -> None:
        self._kill_soon(self._host())

    def _kill_soon(self, host: Host) -> None:
        if host.process is not None:
            host.process.kill_after(self._random.randint(0, 150))

    async def _kill_at_write(self) -> None:
        host = self._host(with_disk=True)
        if host.mount is not None:
            host.mount.kill_after(self._random.randint(0, 40))

    async def _kill_all(self) -> None:
        for host in self._shop.hosts.values():
            host.restart_after_s = self._away_s()
            self._kill_soon(host)

    async def _stop(self) -> None:
        self._host().stop()

    async def _freeze(self) -> None:
        host = self._host()
        process = host.process
        if process is not None:
            process.freeze()
            longest_s = 30 if self._random.random() < 0.1 else 4
            await asyncio.sleep(self._random.uniform(0.1, longest_s))
            self._shop.trace.note("adversary", f"{host.name} goes on")
            process.thaw()

    async def _power_cut(self) -> None:
        host = self._host(with_disk=True)
        life = host.process
        host.power_lost = True
        if host.mount is not None and self._random.random() < 0.7:
            host.mount.kill_after(self._random.randint(0, 40))
            await asyncio.sleep(1.0)
        if host.process is life:
            host.cut_power()

    # The network

    def _pair(self) -> tuple[str, str]:
        return self._random.choice(self._shop.links)

    async def _partition(self) -> None:
        one, other = self._pair()
        await self._cut([(one, other), (other, one)], self._random.uniform(0.2, 4))

    async def _one_way(self) -> None:
        one, other = self._pair()
        way = (one, other) if self._random.random() < 0.5 else (other, one)
        await self._cut([way], self._random.uniform(0.2, 4))

    async def _long_partition(self) -> None:
        """Keep an order server from the catalog until its orders are given up."""
        if self._random.random() < 0.4:
            one, other = "order-a", "catalog"
            await self._cut([(one, other), (other, one)], self._random.uniform(58, 72))

    async def _cut(self, ways: list[tuple[str, str]], for_s: float) -> None:
        for source, target in ways:
            self._shop.trace.note("adversary", f"nothing from {source} to {target}, {for_s:.2f} s")
            self._shop.network.link(source, target).cut = True
        await asyncio.sleep(for_s)
        for source, target in ways:
            self._shop.network.heal(source, target)

    async def _break(self) -> None:
        one, other = self._pair()
        self._shop.network.break_all(one, other)

    async def _slow_network(self) -> None:
        await self._trouble("slow_s", self._random.uniform(0.05, 3))

    async def _lost(self) -> None:
        await self._trouble("lost", self._random.uniform(0.05, 0.5))

    async def _late(self) -> None:
        await self._trouble("late", self._random.uniform(0.05, 0.5))

    async def _copied(self) -> None:
        # A customer who is told that nothing happened is right only if nobody copies requests.
        await self._trouble("copied", self._random.uniform(0.2, 1.0), inside=True)

    async def _reset(self) -> None:
        await self._trouble("reset", self._random.uniform(0.05, 0.5))

    async def _trouble(self, what: str, much: float, *, inside: bool = False) -> None:
        one, other = self._random.choice(self._shop.links[2:]) if inside else self._pair()
        ways = [(one, other), (other, one)]
        if self._random.random() < 0.3:
            ways.pop(self._random.randint(0, 1))
        for source, target in ways:
            self._shop.trace.note("adversary", f"{what} {much:.2f} from {source} to {target}")
            setattr(self._shop.network.link(source, target), what, much)
        await asyncio.sleep(self._random.uniform(0.5, 3))
        for source, target in ways:
            self._shop.network.heal(source, target)

    # Disks and clocks

    async def _slow_disk(self) -> None:
        disk = self._host(with_disk=True).disk
        disk.slow_s = self._random.uniform(0.02, 1.5)
        disk.note("is slow")
        await asyncio.sleep(self._random.uniform(0.5, 3))
        disk.slow_s = 0.0

    async def _disk_error(self) -> None:
        self._host(with_disk=True).disk.fail_in = self._random.randint(0, 40)

    async def _disk_full(self) -> None:
        host = self._host(with_disk=True)
        host.disk.full = True
        host.disk.note("is full")
        await asyncio.sleep(self._random.uniform(0.3, 3))
        host.disk.full = False
        host.disk.note("has room again")

    async def _clock(self) -> None:
        host = self._host(with_disk=True)
        host.clock.offset_ms += self._random.choice([-1, 1]) * 3_600_000
        self._shop.trace.note("adversary", f"{host.name}'s clock is {host.clock.offset_ms} ms off")
