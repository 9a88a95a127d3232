"""A simulated process: what runs in it stops, or is cut off, when it is frozen or killed.

A process that is killed is cut off from its network and its disk in the same instant. What
is left of it in this program, a ghost, is cancelled, so that it lets go of its files; nothing
that a ghost does can be noticed by anybody, and nothing is logged of it.
"""

from __future__ import annotations

from contextvars import copy_context
from random import Random
from typing import TYPE_CHECKING, Any
from weakref import ref

from servers.storage.sqlite import CLOSING_TASK
from tests.simulation.loop import OWNER

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Coroutine

    from tests.simulation.loop import SimulatedLoop, Step


_TASKS_BETWEEN_SWEEPS = 200


class Process:
    """One life of a server: it ends once, and the next start makes another.

    ``on_death`` are called when it is killed, in order, each once.
    """

    def __init__(self, loop: SimulatedLoop, host: str, life: int, seed: str) -> None:
        self.host = host
        self.life = life
        self.alive = True
        self.frozen = False
        self.on_death: list[Callable[[str], None]] = []
        self.random = Random(f"{seed}/{host}/{life}")
        self.context = copy_context()
        self.context.run(OWNER.set, self)
        self.main: asyncio.Task[Any] | None = None
        self.frozen_until_s = 0.0
        self._loop = loop
        self._kept: list[Step] = []
        self._tasks: list[ref[asyncio.Task[Any]]] = []
        self._sweep_at = _TASKS_BETWEEN_SWEEPS
        self._steps_left: int | None = None

    def __repr__(self) -> str:
        return f"{self.host}.{self.life}"

    def run(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Begin its main task; when that is done the process has ended."""
        self.main = self._loop.create_task(coroutine, context=self.context)

    def adopt(self, task: asyncio.Task[Any]) -> None:
        """Take note of a task, to be cancelled at the end.

        Those that are done are only swept out now and then: to be told of each would be one
        step more for every task.
        """
        self._tasks.append(ref(task))
        if len(self._tasks) >= self._sweep_at:
            self._tasks = [each for each in self._tasks if _under_way(each())]
            self._sweep_at = len(self._tasks) + _TASKS_BETWEEN_SWEEPS

    def admits(self, step: Step) -> bool:
        """Say whether a step is taken now; a frozen process keeps its steps for later."""
        if self.frozen:
            self._kept.append(step)
            return False
        if not self.alive:
            # A ghost whose main task has let go of everything rests until the very end.
            if self.main is not None and self.main.done():
                self._loop.resting.append(step)
                return False
            return True
        if self._steps_left is not None:
            self._steps_left -= 1
            if self._steps_left < 0:
                self.kill("between two steps")
        return True

    def kill_after(self, steps: int) -> None:
        """Kill it before the step after so many more."""
        self._steps_left = steps

    def spare(self) -> None:
        """Take back what `kill_after` said."""
        self._steps_left = None

    def kill(self, why: str) -> None:
        """End it at once, as ``kill -9`` does; a second time changes nothing."""
        if not self.alive:
            return
        self.alive = False
        self._steps_left = None
        for told in self.on_death:
            told(why)
        self.thaw()
        for each in self._tasks:
            task = each()
            if task is not None and task.get_name() != CLOSING_TASK:
                task.cancel()

    def freeze(self) -> None:
        """Let it stand still, as SIGSTOP does."""
        if self.alive:
            self.frozen = True

    def thaw(self) -> None:
        """Let it go on, as SIGCONT does."""
        if self.frozen:
            self.frozen = False
            self.frozen_until_s = self._loop.time()
            kept, self._kept = self._kept, []
            self._loop.again(kept)


def _under_way(task: asyncio.Task[Any] | None) -> bool:
    return task is not None and not task.done()
