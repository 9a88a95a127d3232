"""One SQLite connection and how a unit runs on it.

Lives here: ``$n``, the errors of apsw as those of the seam, and driving a unit. When a
transaction begins and ends is the business of ``sqlite_writer`` and ``Session.read``.
"""

from __future__ import annotations

import re
from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

import apsw

from servers.storage.database import (
    StorageDamaged,
    StorageError,
    StorageUnavailable,
    UniqueViolation,
)
from servers.storage.sqlite_words import SqliteWordIndexes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from servers.storage.database import Row, Transaction, Unit, Value

T = TypeVar("T")

MAX_STATEMENTS = 1024
"""How many statement texts a connection remembers the rewriting of."""

_UNIQUE_RESULTS = frozenset(
    {
        apsw.SQLITE_CONSTRAINT_UNIQUE,
        apsw.SQLITE_CONSTRAINT_PRIMARYKEY,
        apsw.SQLITE_CONSTRAINT_ROWID,
    }
)
_UNAVAILABLE = (
    apsw.FullError,
    apsw.CantOpenError,
    apsw.BusyError,
    apsw.LockedError,
    apsw.IOError,
    apsw.NoMemError,
    apsw.ConnectionClosedError,
)
DAMAGED = (apsw.CorruptError, apsw.NotADBError, apsw.FormatError)
"""What SQLite says of a file that is not what it was."""

# What can hold a ``$1`` that is no value comes first: texts, quoted names, comments, names.
_DOLLAR_OR_OPAQUE = re.compile(
    r"""'(?:[^']|'')*' | "(?:[^"]|"")*" | --[^\n]* | /\*.*?\*/ | [^\W\d][\w$]* | \$(\d+)""",
    re.VERBOSE | re.DOTALL,
)


def question_marks(sql: str) -> str:
    """Return a statement with ``?n`` for ``$n``.

    SQLite takes ``$1`` for a name and numbers names by first appearance, which would
    swap the values of ``… $2 … $1`` without a word (sqlite.org/lang_expr.html#varparam).
    """
    return _DOLLAR_OR_OPAQUE.sub(lambda found: f"?{found[1]}" if found[1] else found[0], sql)


def storage_error(error: apsw.Error) -> StorageError:
    """Return the seam's error for one of apsw's."""
    if isinstance(error, _UNAVAILABLE):
        return StorageUnavailable(f"The database cannot be used now: {error}.")
    if getattr(error, "extendedresult", None) in _UNIQUE_RESULTS:
        # "UNIQUE constraint failed: books.isbn", or "…: index 'books_title'".
        named = str(error).partition(": ")[2]
        return UniqueViolation(named.removeprefix("index ").strip("'"))
    if isinstance(error, DAMAGED):
        return StorageDamaged(f"The database is damaged: {error}.")
    return StorageError(f"The database refused a statement: {error}.")


class SqliteTransaction:
    """What one unit sees; its awaits never suspend."""

    __slots__ = ("_live", "_session", "failure")

    def __init__(self, session: Session) -> None:
        self._session = session
        self._live = True
        self.failure: StorageError | None = None

    async def fetch_all(self, sql: str, *args: Value) -> list[Row]:
        """Run a statement and return all its rows."""
        return self._rows(sql, args, self._session.execute)

    async def fetch_one(self, sql: str, *args: Value) -> Row | None:
        """Run a statement and return its first row, or None if it has none."""
        rows = self._rows(sql, args, self._session.execute)
        return rows[0] if rows else None

    async def fetch_many(self, sql: str, rows: Iterable[Sequence[Value]]) -> list[Row]:
        """Run a statement once for each row of values; return all rows that came back, in order."""
        return self._rows(sql, rows, self._session.execute_many)

    async def execute(self, sql: str, *args: Value) -> int:
        """Run an INSERT, UPDATE or DELETE and return how many rows it changed."""
        self._rows(sql, args, self._session.execute)
        return self._session.connection.changes()

    @property
    def words(self) -> SqliteWordIndexes:
        """The indexes of words, by FTS5."""
        return SqliteWordIndexes(self)

    def end(self) -> None:
        """Take no further statement: the connection now serves another unit or a commit."""
        self._live = False

    def _rows(self, sql: str, args: Any, run: Callable[..., apsw.Cursor]) -> list[Row]:
        if not self._live:
            raise self.failure or StorageError("This transaction is over; start another.")
        try:
            # All rows at once: an open cursor would pin its snapshot and stop checkpoints.
            return run(self._session.rewrite(sql), args).fetchall()
        except apsw.Error as error:
            self._live = False
            self.failure = storage_error(error)
            raise self.failure from error


class Session:
    """A connection with its one cursor; used by one thread at a time."""

    def __init__(self, connection: apsw.Connection) -> None:
        self.connection = connection
        cursor = connection.cursor()
        self.execute = cursor.execute
        self.execute_many = cursor.executemany
        self.rewrite = lru_cache(MAX_STATEMENTS)(question_marks)

    def run(self, unit: Unit[T]) -> T:
        """Run a unit in the transaction that is open, to its end and without suspending.

        Raises what the unit raises, the failure of a statement even if the unit hides
        it, and RuntimeError if the unit waits for anything but its transaction.
        """
        transaction = SqliteTransaction(self)
        steps = _steps(unit, transaction)
        try:
            steps.send(None)
        except StopIteration as end:
            if transaction.failure is not None:
                raise transaction.failure from None
            value: T = end.value
            return value
        else:
            steps.close()
            raise RuntimeError("a unit must not suspend: it may await its transaction only")
        finally:
            transaction.end()

    def read(self, unit: Unit[T]) -> T:
        """Run a unit on one snapshot; used on `query_only` connections."""
        try:
            self.execute("BEGIN")
        except apsw.Error as error:
            raise storage_error(error) from error
        try:
            return self.run(unit)
        finally:
            # An I/O error may have ended the transaction already; a failing ROLLBACK does.
            if self.connection.in_transaction:
                with suppress(apsw.Error):
                    self.execute("ROLLBACK")


async def _steps(unit: Unit[T], transaction: Transaction) -> T:
    """Make a coroutine of any unit, also of one that is a plain function."""
    return await unit(transaction)
