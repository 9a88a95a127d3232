"""SQLite behind the seam: one file, one process, one writer, readers beside it.

Lives here: opening and closing in the right order, and who reads where. Writing lives in
``sqlite_writer``, what a connection is in ``sqlite_file`` and ``sqlite_session``.
"""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import apsw

from servers.storage.database import StorageUnavailable
from servers.storage.migrate import migrate
from servers.storage.one_thread import OneThread
from servers.storage.sqlite_file import DatabaseFile, FileLock
from servers.storage.sqlite_session import Session, storage_error
from servers.storage.sqlite_writer import GroupCommit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Executor, Future

    from servers.storage.database import Row, Transaction, Unit

T = TypeVar("T")

MAX_GROUP = 512
"""How many units share a commit at most; bounds how long a group keeps the event loop."""

COMMIT_PATIENCE_S = 0.001
"""How long the event loop waits for a commit of a disk that is fast; see ``sqlite_writer``."""

HEAVY_THREADS = 4

CLOSING_TASK = "closing a database"
"""The name of the task that lets go of the files; who cancels it leaves them locked."""

_CREATE_TABLE = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    checksum TEXT NOT NULL,
    applied_at_ms INTEGER NOT NULL
) STRICT
"""


def packaged_migrations(database: str) -> Path:
    """Return the folder of SQLite migrations for ``catalog`` or ``orders``."""
    return Path(__file__).parent / "migrations" / "sqlite" / database


def wall_clock_ms() -> int:
    """Return the time of day in milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


class SqliteDatabase:
    """A database in one file, which fulfils ``servers.storage.database.Database``."""

    def __init__(
        self, file: DatabaseFile, writer: GroupCommit, heavy: Executor, resources: ExitStack
    ) -> None:
        self._file = file
        self._writer = writer
        self._heavy = heavy
        self._resources = resources
        self._reader: Session | None = None
        self._of_thread = threading.local()
        self._heavy_under_way: set[Future[Any]] = set()
        self._closing: asyncio.Task[None] | None = None

    @classmethod
    async def open(  # noqa: PLR0913 - each is one decision of main's, and most have a default
        cls,
        path: Path,
        *,
        migrations: Path,
        on_commit_unknown: Callable[[BaseException], None],
        executor: Executor | None = None,
        max_group: int = MAX_GROUP,
        vfs: str | None = None,
        now_ms: Callable[[], int] = wall_clock_ms,
    ) -> SqliteDatabase:
        """Open, repair and migrate a database, making folder and file if they are missing.

        ``on_commit_unknown`` is called, on the loop, when a commit reported an I/O error:
        the process must end then. ``executor`` replaces the own threads for commits and
        heavy reads; it stays the caller's. The loop is kept busy meanwhile: nothing can be
        served yet. Raises `StorageInUse`, `MigrationError`, `StorageUnavailable`.
        """
        file = DatabaseFile.at(path, vfs)
        with ExitStack() as resources, _seam_errors(file.path):
            file.create()
            resources.callback(FileLock(file.path).release)
            connection = file.open_writer()
            resources.callback(connection.close)
            committer = executor or _until_closed(resources, OneThread("commit"))
            heavy = executor or _until_closed(
                resources, ThreadPoolExecutor(HEAVY_THREADS, thread_name_prefix="heavy-read")
            )
            patience_s = COMMIT_PATIENCE_S if executor is None else 0.0
            writer = GroupCommit(
                Session(connection), committer, on_commit_unknown, max_group, patience_s
            )
            database = cls(file, writer, heavy, resources.pop_all())
        try:
            await migrate(database, migrations, create_table=_CREATE_TABLE, now_ms=now_ms)
            database._reader = database._open_reader()
        except BaseException:
            await database.close()
            raise
        return database

    async def write(self, unit: Unit[T]) -> T:
        """Run a unit and return what it returned, after its changes are durable."""
        return await self._writer.submit(unit)

    async def read(self, unit: Unit[T], *, heavy: bool = False) -> T:
        """Run a unit on one snapshot, which holds every write answered before."""
        if self._reader is None:
            raise StorageUnavailable("The database is closed.")
        if not heavy:
            return self._reader.read(unit)
        under_way = self._heavy.submit(self._read_in_thread, unit)
        self._heavy_under_way.add(under_way)
        under_way.add_done_callback(self._heavy_under_way.discard)
        return await asyncio.wrap_future(under_way)

    async def ping(self) -> None:
        """Write and read for real; raises `StorageUnavailable` if that cannot be done now."""
        await self.write(_touch)
        await self.read(_look)

    async def close(self) -> None:
        """Finish the units that wait, refuse new ones, let go of the database. Idempotent."""
        if self._closing is None:
            self._reader = None
            self._writer.stop()
            self._closing = asyncio.create_task(self._close(), name=CLOSING_TASK)
        # Shielded: a caller who gives up must not leave the file half closed.
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        await self._writer.finish()
        under_way = [asyncio.wrap_future(read) for read in list(self._heavy_under_way)]
        await asyncio.gather(*under_way, return_exceptions=True)
        self._resources.close()

    def _read_in_thread(self, unit: Unit[T]) -> T:
        session: Session | None = getattr(self._of_thread, "session", None)
        if session is None:
            session = self._of_thread.session = self._open_reader()
        return session.read(unit)

    def _open_reader(self) -> Session:
        with _seam_errors(self._file.path):
            connection = self._file.open_reader()
        self._resources.callback(connection.close)
        return Session(connection)


def _until_closed(resources: ExitStack, executor: Executor) -> Executor:
    resources.callback(executor.shutdown)
    return executor


@contextmanager
def _seam_errors(path: Path) -> Iterator[None]:
    """Raise what goes wrong with a file as the seam's errors, with its name."""
    try:
        yield
    except apsw.Error as error:
        raise type(storage_error(error))(f"{path} cannot be opened: {error}") from error
    except OSError as error:
        raise StorageUnavailable(f"{path} cannot be opened: {error}") from error


async def _touch(tx: Transaction) -> None:
    # Setting the version that SQLite keeps for us, to any value, writes its page.
    await tx.execute("PRAGMA user_version = 0")


async def _look(tx: Transaction) -> list[Row]:
    return await tx.fetch_all("SELECT count(*) FROM schema_migrations")
