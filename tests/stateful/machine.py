"""Hypothesis state machines whose steps are awaited, each on the one event loop of its life."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize

from servers.domain.errors import ShopError
from tests.stateful.model import Book, Model

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")

STEPS_A_LIFE = 50
_MORE = int(os.environ.get("STATEFUL_STEPS", "0"))

ORDERS = st.sampled_from([f"{number:032x}" for number in range(1, 13)])
"""Few, so that most are asked about again."""

BOOK_IDS = st.sampled_from([1, 1, 1, 2, 2, 3, 4, 999])
QUANTITIES = st.sampled_from([1, 1, 1, 2, 3])
PRICES = st.sampled_from([0, 500, 1000, 2000])
STOCKS = st.sampled_from([0, 1, 2, 5, 10**9])
CHANGES = st.sampled_from([-3, -1, 0, 1, 4, 10**9])

PAST = st.sampled_from([None, None, 0, 0, 0, 1, -1])
"""How far from the present version a request is: None names no version, 1 is the one before."""


def lives(steps: int) -> settings:
    """Return settings for about so many steps in all; as many more as the environment says.

    A commit is always tried with the same lives; those that are asked for are new ones.
    """
    return settings(
        max_examples=max(1, (_MORE * steps // 5000 or steps) // STEPS_A_LIFE),
        stateful_step_count=STEPS_A_LIFE,
        deadline=None,
        derandomize=not _MORE,
        suppress_health_check=list(HealthCheck),
    )


_MEMORY = Path("/dev/shm")  # noqa: S108  # only what lies above a folder made safely within
"""A file system in memory, where there is one: no step is about a disk, which is two thirds."""


class AwaitedMachine(RuleBasedStateMachine):
    """Has a folder, an event loop, and a stack of what it opened, all ended with it."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None)
        self.folder = Path(self._folder.name)
        self._runner = asyncio.Runner()
        self.stack = contextlib.AsyncExitStack()
        self.run(self.open())

    async def open(self) -> None:
        """Open what is tried; what is in the folder already stays."""

    async def close(self) -> None:
        """Close it, as at the end of a process."""
        await self.stack.aclose()

    async def last_look(self) -> None:
        """Check what can be checked once all is closed."""

    def run(self, step: Coroutine[Any, Any, T]) -> T:
        """Await one step."""
        return self._runner.run(step)

    def answer(self, step: Coroutine[Any, Any, T]) -> T | str:
        """Await one step, and return what it returns or the code of its error."""
        try:
            return self.run(step)
        except ShopError as error:
            return error.code

    def teardown(self) -> None:
        """End it, whatever happened."""
        try:
            self.run(self.close())
            self.run(self.last_look())
        finally:
            self._runner.close()
            self._folder.cleanup()


class BooksMachine(AwaitedMachine):
    """Has a model beside it, and two books to begin with."""

    def __init__(self) -> None:
        self.model = Model()
        super().__init__()

    def add(self, price: int, stock: int) -> None:
        """Add a book to both."""

    @initialize()
    def first_books(self) -> None:
        """Begin with two books, or little could happen in many lives."""
        self.add(1000, 5)
        self.add(2000, 2)

    def version(self, book_id: int, past: int | None) -> int | None:
        """Return a version that a request may name."""
        book = self.model.books.get(book_id, Book(0, 0))
        return None if past is None else max(1, book.version - past)

    def changed(self, book_id: int, refused: str | None, expected: Book | str) -> None:
        """Expect of a change by staff what the model says: a refusal, or the book as it is then."""
        assert refused == (expected if isinstance(expected, str) else None)
        if isinstance(expected, Book):
            self.model.put(book_id, expected)
