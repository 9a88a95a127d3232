"""SQLite files that somebody else may have open: looked at, and copied.

Lives here: what a backup needs of a file that it does not own. Nothing in this module writes
to a database but to a copy of its own. How the owner opens one is in ``sqlite_file``.
"""

from __future__ import annotations

import os
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import apsw

from servers.storage.database import StorageInUse, StorageUnavailable
from servers.storage.sqlite_file import FileLock, sync_folder
from servers.storage.sqlite_session import storage_error

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGES_AT_ONCE = 1024
"""How much is copied before a signal, such as Ctrl-C, can be heard."""

BUSY_TIMEOUT_MS = 5000
"""How long to wait for an owner who is just opening or closing the file."""


@contextmanager
def seam_errors(path: Path) -> Iterator[None]:
    """Raise what goes wrong with a file as the seam's errors, with its name."""
    try:
        yield
    except apsw.Error as error:
        raise type(storage_error(error))(f"{path}: {error}") from error
    except OSError as error:
        raise StorageUnavailable(f"{path}: {error.strerror or error}") from error


@contextmanager
def looking(path: Path) -> Iterator[apsw.Connection]:
    """Open a database to read it, beside its owner if it has one; else no owner can come.

    Nothing of what a crash has left behind is changed: the next owner finds the log as it is.
    Raises `StorageError`.
    """
    with ExitStack() as stack:
        owned = False
        try:
            with seam_errors(path):
                lock = FileLock(path)
            stack.callback(lock.release)
        except StorageInUse:
            owned = True
        log = path.with_name(path.name + "-wal")
        with seam_errors(path):
            # To SQLite the log of an empty file is a stray one, which it would remove.
            empty = path.stat().st_size == 0
            shared = owned or log.exists()
            connection = open_still(path) if empty else _open_to_look(path, shared=shared)
        stack.callback(connection.close)
        yield connection


def open_still(path: Path) -> apsw.Connection:
    """Open a file that nobody writes to meanwhile, without touching anything beside it.

    An integrity check by this connection leaves out the CHECKs. Raises apsw.Error.
    """
    # An immutable file needs neither locks nor a log, so SQLite makes no files for them.
    flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
    return apsw.Connection(f"{path.resolve().as_uri()}?immutable=1", flags=flags)


def begin_snapshot(connection: apsw.Connection) -> None:
    """Hold on to the database as it is now, until the connection's transaction ends.

    Raises `StorageError`.
    """
    with seam_errors(Path(connection.filename)):
        connection.execute("BEGIN")
        # Only a read takes the snapshot; BEGIN alone puts it off.
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()


def end_snapshot(connection: apsw.Connection) -> None:
    """Let go of the snapshot."""
    connection.execute("ROLLBACK")


def copy_database(source: apsw.Connection, target: Path) -> None:
    """Copy what a connection sees into a new file (0600), durably.

    Raises `StorageError`; what there is of the file then is left to the caller.
    """
    with seam_errors(target):
        os.close(os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        copy = apsw.Connection(str(target), flags=apsw.SQLITE_OPEN_READWRITE)
        with closing(copy):
            # On macOS only this reaches the drive itself; elsewhere it does nothing.
            copy.pragma("fullfsync", value=True)
            with copy.backup("main", source, "main") as pages:
                while not pages.done:
                    pages.step(PAGES_AT_ONCE)
        sync_folder(target.parent)


def _open_to_look(path: Path, *, shared: bool) -> apsw.Connection:
    # Not by SQLITE_OPEN_READONLY, with which an integrity check leaves out the CHECKs.
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    connection.set_busy_timeout(BUSY_TIMEOUT_MS)
    connection.pragma("query_only", value=True)
    if shared:
        # Should the owner die meanwhile, the last to close is us; the log is not ours to empty.
        connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
    return connection
