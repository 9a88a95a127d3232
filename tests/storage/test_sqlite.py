"""One file, one owner, one writer, readers beside it."""

from __future__ import annotations

import asyncio
import stat
import threading
from typing import TYPE_CHECKING

import pytest

from servers.storage.database import MigrationError, StorageError, StorageUnavailable
from servers.storage.sqlite import SqliteDatabase
from tests.storage.shelf import HeldExecutor, ids, must_not_happen, open_shelf, put, write_migration

if TYPE_CHECKING:
    from pathlib import Path

    from servers.storage.database import Database, Row, Transaction


async def pragma(database: Database, name: str) -> object:
    """Ask the writing connection for a pragma."""

    async def unit(tx: Transaction) -> Row | None:
        return await tx.fetch_one(f"PRAGMA {name}")

    row = await database.write(unit)
    assert row is not None
    return row[0]


@pytest.mark.parametrize(
    ("name", "value"), [("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1)]
)
async def test_pragmas(database: Database, name: str, value: object) -> None:
    """A commit is durable and references are checked."""
    assert await pragma(database, name) == value


async def test_modes(database: Database, tmp_path: Path) -> None:
    """Only the owner may look into the folder and its files."""
    await database.write(put(1))
    folder = tmp_path / "shop"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert modes == dict.fromkeys(
        ["shelf.db", "shelf.db-shm", "shelf.db-wal", "shelf.db.lock"], 0o600
    )


async def test_write_then_read(database: Database) -> None:
    """A read that begins after a write was answered sees it, on the loop and beside it."""
    for book_id in range(1, 21):
        assert await database.write(put(book_id)) == book_id
        assert book_id in await database.read(ids)
        assert book_id in await database.read(ids, heavy=True)


async def test_reopen(tmp_path: Path) -> None:
    """What was written is there when the database is opened again."""
    first = await open_shelf(tmp_path)
    await first.write(put(1))
    await first.close()
    second = await open_shelf(tmp_path)
    assert await second.read(ids) == [1]
    await second.close()


async def test_close_leaves_one_file(tmp_path: Path) -> None:
    """A closed database is one file that can be copied; only the lock file stays beside it."""
    database = await open_shelf(tmp_path)
    await database.write(put(1))
    await database.close()
    assert sorted(path.name for path in (tmp_path / "shop").iterdir()) == [
        "shelf.db",
        "shelf.db.lock",
    ]


async def test_no_database(tmp_path: Path) -> None:
    """A file that is no database is refused by name, and the lock is let go."""
    path = tmp_path / "shop" / "shelf.db"
    path.parent.mkdir()
    path.write_text("a shopping list " * 64)
    with pytest.raises(StorageError, match=str(path)):
        await open_shelf(tmp_path)
    path.unlink()
    await (await open_shelf(tmp_path)).close()


async def test_no_folder(tmp_path: Path) -> None:
    """A folder that cannot be made is a storage that is not available."""
    (tmp_path / "shop").write_text("a file")
    with pytest.raises(StorageUnavailable, match="cannot be opened"):
        await open_shelf(tmp_path)


async def test_not_durable(tmp_path: Path) -> None:
    """Where SQLite cannot keep a write-ahead log the database is refused, with what to do."""
    with pytest.raises(StorageError, match=r"journal_mode delete .* Use a folder on a local disk"):
        await open_shelf(tmp_path, vfs="unix-none")


async def test_failed_migration_lets_go(tmp_path: Path) -> None:
    """An opening that fails at its last step leaves nothing open."""
    folder = write_migration(tmp_path / "broken", "CREATE NONSENSE")
    with pytest.raises(MigrationError):
        await SqliteDatabase.open(
            tmp_path / "shop" / "shelf.db", migrations=folder, on_commit_unknown=must_not_happen
        )
    await (await open_shelf(tmp_path)).close()


async def test_reads_cannot_write(database: Database) -> None:
    """A unit that writes is refused where only reading is meant."""
    for heavy in (False, True):
        with pytest.raises(StorageError, match="readonly"):
            await database.read(put(1), heavy=heavy)
    assert await database.read(ids) == []


async def test_one_snapshot(database: Database) -> None:
    """A read sees one moment, whatever is written before it ends."""
    begun, written = threading.Event(), threading.Event()

    async def unit(tx: Transaction) -> tuple[list[int], list[int]]:
        before = await ids(tx)
        begun.set()
        assert written.wait(timeout=30)
        return before, await ids(tx)

    reading = asyncio.ensure_future(database.read(unit, heavy=True))
    assert await asyncio.to_thread(begun.wait, 30)
    await database.write(put(1))
    written.set()
    assert await reading == ([], [])
    assert await database.read(ids, heavy=True) == [1]


async def test_where_reads_run(database: Database) -> None:
    """A short read runs on the loop, a heavy one in a thread of its own."""

    async def unit(tx: Transaction) -> int:
        await ids(tx)
        return threading.get_ident()

    assert await database.read(unit) == threading.get_ident()
    assert await database.read(unit, heavy=True) != threading.get_ident()


@pytest.mark.parametrize("heavy", [False, True])
async def test_reads_must_not_suspend(database: Database, *, heavy: bool) -> None:
    """A read that waits for something else would pin its snapshot, so it is refused."""

    async def unit(tx: Transaction) -> None:
        await ids(tx)
        await asyncio.sleep(0)

    with pytest.raises(RuntimeError, match="must not suspend"):
        await database.read(unit, heavy=heavy)
    assert await database.read(ids, heavy=heavy) == []


async def test_a_failed_read_ends_its_snapshot(database: Database) -> None:
    """After a read that raised, the next one sees what was written since."""

    async def unit(tx: Transaction) -> None:
        await ids(tx)
        raise LookupError

    with pytest.raises(LookupError):
        await database.read(unit)
    await database.write(put(1))
    assert await database.read(ids) == [1]


async def test_ping(database: Database, tmp_path: Path) -> None:
    """A healthy database answers a ping, and for that has written to its log."""
    log = tmp_path / "shop" / "shelf.db-wal"
    before = log.stat().st_size
    await database.ping()
    assert log.stat().st_size > before
    assert await database.read(ids) == []


async def test_closed(tmp_path: Path) -> None:
    """A closed database refuses everything, and closing it again does nothing."""
    database = await open_shelf(tmp_path)
    await asyncio.gather(database.close(), database.close())
    await database.close()
    for refused in (
        database.write(put(1)),
        database.read(ids),
        database.read(ids, heavy=True),
        database.ping(),
    ):
        with pytest.raises(StorageUnavailable, match="closed"):
            await refused


async def test_close_finishes_writes(tmp_path: Path) -> None:
    """Closing answers the units that wait and refuses those that come later."""
    executor = HeldExecutor()
    database = await open_shelf(tmp_path, executor=executor, max_group=2)
    executor.held = True
    writes = [asyncio.ensure_future(database.write(put(book_id))) for book_id in (1, 2, 3)]
    await asyncio.sleep(0)
    closing = asyncio.ensure_future(database.close())
    await asyncio.sleep(0)
    with pytest.raises(StorageUnavailable):
        await database.write(put(4))
    executor.release()
    await closing
    assert await asyncio.gather(*writes) == [1, 2, 3]
    reopened = await open_shelf(tmp_path)
    assert await reopened.read(ids) == [1, 2, 3]
    await reopened.close()


async def test_close_waits_for_reads(tmp_path: Path) -> None:
    """Closing lets a heavy read come to its end, even one whose caller has left."""
    database = await open_shelf(tmp_path)
    begun, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    async def unit(tx: Transaction) -> None:
        begun.set()
        assert go_on.wait(timeout=30)
        await ids(tx)
        ended.set()

    reading = asyncio.ensure_future(database.read(unit, heavy=True))
    assert await asyncio.to_thread(begun.wait, 30)
    reading.cancel()
    closing = asyncio.ensure_future(database.close())
    for _ in range(10):
        await asyncio.sleep(0)
    assert not closing.done()
    go_on.set()
    await closing
    assert ended.is_set()


async def test_close_ends_its_threads(tmp_path: Path) -> None:
    """A closed database leaves no thread behind."""
    before = set(threading.enumerate())
    database = await open_shelf(tmp_path)
    await database.write(put(1))
    await database.read(ids, heavy=True)
    assert set(threading.enumerate()) > before
    await database.close()
    assert set(threading.enumerate()) == before


async def test_cancelled_close(tmp_path: Path) -> None:
    """A close whose caller gives up still closes."""
    executor = HeldExecutor()
    database = await open_shelf(tmp_path, executor=executor)
    executor.held = True
    write = asyncio.ensure_future(database.write(put(1)))
    await asyncio.sleep(0)
    closing = asyncio.ensure_future(database.close())
    await asyncio.sleep(0)
    closing.cancel()
    executor.release()
    assert await write == 1
    await database.close()
    await (await open_shelf(tmp_path)).close()
