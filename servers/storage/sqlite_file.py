"""A SQLite file on disk: its folder, its lock, and connections with the right pragmas.

Lives here: everything that makes a commit durable and one process the owner. What runs on
the connections lives elsewhere.
"""

from __future__ import annotations

import fcntl
import os
import stat
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import apsw

from servers.storage.database import StorageError, StorageInUse, StorageUnavailable
from servers.storage.sqlite_functions import add_functions

if TYPE_CHECKING:
    from pathlib import Path

BUSY_TIMEOUT_MS = 50
"""How long a statement waits for a lock. Only a stranger (a backup, a shell) can hold one."""

WRITER_CACHE_KIB = 32 * 1024
"""Room for the pages of a whole group, so that nothing is written before its commit."""

CHECKPOINT_PAGES = 4000
"""After so many pages the log is brought into the file: a page that changed often goes once."""

MAX_IDLE_WAL_BYTES = 64 * 1024 * 1024
"""What is left of the write-ahead log after a long read had made it grow."""

SYNCHRONOUS_FULL = 2

ASKING_S = 0.01
ASKED_TIMES = 50
"""How long, and how often at most, a lock is waited for that somebody only asks about."""


class FileLock:
    """The right of one owner to a database; the kernel drops it when a process dies.

    It belongs to the opened lock file and not to the process (flock(2)), so a second
    owner inside the same process is refused as well. The lock file itself stays:
    removing it would let two processes lock two files of the same name.

    Raises `StorageInUse`, OSError, and `StorageUnavailable` where what is there is no file.
    """

    def __init__(self, database: Path) -> None:
        path = database.with_name(database.name + ".lock")
        # Were it a FIFO, some systems would wait here for somebody at its other end.
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NONBLOCK, 0o600)
        if not stat.S_ISREG(os.fstat(self._descriptor).st_mode):
            os.close(self._descriptor)
            raise StorageUnavailable(f"The lock {path} is not a file. Remove it and start again.")
        try:
            _take(self._descriptor)
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)
        except BlockingIOError:
            owner = os.pread(self._descriptor, 32, 0).strip()
            os.close(self._descriptor)
            raise StorageInUse(database, int(owner) if owner.isdigit() else None) from None
        except BaseException:
            os.close(self._descriptor)
            raise

    def release(self) -> None:
        """Let another owner in."""
        os.close(self._descriptor)


def _take(lock: int) -> None:
    """Take a lock, after those who only ask who has it. Raises BlockingIOError if an owner does.

    They hold it together with others, and for an instant.
    """
    for _ in range(ASKED_TIMES):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            fcntl.flock(lock, fcntl.LOCK_UN)
            time.sleep(ASKING_S)
        else:
            return
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


@dataclass(frozen=True)
class DatabaseFile:
    """Where a database lies, and through which SQLite VFS it is reached (None: the usual)."""

    path: Path
    vfs: str | None = None

    @classmethod
    def at(cls, path: Path, vfs: str | None = None) -> DatabaseFile:
        """Return the file that a path leads to, so that two names of it share one lock."""
        return cls(path.resolve(), vfs)

    def create(self) -> None:
        """Make folder (0700) and file (0600) where they are missing, durably.

        SQLite gives its ``-wal`` and ``-shm`` files the mode of the database. Raises OSError.
        """
        missing = [folder for folder in self.path.parents if not folder.exists()]
        for folder in reversed(missing):
            folder.mkdir(mode=0o700, exist_ok=True)
            sync_folder(folder.parent)
        with suppress(FileExistsError):
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
            sync_folder(self.path.parent)

    def open_writer(self) -> apsw.Connection:
        """Return the one connection that writes, all that a crash left behind made durable.

        Raises apsw.Error, or `StorageError` if this SQLite does not keep what it commits.
        """
        connection = self._connect()
        try:
            # A new file goes to WAL by a transaction with a rollback journal. Were that one's
            # removal not durable, a power cut much later could bring it back, and the next
            # start would roll the whole file back to nothing. Only "extra" sees to that.
            connection.pragma("synchronous", "extra")
            connection.pragma("journal_mode", "wal")
            connection.pragma("synchronous", "full")
            # On macOS fsync leaves data in the drive's cache; elsewhere these do nothing.
            connection.pragma("fullfsync", value=True)
            connection.pragma("checkpoint_fullfsync", value=True)
            connection.pragma("cache_size", -WRITER_CACHE_KIB)
            connection.pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
            connection.pragma("journal_size_limit", MAX_IDLE_WAL_BYTES)
            # What a savepoint keeps to be undone would go through a file otherwise.
            connection.pragma("temp_store", "memory")
            connection.pragma("foreign_keys", value=True)
            self._assert_durable(connection)
            # Recovery may have found a commit whose answer was an I/O error: it can stand
            # in the system's cache without being on disk. Nothing is read before it is.
            connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        except BaseException:
            connection.close()
            raise
        return connection

    def open_reader(self) -> apsw.Connection:
        """Return a connection that cannot write. Raises apsw.Error."""
        connection = self._connect()
        try:
            connection.pragma("query_only", value=True)
        except BaseException:
            connection.close()
            raise
        return connection

    def _connect(self) -> apsw.Connection:
        # Without CREATE: the file was made with its mode before.
        connection = apsw.Connection(
            str(self.path), flags=apsw.SQLITE_OPEN_READWRITE, vfs=self.vfs, statementcachesize=256
        )
        connection.set_busy_timeout(BUSY_TIMEOUT_MS)
        add_functions(connection)
        # A "name" that is no column is an error and not a text, as everywhere else.
        connection.config(apsw.SQLITE_DBCONFIG_DQS_DML, 0)
        connection.config(apsw.SQLITE_DBCONFIG_DQS_DDL, 0)
        # Else a statement is compiled anew whenever a value in its WHERE is another one, for
        # which the best way might be another. Ours have one good way each.
        connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
        return connection

    def _assert_durable(self, connection: apsw.Connection) -> None:
        found = (connection.pragma("journal_mode"), connection.pragma("synchronous"))
        if found != ("wal", SYNCHRONOUS_FULL):
            raise StorageError(
                f"{self.path} is kept with journal_mode {found[0]} and synchronous {found[1]},"
                f" but needs wal and {SYNCHRONOUS_FULL} to survive a power loss."
                " Use a folder on a local disk."
            )


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable; a new file is lost with its name otherwise."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
