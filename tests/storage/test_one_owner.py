"""One process owns a database, and whoever comes after a crash finds it whole."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bookstore_cli.locks import owner_of
from servers.storage.database import StorageInUse, StorageUnavailable
from servers.storage.sqlite import SqliteDatabase
from servers.storage.sqlite_file import FileLock
from tests.storage.shelf import ids, must_not_happen, open_shelf, put

if TYPE_CHECKING:
    from collections.abc import Iterator

    from servers.storage.database import Database

ROOT = Path(__file__).parents[2]

OWNER = """
import asyncio, sys
from pathlib import Path
from tests.storage.shelf import open_shelf, put

async def main():
    database = await open_shelf(Path(sys.argv[1]))
    await database.write(put(7))
    print("kept", flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.fixture
def owner(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that has the database open and has put book 7 on the shelf."""
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "kept\n"
        yield process
        process.kill()


async def test_one_owner_in_a_process(database: Database, tmp_path: Path) -> None:
    """A second opening in the same process is refused and harms nothing."""
    with pytest.raises(StorageInUse, match=f"process {os.getpid()}"):
        await open_shelf(tmp_path)
    await database.write(put(1))
    assert await database.read(ids) == [1]


async def test_one_owner_by_any_name(database: Database, tmp_path: Path) -> None:
    """A link to the database is the same database."""
    link = tmp_path / "link.db"
    link.symlink_to(tmp_path / "shop" / "shelf.db")
    with pytest.raises(StorageInUse):
        await SqliteDatabase.open(
            link, migrations=tmp_path / "migrations", on_commit_unknown=must_not_happen
        )


def test_a_question_keeps_no_owner_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks whether somebody has the lock has it for an instant; the owner waits for that."""
    asking = os.open(tmp_path / "shelf.db.lock", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(asking, fcntl.LOCK_SH)
    monkeypatch.setattr("time.sleep", lambda _seconds: os.close(asking))
    FileLock(tmp_path / "shelf.db").release()


def test_many_questions_keep_no_owner_out(tmp_path: Path) -> None:
    """However many ask again and again."""
    FileLock(tmp_path / "shelf.db").release()
    enough = threading.Event()
    answers: list[int | None] = []

    def ask() -> None:
        while not enough.is_set():
            answers.append(owner_of(tmp_path / "shelf.db.lock"))

    with ThreadPoolExecutor(2) as pool:
        asking = [pool.submit(ask) for _ in range(2)]
        try:
            for _ in range(200):
                FileLock(tmp_path / "shelf.db").release()
        finally:
            enough.set()
        for each in asking:
            each.result()
    assert set(answers) >= {None}


def test_an_owner_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who comes second is refused at once, not after the time for those who only ask."""
    lock = FileLock(tmp_path / "shelf.db")
    monkeypatch.delattr("time.sleep")
    try:
        with pytest.raises(StorageInUse):
            FileLock(tmp_path / "shelf.db")
    finally:
        lock.release()


async def test_one_owner_among_processes(tmp_path: Path, owner: subprocess.Popen[str]) -> None:
    """A second process is refused; the message names the file, the owner and what to do."""
    with pytest.raises(StorageInUse) as caught:
        await open_shelf(tmp_path)
    assert caught.value.pid == owner.pid
    assert str(caught.value) == (
        f"{tmp_path / 'shop' / 'shelf.db'} is already in use by process {owner.pid}."
        " Stop it first, or use another data folder."
    )


async def test_a_lock_that_is_no_file(tmp_path: Path) -> None:
    """Nobody can own a database by a FIFO; the message names it."""
    (tmp_path / "shop").mkdir()
    lock = tmp_path / "shop" / "shelf.db.lock"
    os.mkfifo(lock)
    with pytest.raises(StorageUnavailable, match=f"The lock {lock} is not a file"):
        await open_shelf(tmp_path)


async def test_killed_owner(tmp_path: Path, owner: subprocess.Popen[str]) -> None:
    """After kill -9 the next owner finds every answered write, checkpointed before it serves."""
    log = tmp_path / "shop" / "shelf.db-wal"
    assert log.stat().st_size > 0
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    database = await open_shelf(tmp_path)
    assert log.stat().st_size == 0
    assert await database.read(ids) == [7]
    await database.close()
