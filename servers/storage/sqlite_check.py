"""Examining a SQLite file: is it whole, and is it what the migrations have made.

Lives here: what can be found out without knowing what the rows mean. Whether the rows agree
with each other is for an audit.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import apsw

from servers.storage.database import MigrationError, StorageDamaged
from servers.storage.migrate import pending, read_migrations
from servers.storage.sqlite_functions import add_functions
from servers.storage.sqlite_session import DAMAGED, storage_error

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from servers.storage.database import Row
    from servers.storage.migrate import Migration

MAX_PROBLEMS = 20
"""How many problems of one kind are told; a file that is really broken has thousands."""

_BROKEN = (*DAMAGED, apsw.SQLError)

# Tables that SQLite makes by itself, and ours of the migrations, are in no migration.
_OBJECTS = (
    "SELECT type, name, coalesce(sql, '') FROM sqlite_schema"
    " WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name <> 'schema_migrations'"
)


@dataclass(frozen=True, slots=True)
class Examined:
    """What an examination found; ``schema`` is the number of the last migration applied.

    A file too broken to be read has no pages here, but problems. ``advised`` says that the
    problems tell themselves what to do: the file may be whole, and does not fit this program.
    """

    schema: int = 0
    pages: int = 0
    free_pages: int = 0
    page_bytes: int = 0
    problems: tuple[str, ...] = ()
    advised: bool = False


def examine(connection: apsw.Connection, migrations: Path) -> Examined:
    """Read the whole of a database and return what was found.

    Raises `StorageUnavailable` where it cannot be read now; what is wrong in the file itself
    is never raised but found.
    """
    found = Examined()
    try:
        pages, free_pages, page_bytes = (
            int(connection.pragma(name)) for name in ("page_count", "freelist_count", "page_size")
        )
        found = Examined(0, pages, free_pages, page_bytes)
        found = replace(found, problems=tuple(_damage(connection)))
        schema, wrong = _schema(connection, read_migrations(migrations))
    except MigrationError as error:
        told = (*found.problems, str(error))
        advised = not found.problems
        return replace(found, schema=len(_applied(connection)), problems=told, advised=advised)
    except _BROKEN as error:
        return replace(found, problems=(*found.problems, f"it cannot be read: {error}"))
    except apsw.Error as error:
        raise storage_error(error) from error
    return replace(found, schema=schema, problems=(*found.problems, *wrong))


def lacks_migrations(connection: apsw.Connection, migrations: Path) -> bool:
    """Say whether a start would still change the schema of a database. Raises `StorageError`."""
    try:
        made = connection.table_exists("main", "schema_migrations")
        return not made or bool(pending(read_migrations(migrations), _applied(connection)))
    except apsw.Error as error:
        raise storage_error(error) from error


def _applied(connection: apsw.Connection) -> list[Row]:
    return connection.execute(
        "SELECT number, name, checksum FROM schema_migrations ORDER BY number"
    ).fetchall()


def _damage(connection: apsw.Connection) -> Iterator[str]:
    for (found,) in connection.execute(f"PRAGMA integrity_check({MAX_PROBLEMS})").fetchall():
        if found != "ok":
            yield str(found)
    orphans = connection.execute("PRAGMA foreign_key_check").fetchall()
    for table, row, parent, _ in orphans[:MAX_PROBLEMS]:
        yield f"row {row} of {table} names a row of {parent} that is not there"


def _schema(connection: apsw.Connection, migrations: list[Migration]) -> tuple[int, list[str]]:
    """Return the last migration, and how the schema differs from what they make of it.

    Raises `MigrationError` where what was applied is not what they are.
    """
    if not connection.table_exists("main", "schema_migrations"):
        return 0, ["it has no table schema_migrations: no server has made it"]
    applied = _applied(connection)
    rest = pending(migrations, applied)
    wanted = _made_by(*migrations[: len(migrations) - len(rest)])
    found = _objects(connection)
    problems = [f"its {kind} {name} is missing or altered" for kind, name, _ in wanted - found]
    strange = {each[:2] for each in found} - {each[:2] for each in wanted}
    problems += [f"its {kind} {name} is in no migration" for kind, name in strange]
    return len(applied), sorted(problems)


@lru_cache(maxsize=8)
def _made_by(*migrations: Migration) -> frozenset[tuple[str, str, str]]:
    """Return the objects that these migrations make in an empty database."""
    with closing(apsw.Connection(":memory:")) as empty:
        add_functions(empty)
        for migration in migrations:
            empty.execute(migration.sql)
        return _objects(empty)


def _objects(connection: apsw.Connection) -> frozenset[tuple[str, str, str]]:
    rows = connection.execute(_OBJECTS).fetchall()
    return frozenset((str(kind), str(name), str(sql)) for kind, name, sql in rows)


def must_be_whole(found: Examined, path: Path) -> None:
    """Raise `StorageDamaged` where an examination found problems.

    Raises `MigrationError` where the file does not fit this program and may be whole.
    """
    if found.advised:
        raise MigrationError(f"{path}: {found.problems[0]}")
    if found.problems:
        more = len(found.problems) - 1
        rest = f" (and {more} more)" if more else ""
        raise StorageDamaged(f"{path} is damaged: {found.problems[0]}{rest}.")
