"""A look into the database of a server that does not run, which changes nothing in it.

Lives here: how a file is opened so that SQLite leaves no trace. A database that a server has
open is not looked at: that server answers for it.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote

import apsw

from servers.storage.database import StorageUnavailable
from servers.storage.sqlite_session import Session, storage_error

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from servers.storage.database import Unit

T = TypeVar("T")


def peek(path: Path, unit: Unit[T]) -> T:
    """Run a unit that only reads and return what it returned; see `peeking`."""
    with peeking(path) as session:
        return session.read(unit)


@contextmanager
def peeking(path: Path) -> Iterator[Session]:
    """Open a database to read it while the block runs. Raises `StorageError`.

    A database whose server was killed is `StorageUnavailable`: what is in its log is only
    certain after a start.
    """
    log = path.with_name(path.name + "-wal")
    if log.exists() and log.stat().st_size:
        raise StorageUnavailable(f"{path} was not closed; the next start repairs it.")
    try:
        # Without a log nothing but the file counts, and `immutable` keeps SQLite from
        # making the files beside it that a reader of a WAL database has otherwise.
        connection = apsw.Connection(
            f"file:{quote(str(path))}?immutable=1",
            flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI,
        )
    except apsw.Error as error:
        raise type(storage_error(error))(f"{path} cannot be opened: {error}") from error
    try:
        yield Session(connection)
    finally:
        connection.close()
