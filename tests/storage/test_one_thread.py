"""One thread is an executor as the library has them."""

from __future__ import annotations

import sys
import threading

import pytest

from servers.storage.one_thread import OneThread
from tests.support.services import PATIENCE_S


def test_in_order_and_apart() -> None:
    """Jobs run one after the other, in a thread that is not the caller's."""
    done: list[tuple[int, str]] = []
    thread = OneThread("apart")
    for number in range(100):
        thread.submit(lambda number: done.append((number, threading.current_thread().name)), number)
    thread.shutdown()
    assert done == [(number, "apart") for number in range(100)]


def test_what_came_of_a_job() -> None:
    """A future has the result, or whatever was raised; the thread lives on."""
    thread = OneThread("told")
    assert isinstance(thread.submit(int, "x").exception(), ValueError)
    assert isinstance(thread.submit(sys.exit).exception(), SystemExit)
    assert thread.submit(int, "7").result() == 7
    thread.shutdown()


def test_nothing_is_cancelled() -> None:
    """Who tries to cancel a job is told that it runs; it does, and so do those behind it."""
    thread, go = OneThread("steady"), threading.Event()
    thread.submit(go.wait)
    waiting, behind = thread.submit(int, "7"), thread.submit(int, "8")
    assert not waiting.cancel()
    go.set()
    assert (waiting.result(PATIENCE_S), behind.result(PATIENCE_S)) == (7, 8)
    thread.shutdown()


def test_after_its_end() -> None:
    """Shut down, twice even, it has done what it took, and takes nothing more."""
    thread = OneThread("ended")
    last = thread.submit(int, "7")
    thread.shutdown(wait=False)
    thread.shutdown()
    assert last.done()
    with pytest.raises(RuntimeError, match="shut down"):
        thread.submit(int, "8")
