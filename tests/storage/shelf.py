"""A tiny schema for these tests, its units, and an executor that can hold a commit back."""

from __future__ import annotations

from concurrent.futures import Executor, Future
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from servers.storage.sqlite import SqliteDatabase

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from servers.storage.database import Row, Transaction, Unit

P = ParamSpec("P")
T = TypeVar("T")

SCHEMA = """
CREATE TABLE shelf (
    id INTEGER PRIMARY KEY,
    isbn TEXT,
    title TEXT,
    stock INTEGER NOT NULL CHECK (stock >= 0)
) STRICT;
CREATE UNIQUE INDEX shelf_isbn ON shelf (isbn);
CREATE UNIQUE INDEX shelf_title ON shelf (lower(title));
CREATE TABLE loan (
    shelf_id INTEGER NOT NULL REFERENCES shelf (id) DEFERRABLE INITIALLY DEFERRED
) STRICT;
"""


class Refused(Exception):
    """A unit's own refusal."""


class HeldExecutor(Executor):
    """Runs what is submitted when the test says so, in the test's thread."""

    def __init__(self, *, held: bool = False) -> None:
        self.held = held
        self.submitted = 0
        self._waiting: list[Callable[[], None]] = []
        self._futures: list[Future[Any]] = []

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        self.submitted += 1
        future: Future[T] = Future()

        def run() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(fn(*args, **kwargs))
            except BaseException as error:  # noqa: BLE001 - as every executor does
                future.set_exception(error)

        self._waiting.append(run)
        self._futures.append(future)
        if not self.held:
            self.release()
        return future

    def drop(self) -> None:
        """Cancel what was held back, as an executor does that is shut down."""
        for future in self._futures:
            future.cancel()

    def release(self) -> None:
        """Run what was held back, and nothing is held back from now on."""
        self.held = False
        while self._waiting:
            self._waiting.pop(0)()


def write_migration(folder: Path, sql: str = SCHEMA) -> Path:
    """Make a folder with one migration and return it."""
    folder.mkdir(exist_ok=True)
    (folder / "0001_create_shelf.sql").write_text(sql)
    return folder


def must_not_happen(error: BaseException) -> None:
    """Fail loudly where no commit may become unknown."""
    raise AssertionError("a commit became unknown") from error


async def open_shelf(folder: Path, **options: Any) -> SqliteDatabase:
    """Open the database of a folder, with the schema above."""
    options.setdefault("on_commit_unknown", must_not_happen)
    migrations = write_migration(folder / "migrations")
    return await SqliteDatabase.open(folder / "shop" / "shelf.db", migrations=migrations, **options)


def put(book_id: int, stock: int = 1, **columns: str) -> Unit[int]:
    """Return a unit that puts a book on the shelf and returns its id."""

    async def unit(tx: Transaction) -> int:
        await tx.execute(
            "INSERT INTO shelf (id, stock, isbn, title) VALUES ($1, $2, $3, $4)",
            book_id,
            stock,
            columns.get("isbn"),
            columns.get("title"),
        )
        return book_id

    return unit


def put_and_refuse(book_id: int) -> Unit[None]:
    """Return a unit that puts a book on the shelf and then thinks better of it."""

    async def unit(tx: Transaction) -> None:
        await put(book_id)(tx)
        raise Refused

    return unit


async def ids(tx: Transaction) -> list[int]:
    """Read the ids of all books on the shelf."""
    rows: list[Row] = await tx.fetch_all("SELECT id FROM shelf ORDER BY id")
    return [row[0] for row in rows]
