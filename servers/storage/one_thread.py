"""An executor that is one thread and nothing more.

The library's decides at every job whether it needs another thread, and tells itself when one
is idle; for commits, which come thousands of times a second and one after the other, that is
a tenth of what they cost.
"""

from __future__ import annotations

import threading
from concurrent.futures import Executor, Future
from queue import SimpleQueue
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")


class OneThread(Executor):
    """Runs what is submitted in one thread, in order. None of it can be cancelled."""

    def __init__(self, name: str) -> None:
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._closed = False
        # A daemon: who forgets to shut down does not hang at the end of the program.
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Have it run, after what was submitted before; the future has what came of it."""
        if self._closed:
            raise RuntimeError("the thread was shut down")
        future: Future[T] = Future()
        future.set_running_or_notify_cancel()  # From here on it cannot be cancelled.

        def job() -> None:
            try:
                result = fn(*args, **kwargs)
            except BaseException as error:  # noqa: BLE001 - whoever waits for it is told
                future.set_exception(error)
            else:
                future.set_result(result)

        self._jobs.put(job)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take nothing more; return when all is done, or at once without ``wait``."""
        del cancel_futures
        if not self._closed:
            self._closed = True
            self._jobs.put(None)
        if wait:
            self._thread.join()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
