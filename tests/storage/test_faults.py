"""What a failing disk does: never half a group, never an answer that is not so."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import apsw
import pytest

from servers.storage.database import CommitUnknown, StorageUnavailable
from tests.storage.faulty_disk import FaultyDisk, FaultyVFS
from tests.storage.shelf import HeldExecutor, Refused, ids, open_shelf, put, put_and_refuse

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from servers.storage.database import Database, Transaction


@pytest.fixture
def disk() -> Iterator[FaultyDisk]:
    """A disk that works until it is told otherwise."""
    disk = FaultyDisk()
    vfs = FaultyVFS(disk)
    yield disk
    vfs.unregister()


async def overflow(tx: Transaction) -> None:
    """Change more pages than the connection has room for, so that it must write some now."""
    await tx.fetch_all("PRAGMA cache_size = 8")
    for book_id in range(100, 200):
        await put(book_id, title=f"{book_id:05}" * 1000)(tx)


async def read_all(database: Database) -> list[int]:
    """Read the shelf and check that both kinds of readers agree."""
    found = await database.read(ids)
    assert await database.read(ids, heavy=True) == found
    return found


async def test_commit_unknown(tmp_path: Path, disk: FaultyDisk) -> None:
    """An I/O error at commit is told to every caller of the group and once to the process."""
    reported: list[BaseException] = []
    database = await open_shelf(tmp_path, vfs=disk.name, on_commit_unknown=reported.append)
    await database.write(put(1))
    disk.fail_sync = "-wal"
    answers = await asyncio.gather(
        database.write(put(2)),
        database.write(put_and_refuse(3)),
        database.write(put(4)),
        return_exceptions=True,
    )
    assert [type(answer) for answer in answers] == [CommitUnknown] * 3
    assert [type(error) for error in reported] == [apsw.IOError]
    await database.close()


async def test_a_disk_that_stalls(tmp_path: Path, disk: FaultyDisk) -> None:
    """Reads go on while a commit waits for its disk, and other writes wait with it."""
    database = await open_shelf(tmp_path, vfs=disk.name)
    await database.write(put(1))
    disk.awake.clear()
    stalled = asyncio.ensure_future(database.write(put(2)))
    await asyncio.sleep(0.05)
    behind = asyncio.ensure_future(database.write(put(3)))
    assert await read_all(database) == [1]
    assert not stalled.done()
    disk.awake.set()
    assert [await stalled, await behind] == [2, 3]
    assert await read_all(database) == [1, 2, 3]
    await database.close()


async def test_after_commit_unknown(tmp_path: Path, disk: FaultyDisk) -> None:
    """After an unknown commit nothing is written any more; who waited is surely refused."""
    executor = HeldExecutor()
    reported: list[BaseException] = []
    database = await open_shelf(
        tmp_path, vfs=disk.name, executor=executor, on_commit_unknown=reported.append
    )
    executor.held = True
    doubtful = asyncio.ensure_future(database.write(put(1)))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    waiting = asyncio.ensure_future(database.write(put(2)))
    await asyncio.sleep(0)
    disk.fail_sync = "-wal"
    executor.release()
    with pytest.raises(CommitUnknown):
        await doubtful
    with pytest.raises(StorageUnavailable):
        await waiting
    disk.fail_sync = None
    for refused in (database.write(put(3)), database.ping()):
        with pytest.raises(StorageUnavailable, match="restarted"):
            await refused
    assert len(reported) == 1
    await database.close()


@pytest.mark.parametrize("mended", [False, True])
async def test_a_restart_tells(tmp_path: Path, disk: FaultyDisk, *, mended: bool) -> None:
    """A group that did reach the disk before the error is found whole by the next start."""
    database = await open_shelf(tmp_path, vfs=disk.name, on_commit_unknown=lambda _: None)
    await database.write(put(1))
    disk.fail_sync = "-wal"
    await asyncio.gather(database.write(put(2)), database.write(put(3)), return_exceptions=True)
    assert await read_all(database) == [1]
    disk.fail_sync = None if mended else "-wal"
    await database.close()
    disk.fail_sync = None
    reopened = await open_shelf(tmp_path, vfs=disk.name)
    assert await read_all(reopened) == [1, 2, 3]
    await reopened.close()


async def test_no_start_without_a_checkpoint(tmp_path: Path, disk: FaultyDisk) -> None:
    """What recovery found is not served before it is durable; when it can be, it is."""
    database = await open_shelf(tmp_path, vfs=disk.name, on_commit_unknown=lambda _: None)
    disk.fail_sync = "-wal"
    with pytest.raises(CommitUnknown):
        await database.write(put(1))
    await database.close()
    for kind in ("-wal", ".db"):
        disk.fail_sync = kind
        with pytest.raises(StorageUnavailable, match="cannot be opened"):
            await open_shelf(tmp_path, vfs=disk.name)
    disk.fail_sync = None
    reopened = await open_shelf(tmp_path, vfs=disk.name)
    assert await read_all(reopened) == [1]
    await reopened.close()


async def test_disk_full_at_commit(tmp_path: Path, disk: FaultyDisk) -> None:
    """A full disk refuses the whole group for sure, reads go on, and room makes it work again."""
    database = await open_shelf(tmp_path, vfs=disk.name)
    await database.write(put(1))
    disk.full = True
    for _ in range(2):
        answers = await asyncio.gather(
            database.write(put(2)),
            database.write(put_and_refuse(3)),
            database.write(put(1)),
            return_exceptions=True,
        )
        assert [type(answer) for answer in answers] == [StorageUnavailable] * 3
        with pytest.raises(StorageUnavailable, match="no room"):
            await database.ping()
        assert await read_all(database) == [1]
    disk.full = False
    await database.ping()
    assert await database.write(put(2)) == 2
    await database.close()
    reopened = await open_shelf(tmp_path)
    assert await read_all(reopened) == [1, 2]
    await reopened.close()


async def test_disk_full_in_a_unit(tmp_path: Path, disk: FaultyDisk) -> None:
    """When a unit takes the transaction down with it, its whole group is refused."""
    database = await open_shelf(tmp_path, vfs=disk.name)
    await database.write(put(1))
    disk.full = True
    ran: list[str] = []

    async def later(tx: Transaction) -> None:
        ran.append("later")
        await put(3)(tx)

    answers = await asyncio.gather(
        database.write(put(2)),
        database.write(put_and_refuse(4)),
        database.write(overflow),
        database.write(later),
        return_exceptions=True,
    )
    assert [type(answer) for answer in answers] == [StorageUnavailable] * 4
    assert ran == []
    for answer in answers:
        assert "no room" in str(answer)
    with pytest.raises(StorageUnavailable, match="no room"):
        await database.write(overflow)
    disk.full = False
    with pytest.raises(Refused):
        await database.write(put_and_refuse(4))
    await database.write(overflow)
    await database.write(put(2))
    assert await read_all(database) == [1, 2, *range(100, 200)]
    await database.close()


async def test_refused_by_the_commit_itself(database: Database) -> None:
    """What only COMMIT can refuse takes its group along, surely undone, and nothing else."""

    async def lend(tx: Transaction) -> None:
        await tx.execute("INSERT INTO loan (shelf_id) VALUES ($1)", 99)

    answers = await asyncio.gather(
        database.write(put(1)), database.write(lend), return_exceptions=True
    )
    assert [type(answer) for answer in answers] == [StorageUnavailable] * 2
    assert await read_all(database) == []
    assert await database.write(put(1)) == 1


async def test_disk_full_at_close(tmp_path: Path, disk: FaultyDisk) -> None:
    """A close on a full disk ends well; what was answered waits in the log for the next start."""
    database = await open_shelf(tmp_path, vfs=disk.name)
    await database.write(put(1))
    disk.full = True
    await database.close()
    with pytest.raises(StorageUnavailable, match="no room"):
        await open_shelf(tmp_path, vfs=disk.name)
    disk.full = False
    reopened = await open_shelf(tmp_path, vfs=disk.name)
    assert await read_all(reopened) == [1]
    await reopened.close()


@pytest.mark.parametrize("heavy", [False, True])
async def test_unreadable(tmp_path: Path, disk: FaultyDisk, *, heavy: bool) -> None:
    """A read that the disk refuses is not available, and works again when the disk does."""
    database = await open_shelf(tmp_path, vfs=disk.name)
    await database.write(put(1))
    disk.fail_read = "-wal"
    with pytest.raises(StorageUnavailable, match="cannot be read"):
        await database.read(ids, heavy=heavy)
    with pytest.raises(StorageUnavailable, match="cannot be read"):
        await database.ping()
    disk.fail_read = None
    assert await database.read(ids, heavy=heavy) == [1]
    await database.close()


async def test_a_stranger_holds_the_lock(database: Database, tmp_path: Path) -> None:
    """While another program keeps the write lock, writes are refused and reads go on."""
    stranger = apsw.Connection(str(tmp_path / "shop" / "shelf.db"))
    stranger.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageUnavailable, match="locked"):
        await database.write(put(1))
    with pytest.raises(StorageUnavailable):
        await database.ping()
    assert await read_all(database) == []
    stranger.execute("ROLLBACK")
    assert await database.write(put(1)) == 1
    stranger.close()
