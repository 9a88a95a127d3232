"""The seam between the services and a database engine: protocols and errors, no code.

Lives here: what a service may ask of any engine and what can go wrong. One SQL text
serves every engine; it is written with ``$1``, ``$2``, … for its values. How an engine
keeps the promises lives in a module of its own (``servers.storage.sqlite``).

::

    StorageError
    ├── StorageUnavailable   nothing was kept; the same may succeed later
    ├── StorageDamaged       the file is not what the engine wrote
    ├── UniqueViolation      a unique index refused a row
    ├── CommitUnknown        the change may or may not be on disk
    ├── StorageInUse         another process has the database
    └── MigrationError       the schema and this program do not fit
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

T = TypeVar("T")

Value: TypeAlias = int | float | str | bytes | None
"""What a statement takes for ``$n``; integers have 64 bits."""

Row: TypeAlias = tuple[Any, ...]
"""One row of an answer, its columns in the order of the statement."""


class StorageError(Exception):
    """The engine refused a statement; as it stands, a bug or a damaged file."""


class StorageUnavailable(StorageError):
    """The database cannot serve now (disk full, closed, …); nothing of the unit was kept."""


class StorageDamaged(StorageError):
    """The file is not what the engine wrote: it is no database, or a broken one."""


class UniqueViolation(StorageError):
    """A row would be the second of its kind.

    ``constraint`` names what refused it: the columns (``books.isbn``), joined by
    ``", "``, or the index where it stands on an expression.
    """

    def __init__(self, constraint: str) -> None:
        super().__init__(f"Another row already has this {constraint}.")
        self.constraint = constraint


class CommitUnknown(StorageError):
    """A commit reported an I/O error: the change may be on disk, only a restart can tell."""


class StorageInUse(StorageError):
    """Another process, or another part of this one, has the database open."""

    def __init__(self, path: Path, pid: int | None) -> None:
        owner = f"process {pid}" if pid else "another process"
        super().__init__(
            f"{path} is already in use by {owner}. Stop it first, or use another data folder."
        )
        self.path = path
        self.pid = pid


class MigrationError(StorageError):
    """The schema cannot be brought to what this program needs; nothing half done is kept."""


class WordIndexes(Protocol):
    """The indexes of words of a database, in one transaction: which rows have which words.

    Each engine has an index of its own kind. A word is what ``full_text`` makes of a text.
    """

    async def add(self, index: str, rows: Iterable[tuple[int, str]]) -> None:
        """Let rows, which are not in the index yet, be found by their words.

        A row is its number and its words with blanks between them, none of them twice.
        """

    async def remove(self, index: str, row_id: int) -> None:
        """Let a row be found no more."""

    async def matching(self, index: str, words: Sequence[str], after: int, limit: int) -> list[int]:
        """Return the rows numbered above ``after`` that have all of these words, by number.

        Of the last word its beginning is enough. No words match nothing. The cost is that of
        the rows returned, and not of all that have the words.
        """


class Transaction(Protocol):
    """What a unit sees of the database.

    A statement is run to its end before its method returns. Once a statement has failed
    the unit has failed too: its transaction takes no further statement, and a unit that
    hides the error is refused with it. So a unit may catch one only to raise another.
    """

    async def fetch_all(self, sql: str, *args: Value) -> list[Row]:
        """Run a statement and return all its rows."""

    async def fetch_one(self, sql: str, *args: Value) -> Row | None:
        """Run a statement and return its first row, or None if it has none."""

    async def fetch_many(self, sql: str, rows: Iterable[Sequence[Value]]) -> list[Row]:
        """Run a statement once for each row of values; return all rows that came back, in order."""

    async def execute(self, sql: str, *args: Value) -> int:
        """Run an INSERT, UPDATE or DELETE and return how many rows it changed."""

    @property
    def words(self) -> WordIndexes:
        """The indexes of words, which no SQL text reads or writes in every engine."""


Unit: TypeAlias = Callable[[Transaction], Awaitable[T]]
"""One transaction as a function: it awaits its transaction only, has no other effect, and
may be run again."""


class Database(Protocol):
    """One database, owned by this process.

    Every method raises `StorageUnavailable` once the database is closed.
    """

    async def write(self, unit: Unit[T]) -> T:
        """Run a unit and return what it returned, after its changes are durable.

        Units that write are as if one came after the other: what a unit has read holds until
        its end. One that lost against another is run again, and nobody hears of it, also where
        it lost by a row that became the second of its kind. Numbers that the database gives
        rise in the order in which reads see them: below one that was seen none appears. Some
        may be left out.

        What the unit raises is raised here, and nothing of it is kept. Raises
        `StorageUnavailable` if nothing was kept for another reason and `CommitUnknown`
        if that cannot be said. A caller who is cancelled does not stop a unit that waits.
        """

    async def read(self, unit: Unit[T], *, heavy: bool = False) -> T:
        """Run a unit on one snapshot, which holds every write answered before.

        ``heavy`` is for a unit that takes more than about a millisecond: it runs in a
        thread of its own, so that nobody waits for it.
        """

    async def ping(self) -> None:
        """Write and read for real; raises `StorageUnavailable` if that cannot be done now."""

    async def close(self) -> None:
        """Finish the units that wait, refuse new ones, let go of the database. Idempotent."""
