"""Numbered migrations: what a schema is made of, applied once each and in order.

Lives here: reading the files, comparing them with what was applied, applying the rest
through the seam. The SQL lies in ``migrations/<engine>/<database>/0001_<name>.sql``; how
an engine spells its table ``schema_migrations`` comes in from the engine.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from servers.storage.database import MigrationError, StorageError, StorageUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from servers.storage.database import Database, Row, Transaction

_FILE_NAME = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")


@dataclass(frozen=True)
class Migration:
    """One step of a schema; ``checksum`` is the SHA-256 of its file in hex."""

    number: int
    name: str
    sql: str
    checksum: str


async def migrate(
    database: Database, folder: Path, *, create_table: str, now_ms: Callable[[], int]
) -> None:
    """Bring a database to the last migration in a folder.

    Each migration is one transaction together with its row in ``schema_migrations``.
    Raises `MigrationError` if files and database do not fit or a file fails.
    """
    migrations = read_migrations(folder)

    async def read_applied(tx: Transaction) -> list[Row]:
        await tx.execute(create_table)
        return await tx.fetch_all(
            "SELECT number, name, checksum FROM schema_migrations ORDER BY number"
        )

    for migration in pending(migrations, await database.write(read_applied)):
        await _apply(database, migration, now_ms())


def read_migrations(folder: Path) -> list[Migration]:
    """Return the migrations of a folder by number. Raises `MigrationError` on a bad folder."""
    migrations = [_read(path) for path in sorted(folder.glob("*.sql"))]
    if not migrations:
        raise MigrationError(f"There are no migrations in {folder}. Install the program again.")
    for expected, migration in enumerate(migrations, start=1):
        if migration.number != expected:
            raise MigrationError(
                f"Migration {expected:04} is missing in {folder}: the file there is"
                f" {migration.number:04}_{migration.name}.sql."
                " Number the files 0001, 0002, … without a gap or a double."
            )
    return migrations


def pending(migrations: list[Migration], applied: list[Row]) -> list[Migration]:
    """Return those migrations that the rows (number, name, checksum) do not hold yet.

    Raises `MigrationError` if the rows are not the beginning of the migrations.
    """
    if len(applied) > len(migrations):
        raise MigrationError(
            f"The database is newer than this program: it has migration {applied[-1][0]:04}"
            f" ({applied[-1][1]}), the program knows {len(migrations)}."
            " Upgrade the program, or restore a backup made before the upgrade."
        )
    # The files have no gap, so a gap in the rows shows as rows that are not the first files.
    for migration, (number, name, checksum) in zip(migrations, applied, strict=False):
        if migration.number != number:
            raise MigrationError(
                f"The database has migration {number:04} ({name}) without"
                f" {migration.number:04} ({migration.name}). Restore it from a backup."
            )
        if migration.checksum != checksum:
            raise MigrationError(
                f"Migration {number:04}_{migration.name}.sql has changed since it was applied."
                " Put its old text back and write the change as a new migration."
            )
    return migrations[len(applied) :]


def _read(path: Path) -> Migration:
    found = _FILE_NAME.fullmatch(path.name)
    if found is None:
        raise MigrationError(f"{path} is no migration. Name it like 0001_create_books.sql.")
    content = path.read_bytes()
    return Migration(
        number=int(found[1]),
        name=found[2],
        sql=content.decode(),
        checksum=hashlib.sha256(content).hexdigest(),
    )


async def _apply(database: Database, migration: Migration, applied_at_ms: int) -> None:
    async def unit(tx: Transaction) -> None:
        await tx.execute(migration.sql)
        await tx.execute(
            "INSERT INTO schema_migrations (number, name, checksum, applied_at_ms)"
            " VALUES ($1, $2, $3, $4)",
            migration.number,
            migration.name,
            migration.checksum,
            applied_at_ms,
        )

    try:
        await database.write(unit)
    except StorageUnavailable:
        raise
    except StorageError as error:
        raise MigrationError(
            f"Migration {migration.number:04}_{migration.name}.sql failed and was undone:"
            f" {error} Mend the file and start again."
        ) from error
