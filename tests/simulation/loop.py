"""An event loop whose time is virtual: when nothing is ready, the next timer is now.

Lives here: turns, timers, and whose turn it is. A step belongs to the simulated process in
whose context it was planned; what a process that is frozen or dead may still do, it says
itself. Sockets do not live here: connections are made by whatever network is plugged in.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextvars import Context, ContextVar, copy_context
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, TypeVarTuple

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Generator

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

MAX_STEPS = 20_000_000
"""More than any simulation takes; one that takes as many does not come to an end."""


class SimulationError(Exception):
    """The simulation itself went wrong; it says nothing about the shop."""


class Owner(Protocol):
    """Whoever steps belong to."""

    def adopt(self, task: asyncio.Task[Any]) -> None:
        """Take note of a task that was begun in this process."""

    def admits(self, step: Step) -> bool:
        """Say whether a step is taken now; one that is not was kept or dropped."""


OWNER: ContextVar[Owner | None] = ContextVar("OWNER", default=None)
"""The simulated process that a context belongs to, None outside all of them."""


class Step(asyncio.TimerHandle):
    """A callback that is planned, at once or for a time."""

    __slots__ = ("args", "callback", "context", "due_s", "off", "owner")

    def __init__(  # asyncio's own would keep what is not needed here
        self,
        due_s: float,
        callback: Callable[..., object],
        args: tuple[Any, ...],
        context: Context | None,
    ) -> None:
        self.due_s = due_s
        self.callback = callback
        self.args = args
        if context is None:
            context = copy_context()
        self.context = context
        self.owner = context.get(OWNER)
        self.off = False

    def __lt__(self, other: object) -> bool:
        return False  # Never asked: the heap's entries are numbered.

    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other

    def __repr__(self) -> str:
        return f"<Step {self.callback!r} at {self.due_s}>"

    def cancel(self) -> None:
        """Do not take this step."""
        self.off = True
        self.args = ()

    def cancelled(self) -> bool:
        """Whether it was cancelled."""
        return self.off

    def when(self) -> float:
        """Return its time."""
        return self.due_s


class SimulatedLoop(asyncio.BaseEventLoop):
    """Runs steps in the order in which they were planned; time costs nothing."""

    def __init__(self) -> None:
        self._running = False
        super().__init__()
        self.steps = 0
        self.now_s = 0.0
        """The virtual time in seconds."""
        self.governed = True
        """Whether processes are asked about their steps; at the very end all may finish."""
        self.resting: list[Step] = []
        """The steps of the dead, which they take at the end, so that nothing is left half done."""
        self.on_exception: Callable[[dict[str, Any]], None] = lambda _: None
        self.connect: Callable[..., Coroutine[Any, Any, Any]] | None = None
        self.listen: Callable[..., Coroutine[Any, Any, Any]] | None = None
        self._ready: deque[Step] = deque()
        self._timers: list[tuple[float, int, Step]] = []
        self._planned = 0
        self._closed = False

    # Time and steps

    def time(self) -> float:
        """Return the virtual time in seconds."""
        return self.now_s

    def call_soon(
        self,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> Step:
        """Plan a step for as soon as those before it are taken."""
        step = Step(self.now_s, callback, args, context)
        self._ready.append(step)
        return step

    def call_soon_threadsafe(
        self,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> Step:
        """Plan a step likewise: there is one thread."""
        return self.call_soon(callback, *args, context=context)

    def call_later(
        self,
        delay: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> Step:
        """Plan a step for a time from now, in seconds."""
        return self.call_at(self.now_s + delay, callback, *args, context=context)

    def call_at(
        self,
        when: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> Step:
        """Plan a step for a time."""
        step = Step(when, callback, args, context)
        self._planned += 1
        heappush(self._timers, (when, self._planned, step))
        return step

    def again(self, steps: list[Step]) -> None:
        """Plan steps that were kept back; their time has passed.

        Each gets a turn of its own: no event loop learns of two events of one connection at once.
        """
        for place, step in enumerate(steps):
            self._planned += 1
            heappush(self._timers, (self.now_s + place * 1e-9, self._planned, step))

    def run_until_complete(self, future: Generator[Any, None, T] | Awaitable[T]) -> T:
        """Run until this is done, and return its result."""
        task: asyncio.Future[T] = asyncio.ensure_future(future, loop=self)  # type: ignore[arg-type]  # typed for awaitables alone
        self._running = True
        asyncio._set_running_loop(self)
        try:
            self._run_while(task)
        finally:
            asyncio._set_running_loop(None)
            self._running = False
        return task.result()

    def _run_while(self, task: asyncio.Future[T]) -> None:
        """Take one step after the other until a task is done; nothing else runs as often."""
        ready, timers, done = self._ready, self._timers, task.done
        while not done():
            if not ready or (timers and timers[0][0] <= self.now_s):
                self._come_due()
            step = ready.popleft()
            if step.off:
                continue
            owner = step.owner
            if owner is not None and self.governed and not owner.admits(step):
                continue
            self.steps += 1
            if self.steps > MAX_STEPS:
                raise SimulationError(f"{MAX_STEPS} steps, and no end of it")
            try:
                step.context.run(step.callback, *step.args)
            except (KeyboardInterrupt, SystemExit, SimulationError):
                raise
            except BaseException as error:  # noqa: BLE001  # as any event loop does
                self.call_exception_handler(
                    {"message": f"{step.callback} raised", "exception": error, "owner": owner}
                )

    def _come_due(self) -> None:
        """Make ready whose time has come; where nothing is ready, the next time comes now."""
        ready, timers = self._ready, self._timers
        if not ready:
            if not timers:
                raise SimulationError("everyone waits, and nothing will ever happen")
            self.now_s = max(self.now_s, timers[0][0])
        while timers and timers[0][0] <= self.now_s:
            ready.append(heappop(timers)[2])

    # Futures and tasks

    def create_future(self) -> asyncio.Future[Any]:
        """Return a future of this loop."""
        return asyncio.Future(loop=self)

    def create_task(self, coro: Any, **options: Any) -> asyncio.Task[Any]:
        """Return a task of this loop, known to the process that it belongs to."""
        task: asyncio.Task[Any] = asyncio.Task(coro, loop=self, **options)
        context = options.get("context")
        owner = OWNER.get() if context is None else context.get(OWNER)
        if owner is not None:
            owner.adopt(task)
        return task

    # What a network does

    async def create_connection(self, *args: Any, **options: Any) -> Any:
        """Connect, through the simulated network."""
        if self.connect is None:
            raise SimulationError("there is no network")
        return await self.connect(*args, **options)

    async def create_server(self, *args: Any, **options: Any) -> Any:
        """Listen, on the simulated network."""
        if self.listen is None:
            raise SimulationError("there is no network")
        return await self.listen(*args, **options)

    # What asyncio asks of any loop

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Hand on what nobody caught."""
        self.on_exception(context)

    def get_debug(self) -> bool:
        """Say no: what debugging adds costs time."""
        return False

    def is_running(self) -> bool:
        """Whether it runs."""
        return self._running

    def is_closed(self) -> bool:
        """Whether it was closed."""
        return self._closed

    def close(self) -> None:
        """Forget all that is planned."""
        self._closed = True
        self._ready.clear()
        self._timers.clear()
