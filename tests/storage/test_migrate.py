"""Migrations run once, in order, whole, and only if they fit the database."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

import pytest

from servers.storage.database import MigrationError, StorageUnavailable
from servers.storage.migrate import Migration, pending, read_migrations
from servers.storage.sqlite import SqliteDatabase
from tests.storage.faulty_disk import FaultyDisk, FaultyVFS
from tests.storage.shelf import must_not_happen

if TYPE_CHECKING:
    from pathlib import Path

    from servers.storage.database import Row, Transaction

FILES = {
    "0001_create_shelf.sql": "CREATE TABLE shelf (id INTEGER PRIMARY KEY) STRICT;",
    "0002_fill_shelf.sql": "INSERT INTO shelf VALUES (1); INSERT INTO shelf VALUES (2);",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with two good migrations."""
    folder = tmp_path / "migrations"
    folder.mkdir()
    for name, sql in FILES.items():
        (folder / name).write_text(sql)
    return folder


async def open_with(folder: Path, first_ms: int = 1000, vfs: str | None = None) -> SqliteDatabase:
    """Open the database beside a folder of migrations, with a clock that counts up."""
    return await SqliteDatabase.open(
        folder.parent / "shop.db",
        migrations=folder,
        on_commit_unknown=must_not_happen,
        vfs=vfs,
        now_ms=count(first_ms).__next__,
    )


async def state_of(database: SqliteDatabase) -> tuple[list[Row], list[Row]]:
    """Read what was applied and when, and what is on the shelf; then close."""

    async def unit(tx: Transaction) -> tuple[list[Row], list[Row]]:
        sql = "SELECT number, name, applied_at_ms FROM schema_migrations ORDER BY number"
        return await tx.fetch_all(sql), await tx.fetch_all("SELECT id FROM shelf ORDER BY id")

    state = await database.read(unit)
    await database.close()
    return state


async def test_applied_in_order(folder: Path) -> None:
    """A new database gets every migration, each with its name and time."""
    state = await state_of(await open_with(folder))
    assert state == ([(1, "create_shelf", 1000), (2, "fill_shelf", 1001)], [(1,), (2,)])


async def test_applied_once(folder: Path) -> None:
    """A database that is up to date is left as it is."""
    first = await state_of(await open_with(folder))
    assert await state_of(await open_with(folder, first_ms=9000)) == first


async def test_only_the_new_one(folder: Path) -> None:
    """A newer program applies what it has more of."""
    await (await open_with(folder)).close()
    (folder / "0003_clear_shelf.sql").write_text("DELETE FROM shelf WHERE id = 1")
    applied, shelf = await state_of(await open_with(folder, first_ms=9000))
    assert applied[2:] == [(3, "clear_shelf", 9000)]
    assert shelf == [(2,)]


async def test_a_failing_migration(folder: Path) -> None:
    """A migration that fails half way leaves nothing; those before it stay; mended, it runs."""
    bad = folder / "0003_more.sql"
    bad.write_text("INSERT INTO shelf VALUES (3); INSERT INTO shelf VALUES (1);")
    with pytest.raises(MigrationError, match=r"0003_more\.sql failed and was undone"):
        await open_with(folder)
    bad.write_text("INSERT INTO shelf VALUES (4)")
    applied, shelf = await state_of(await open_with(folder))
    assert [row[0] for row in applied] == [1, 2, 3]
    assert shelf == [(1,), (2,), (4,)]


async def test_a_full_disk_is_no_bad_migration(folder: Path) -> None:
    """A migration that finds no room blames the disk and runs when there is some."""
    await (await open_with(folder)).close()
    (folder / "0003_clear_shelf.sql").write_text("DELETE FROM shelf")
    disk = FaultyDisk()
    vfs = FaultyVFS(disk)

    def fill_disk() -> int:
        disk.full = True
        return 0

    with pytest.raises(StorageUnavailable, match="no room"):
        await SqliteDatabase.open(
            folder.parent / "shop.db",
            migrations=folder,
            on_commit_unknown=must_not_happen,
            vfs=disk.name,
            now_ms=fill_disk,
        )
    disk.full = False
    _, shelf = await state_of(await open_with(folder, vfs=disk.name))
    assert shelf == []
    vfs.unregister()


async def test_a_changed_migration(folder: Path) -> None:
    """A file that changed after it was applied is refused, and the data are left alone."""
    await (await open_with(folder)).close()
    changed = folder / "0002_fill_shelf.sql"
    changed.write_text("INSERT INTO shelf VALUES (9);")
    with pytest.raises(MigrationError, match=r"0002_fill_shelf\.sql has changed.*Put its old text"):
        await open_with(folder)
    changed.write_text(FILES[changed.name])
    assert (await state_of(await open_with(folder)))[1] == [(1,), (2,)]


async def test_a_newer_database(folder: Path) -> None:
    """An older program refuses a database that a newer one has migrated."""
    await (await open_with(folder)).close()
    (folder / "0002_fill_shelf.sql").unlink()
    with pytest.raises(MigrationError, match=r"newer than this program.*Upgrade the program"):
        await open_with(folder)


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        ([], "There are no migrations"),
        (["0002_second.sql"], "0001 is missing"),
        (["0001_first.sql", "0003_third.sql"], "0002 is missing"),
        (["0001_first.sql", "0001_other.sql"], "0002 is missing"),
        (["0000_zero.sql"], "0001 is missing"),
        (["1_first.sql"], "is no migration"),
        (["0001-first.sql"], "is no migration"),
        (["0001_First.sql"], "is no migration"),
    ],
)
def test_bad_folders(tmp_path: Path, names: list[str], sentence: str) -> None:
    """A folder with a gap, a double, a strange name or nothing is refused with what to do."""
    for name in names:
        (tmp_path / name).write_text("SELECT 1")
    with pytest.raises(MigrationError, match=sentence):
        read_migrations(tmp_path)


def test_other_files(folder: Path) -> None:
    """Files that are no SQL are nobody's business."""
    (folder / "README.md").write_text("How to write a migration")
    assert [migration.name for migration in read_migrations(folder)] == [
        "create_shelf",
        "fill_shelf",
    ]


def test_a_gap_in_the_database() -> None:
    """A database that lost a row of its history is refused."""
    migrations = [Migration(number, "step", "SELECT 1", "sum") for number in (1, 2, 3)]
    assert pending(migrations, [(1, "step", "sum")]) == migrations[1:]
    with pytest.raises(MigrationError, match=r"has migration 0003 \(step\) without 0002"):
        pending(migrations, [(1, "step", "sum"), (3, "step", "sum")])
