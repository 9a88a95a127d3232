"""What stands for a server's threads: it runs on the event loop, a disk's time later."""

from __future__ import annotations

from concurrent.futures import CancelledError, Executor, Future
from typing import TYPE_CHECKING, Any

import apsw

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.disk import Disk
    from tests.simulation.loop import SimulatedLoop
    from tests.simulation.process import Process

_COMMIT_S = 0.0005


class Submitted(Future[Any]):
    """What was submitted, for a program of one thread: without the locks of other futures."""

    def __init__(self) -> None:
        self._ended = False
        self._value: Any = None
        self._error: BaseException | None = None
        self._told: list[Callable[[Future[Any]], object]] = []

    def done(self) -> bool:
        """Whether it has ended."""
        return self._ended

    def cancelled(self) -> bool:
        """Whether it ended by being cancelled."""
        return isinstance(self._error, CancelledError)

    def cancel(self) -> bool:
        """Let it not be run; False if it was."""
        if not self._ended:
            self.set_exception(CancelledError())
        return self.cancelled()

    def result(self, timeout: float | None = None) -> Any:
        """Return what came of it, or raise that; nobody may wait for it here."""
        del timeout
        assert self._ended
        if self._error is not None:
            raise self._error
        return self._value

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Return what it raised, if it did; raises CancelledError as any future."""
        del timeout
        assert self._ended
        if isinstance(self._error, CancelledError):
            raise self._error
        return self._error

    def add_done_callback(self, fn: Callable[[Future[Any]], object]) -> None:
        """Call a function when it has ended, or at once if it has."""
        if self._ended:
            fn(self)
        else:
            self._told.append(fn)

    def set_result(self, result: Any) -> None:
        """End it with a result."""
        self._value = result
        self._tell()

    def set_exception(self, exception: BaseException | None) -> None:
        """End it with an error."""
        self._error = exception
        self._tell()

    def _tell(self) -> None:
        self._ended = True
        told, self._told = self._told, []
        for each in told:
            each(self)


class LoopExecutor(Executor):
    """Runs what is submitted on the event loop, after as long as the disk takes."""

    def __init__(self, loop: SimulatedLoop, disk: Disk, process: Process) -> None:
        self._loop = loop
        self._disk = disk
        self._random = process.random
        self._under_way: dict[Future[Any], None] = {}
        process.on_death.append(self._die)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run a function a little later; a slow disk takes its time before and after."""
        future = Submitted()
        self._under_way[future] = None
        slow_s = self._disk.slow_s
        before_s = _COMMIT_S * self._random.random() + slow_s * self._random.random()
        self._loop.call_later(before_s, self._run, future, slow_s, fn, args, kwargs)
        return future

    def _run(
        self, future: Future[Any], slow_s: float, fn: Callable[..., Any], args: Any, kwargs: Any
    ) -> None:
        if future.done():
            return
        value, error = None, None
        try:
            value = fn(*args, **kwargs)
        except BaseException as raised:  # noqa: BLE001  # as an executor does
            error = raised
        if slow_s:
            self._loop.call_later(slow_s * self._random.random(), self._end, future, value, error)
        else:
            self._end(future, value, error)

    def _end(self, future: Future[Any], value: Any, error: BaseException | None) -> None:
        self._under_way.pop(future, None)
        if future.done():
            return
        if error is None:
            future.set_result(value)
        else:
            future.set_exception(error)

    def _die(self, _why: str) -> None:
        for future in list(self._under_way):
            self._end(future, None, apsw.IOError("nobody is there any more"))
