"""`doctor`, on installations that are broken one way at a time."""

from __future__ import annotations

import asyncio
import datetime as dt
import fcntl
import json
import os
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import contextmanager
from importlib import metadata
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import apsw
import pytest

from bookstore_cli.doctor import machine, running
from servers.access import tokens
from servers.shop_file import only_supervisor, write_shop_file
from servers.upkeep.backoffice import open_stopped
from tests.audit.keepers import buy, tamper
from tests.cli.fake_frontend import answers, frontend, refuses
from tests.support.shop import Shop, open_shop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.cli.conftest import Ran

    Bookstore = Callable[..., Ran]
    Found = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a shop that was open and was closed."""
    folder = tmp_path_factory.mktemp("closed") / "shop"
    with open_shop(folder) as shop:
        assert shop.request("POST", "/purchase/2").status == 201
    return folder


@pytest.fixture
def folder(tmp_path: Path, closed: Path) -> Path:
    """A copy of that folder, to be broken."""
    copied = tmp_path / "shop"
    subprocess.run(["cp", "-pR", closed, copied], check=True)
    return copied


@pytest.fixture
def free_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the shop take any ports, whoever else runs on this machine."""
    monkeypatch.setenv("BOOKSTORE_PORT", "0")


def examined(bookstore: Bookstore, code: int | None = None) -> Found:
    """Return the findings by what was looked at."""
    ran = bookstore("doctor", "--json")
    found = {row["check"]: row for row in json.loads(ran.out)}
    wrong = [row for row in found.values() if row["state"] == "fail"]
    assert ran.code == (8 if wrong else 0), wrong
    assert code is None or ran.code == code, (wrong, ran.err)
    return found


def snapshot(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Return all of a folder: modes, times and contents."""
    return {
        path.name: (path.stat().st_mode, path.stat().st_mtime_ns, path.read_bytes())
        for path in folder.iterdir()
    }


@pytest.mark.usefixtures("free_ports")
def test_a_shop_that_is_well(bookstore: Bookstore, folder: Path) -> None:
    """A closed shop has nothing wrong, and looking changed nothing in it."""
    before = snapshot(folder)
    found = examined(bookstore, 0)
    assert {row["state"] for row in found.values()} == {"ok"}
    assert snapshot(folder) == before
    for check in ("python", "sqlite", "aiohttp", "disk writing", "orders", "last entry"):
        assert check in found


@pytest.mark.usefixtures("free_ports")
@pytest.mark.parametrize("name", ["catalog", "orders"])
@pytest.mark.parametrize("content", [b"", b"nonsense" * 1000, None], ids=["empty", "other", "half"])
def test_a_database_that_is_broken(
    bookstore: Bookstore, folder: Path, name: str, content: bytes | None
) -> None:
    """One that cannot be read is wrong, and what can be done is told."""
    path = folder / f"{name}.db"
    path.write_bytes(path.read_bytes()[:8192] if content is None else content)
    row = examined(bookstore, 8)[f"{name}.db"]
    assert row["state"] == "fail"
    assert "bookstore db restore" in row["advice"]


@pytest.mark.usefixtures("free_ports")
def test_a_database_that_is_lost(bookstore: Bookstore, folder: Path) -> None:
    """Either is wrong: without a catalog its backup is asked for, orders are made anew."""
    catalog = folder / "catalog.db"
    catalog.rename(folder / "kept")
    lost = examined(bookstore, 8)["catalog.db"]
    assert lost["state"] == "fail"
    assert "bookstore db restore DIR --only catalog" in lost["advice"]
    assert "bookstore reconcile --without-backup" in lost["advice"]
    (folder / "kept").rename(catalog)
    (folder / "orders.db").unlink()
    lost = examined(bookstore, 8)["orders.db"]
    assert lost["state"] == "fail"
    assert "Run: bookstore reconcile, before the shop is opened" in lost["advice"]


@pytest.mark.usefixtures("free_ports")
def test_orders_that_were_never_there(bookstore: Bookstore, folder: Path) -> None:
    """Where the ledger has decided nothing a shop without orders is a new one: no fault."""
    (folder / "orders.db").unlink()
    tamper(folder, "catalog", "DELETE FROM ledger WHERE order_id IS NOT NULL")
    row = examined(bookstore, 0)["orders.db"]
    assert (row["state"], row["advice"]) == ("warn", "Start the shop: bookstore up")


@pytest.mark.usefixtures("free_ports")
def test_a_catalog_that_was_made_anew(bookstore: Bookstore, folder: Path) -> None:
    """An empty ledger beside orders is a lost catalog too, and its backup is asked for."""
    tamper(folder, "catalog", "DELETE FROM ledger", "DELETE FROM book_topics", "DELETE FROM books")
    row = examined(bookstore, 8)["ledger and orders"]
    assert (row["state"], "the catalog was lost" in row["found"]) == ("fail", True)
    assert "bookstore db restore DIR --only catalog" in row["advice"]
    assert "bookstore reconcile --without-backup" in row["advice"]


@pytest.mark.usefixtures("free_ports")
def test_orders_that_are_missing_below_newer_ones(bookstore: Bookstore, folder: Path) -> None:
    """Orders that were lost are missed also after others were placed since."""
    (folder / "orders.db").unlink()

    async def buy_one() -> None:
        async with open_stopped(folder, to_change=True) as shop:
            await buy(shop.orders, "z", 1)

    asyncio.run(buy_one())
    row = examined(bookstore, 8)["ledger and orders"]
    assert (row["state"], row["advice"]) == ("fail", "Run: bookstore reconcile")


@pytest.mark.usefixtures("free_ports")
@pytest.mark.parametrize(
    ("database", "statement"),
    [
        ("orders", "DELETE FROM orders"),
        ("orders", "DELETE FROM orders WHERE seq = 1"),
        ("catalog", "DELETE FROM ledger WHERE number = (SELECT max(number) FROM ledger)"),
    ],
)
def test_databases_that_do_not_fit(
    bookstore: Bookstore, folder: Path, database: str, statement: str
) -> None:
    """What one of them lacks of the other is wrong, and `reconcile` is the advice."""
    tamper(folder, database, statement)
    row = examined(bookstore, 8)["ledger and orders"]
    assert (row["state"], "reconcile" in row["advice"]) == ("fail", True)


@pytest.mark.usefixtures("free_ports")
@pytest.mark.parametrize(
    "note",
    [
        {"supervisor_pid": 2**32 + 1},
        {"supervisor_pid": -1},
        {"catalog": os.getpid()},
        {"catalog": {"url": "http://[::", "pid": os.getpid()}},
    ],
)
def test_a_note_that_makes_no_sense(
    bookstore: Bookstore, folder: Path, note: dict[str, object]
) -> None:
    """Whatever stands in shop.json, it is a finding and no bug."""
    (folder / "shop.json").write_text(json.dumps(note))
    ran = bookstore("doctor", "--json")
    assert ran.code in {0, 8}
    assert "bug" not in ran.err


@pytest.mark.usefixtures("free_ports")
def test_where_each_setting_came_from(
    bookstore: Bookstore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each setting has its value and its source; a secret has no value."""
    file = tmp_path / "shop.toml"
    file.write_text('currency = "EUR"\n')
    monkeypatch.setenv("BOOKSTORE_CONFIG", str(file))
    monkeypatch.setenv("BOOKSTORE_SERVICE_TOKEN", "e" * 64)
    ran = bookstore("doctor", "--json")
    found = {row["check"]: row for row in json.loads(ran.out)}
    assert found["setting currency"]["source"] == f"file {file}"
    assert found["setting currency"]["found"] == "EUR"
    assert found["setting port"]["source"] == "environment BOOKSTORE_PORT"
    assert found["setting host"]["source"] == "default"
    assert found["setting data"]["source"] == "option"
    assert "e" * 64 not in ran.out
    assert found["setting service_token"]["source"] == "environment BOOKSTORE_SERVICE_TOKEN"


def test_a_setting_that_is_wrong(bookstore: Bookstore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A setting that cannot be used is the finding."""
    monkeypatch.setenv("BOOKSTORE_PORT", "many")
    found = examined(bookstore, 8)
    assert "BOOKSTORE_PORT" in found["settings"]["found"]


@pytest.mark.usefixtures("free_ports")
@pytest.mark.parametrize(
    ("name", "mode", "check", "state"),
    [
        (".", 0o755, "folder", "warn"),
        (".", 0o777, "folder", "fail"),
        ("catalog.db", 0o644, "files", "warn"),
        ("orders.db", 0o660, "files", "warn"),
        ("admin.token", 0o644, "admin token", "fail"),
        ("service.token", 0o604, "service token", "fail"),
    ],
)
def test_what_is_open_to_others(
    bookstore: Bookstore, folder: Path, name: str, mode: int, check: str, state: str
) -> None:
    """Modes that let others in are named, with how to close them."""
    (folder / name).chmod(mode)
    finding = examined(bookstore)[check]
    assert finding["state"] == state
    assert "chmod" in finding["found"] + finding["advice"]


@pytest.mark.usefixtures("free_ports")
@pytest.mark.parametrize(
    ("name", "text", "check"),
    [
        ("admin.token", "nonsense", "admin token"),
        ("service.token", "", "service token"),
        ("tokens.json", "{", "tokens.json"),
        ("shop.json", "[1]", "shop.json"),
    ],
)
def test_files_that_are_damaged(
    bookstore: Bookstore, folder: Path, name: str, text: str, check: str
) -> None:
    """A file that does not hold what it should is wrong, and named."""
    (folder / name).write_text(text)
    (folder / name).chmod(0o600)
    assert examined(bookstore, 8)[check]["state"] == "fail"


@pytest.mark.usefixtures("free_ports")
def test_a_token_that_is_gone(bookstore: Bookstore, folder: Path) -> None:
    """A missing token is to be looked at; the next start makes one."""
    (folder / "admin.token").unlink()
    assert examined(bookstore, 0)["admin token"]["state"] == "warn"


@pytest.mark.usefixtures("free_ports")
def test_a_token_that_was_exchanged(bookstore: Bookstore) -> None:
    """While the one before is valid that is to be looked at, with the command to end it."""
    bookstore("token", "new", "admin")
    finding = examined(bookstore, 0)["admin token"]
    assert finding["state"] == "warn"
    assert finding["advice"].startswith("If all use the new one: bookstore token revoke ")


@pytest.mark.usefixtures("free_ports")
def test_no_shop_at_all(bookstore: Bookstore, folder: Path) -> None:
    """A folder that is not there is no error, and is not made."""
    subprocess.run(["rm", "-r", folder], check=True)
    assert examined(bookstore, 0)["folder"]["state"] == "warn"
    assert not folder.exists()


@pytest.mark.usefixtures("free_ports")
def test_a_note_that_was_left_behind(bookstore: Bookstore, folder: Path) -> None:
    """The note of a shop that was killed names no living process."""
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    url = {"url": "http://127.0.0.1:9", "pid": gone.pid}
    note = {"frontend": url, "catalog": url, "order": url, "supervisor_pid": gone.pid}
    (folder / "shop.json").write_text(json.dumps(note))
    (folder / "shop.json").chmod(0o600)
    finding = examined(bookstore, 0)["shop.json"]
    assert finding["state"] == "warn"
    assert "killed" in finding["found"]


@pytest.mark.usefixtures("free_ports")
def test_a_lock_that_a_stranger_holds(bookstore: Bookstore, folder: Path) -> None:
    """Who has a database open without being in the note is named by its process."""
    lock = os.open(folder / "catalog.db.lock", os.O_RDWR)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        finding = examined(bookstore, 0)["catalog.db.lock"]
    finally:
        os.close(lock)
    assert finding["state"] == "warn"
    assert str(os.getpid()) in finding["found"]


@pytest.mark.usefixtures("free_ports")
@pytest.mark.parametrize("name", ["shop.lock", "catalog.db.lock"])
def test_a_lock_that_is_no_file(bookstore: Bookstore, folder: Path, name: str) -> None:
    """A FIFO in place of a lock is wrong, and nobody waits for what comes out of it."""
    (folder / name).unlink()
    os.mkfifo(folder / name, 0o600)
    (folder / "shop.json").write_text('{"supervisor_pid": 1}')
    assert examined(bookstore, 8)[name]["found"] == "is not a file"


@pytest.fixture
def taken() -> Iterator[socket.socket]:
    """A port that another program listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


def test_a_port_of_another_program(
    bookstore: Bookstore, taken: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A port that somebody else has is named with the process."""
    port = taken.getsockname()[1]
    monkeypatch.setenv("BOOKSTORE_PORT", str(min(port, 65533)))
    monkeypatch.setattr(running, "ask", lambda *_, **__: "no answer in time")
    finding = examined(bookstore, 8)["frontend port"]
    assert f"{port} is used by another program" in finding["found"]
    if sys.platform == "linux":
        assert f"(process {os.getpid()})" in finding["found"]


def test_a_port_of_another_bookstore(
    bookstore: Bookstore, open_one: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The port of a shop in another folder is told apart from other programs."""
    port = open_one.urls["frontend"].rpartition(":")[2]
    monkeypatch.setenv("BOOKSTORE_PORT", port)
    finding = examined(bookstore, 8)["frontend port"]
    assert "used by a bookstore's server" in finding["found"]


@pytest.mark.usefixtures("free_ports")
@pytest.mark.parametrize(("found", "state"), [("0.0.1", "fail"), ("999.0", "ok"), (None, "fail")])
def test_packages(
    bookstore: Bookstore, monkeypatch: pytest.MonkeyPatch, found: str | None, state: str
) -> None:
    """A package that is too old or missing is wrong, and a later one is well."""
    real = metadata.version

    def version(name: str) -> str:
        if name != "msgspec":
            return real(name)
        if found is None:
            raise metadata.PackageNotFoundError(name)
        return found

    monkeypatch.setattr(metadata, "version", version)
    assert examined(bookstore)["msgspec"]["state"] == state


@pytest.mark.usefixtures("free_ports")
def test_an_old_sqlite(bookstore: Bookstore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A SQLite that could corrupt a database is wrong."""
    monkeypatch.setattr(apsw, "sqlite_lib_version", lambda: "3.51.2")
    assert examined(bookstore, 8)["sqlite"]["state"] == "fail"


def test_an_old_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Python that is too old is wrong, though it may not get so far."""
    monkeypatch.setattr(machine, "LOWEST_PYTHON", (9, 9))
    assert next(machine.versions()).state == "fail"


@pytest.mark.usefixtures("free_ports")
@pytest.mark.parametrize(("free_mib", "state"), [(10, "fail"), (500, "warn"), (5000, "ok")])
def test_room_on_the_disk(
    bookstore: Bookstore, monkeypatch: pytest.MonkeyPatch, free_mib: int, state: str
) -> None:
    """Little room is to be looked at, none is wrong."""

    class Usage:
        free = free_mib * 1024**2

    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage)
    assert examined(bookstore)["disk space"]["state"] == state


@pytest.mark.usefixtures("free_ports")
def test_a_disk_that_does_not_sync(bookstore: Bookstore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that fails is wrong, one that is slow is to be looked at."""

    def fails(_descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fails)
    assert examined(bookstore, 8)["disk writing"]["state"] == "fail"
    monkeypatch.setattr(machine, "sync_s", lambda _: 2.0)
    assert examined(bookstore, 0)["disk writing"]["state"] == "warn"


@pytest.mark.usefixtures("free_ports")
def test_an_open_door(bookstore: Bookstore, monkeypatch: pytest.MonkeyPatch) -> None:
    """An open address without TLS is wrong, and with the operator's word to be looked at."""
    monkeypatch.setenv("BOOKSTORE_HOST", "0.0.0.0")
    assert examined(bookstore, 8)["door"]["state"] == "fail"
    monkeypatch.setenv("BOOKSTORE_INSECURE", "true")
    assert examined(bookstore, 0)["door"]["state"] == "warn"


def _change(database: Path, sql: str) -> None:
    """Change a closed database behind the shop's back, and leave it as closed as it was."""
    with sqlite3.connect(database) as connection:
        for statement in sql.split(";"):
            connection.execute(statement)
    connection.close()


@pytest.mark.usefixtures("free_ports")
def test_a_ledger_of_tomorrow(bookstore: Bookstore, folder: Path) -> None:
    """A last entry that lies ahead says that the clock was set back."""
    tomorrow_ms = int((time.time() + 86400) * 1000)
    _change(folder / "catalog.db", f"UPDATE ledger SET at_ms = {tomorrow_ms}")  # noqa: S608  # a number
    finding = examined(bookstore, 8)["last entry"]
    assert finding["state"] == "fail"
    assert "ahead" in finding["found"]


@pytest.mark.usefixtures("free_ports")
def test_orders_that_were_left_unfinished(bookstore: Bookstore, folder: Path) -> None:
    """Orders that are pending in a closed shop are to be looked at: a start drives them on."""
    _change(
        folder / "orders.db",
        "INSERT INTO orders (id, book_id, quantity, state, created_at_ms, fingerprint)"
        " SELECT replace(hex(zeroblob(16)), ' ', ''), 1, 1, 'pending', 1, fingerprint FROM orders",
    )
    finding = examined(bookstore, 0)["orders"]
    assert finding["state"] == "warn"
    assert finding["found"].startswith("1 not finished")


@pytest.mark.usefixtures("free_ports")
def test_a_database_that_was_not_closed(bookstore: Bookstore, folder: Path) -> None:
    """What a killed server left is not touched, and said to need a start."""
    (folder / "orders.db-wal").write_bytes(b"something")
    finding = examined(bookstore, 0)["orders"]
    assert "the next start repairs it" in finding["found"]
    assert (folder / "orders.db-wal").read_bytes() == b"something"


# A shop that runs


@pytest.fixture(scope="module")
def open_one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A shop that runs."""
    with open_shop(tmp_path_factory.mktemp("open") / "shop") as shop:
        yield shop


def test_a_shop_that_runs_and_is_well(open_one: Shop) -> None:
    """Three servers answer and are ready, the locks are theirs, the clocks agree; exit 0."""
    done = open_one.command("doctor", "--json")
    found = {row["check"]: row for row in json.loads(done.stdout)}
    assert done.returncode == 0, done.stdout
    assert {row["state"] for row in found.values()} == {"ok"}
    for server in ("frontend", "catalog", "order"):
        assert "is ready at http://127.0.0.1:" in found[server]["found"]
        assert "is this shop's" in found[f"{server} port"]["found"]
        assert found[f"{server} clock"]["found"] == "agrees with ours"
    assert "of this shop" in found["catalog.db.lock"]["found"]
    assert found["orders"]["found"] == "0 under way, none stuck"
    assert found["last entry"]["state"] == "ok"
    assert "none is running" not in done.stdout


@contextmanager
def open_at(folder: Path, url: str) -> Iterator[None]:
    """Be the supervisor of a shop whose servers all are what answers at ``url``."""
    tokens.ensure(folder)
    with only_supervisor(folder):
        _note(folder, url)
        yield


def _note(folder: Path, url: str) -> None:
    write_shop_file(folder, dict.fromkeys(("frontend", "catalog", "order"), (url, os.getpid())))


def _order(state: str, age_s: float) -> dict[str, object]:
    at = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=age_s)
    return {"history": [{"state": state, "at": at.isoformat().replace("+00:00", "Z")}]}


@pytest.mark.parametrize(("age_s", "state"), [(10, "ok"), (100, "fail")])
def test_stuck_orders(bookstore: Bookstore, folder: Path, age_s: float, state: str) -> None:
    """An order that is pending for more than 75 s is stuck, a younger one is under way."""
    with frontend(answers([_order("pending", age_s)])) as shop, open_at(folder, shop.url):
        finding = examined(bookstore)["orders"]
        assert any("/orders?state=cancelling" in asked for asked in shop.asked)
    assert finding["state"] == state


def test_a_server_that_is_not_ready(bookstore: Bookstore, folder: Path) -> None:
    """What a server says is wrong with it is repeated."""
    broken = refuses("unavailable", "Not ready: storage: disk full.")
    with frontend(broken) as shop, open_at(folder, shop.url):
        finding = examined(bookstore, 8)["catalog"]
    assert finding["state"] == "fail"


def test_a_server_that_does_not_answer(bookstore: Bookstore, folder: Path) -> None:
    """A process that runs and does not answer is wrong."""
    with open_at(folder, "http://127.0.0.1:9"):
        finding = examined(bookstore, 8)["order"]
    assert "does not answer" in finding["found"]


@pytest.mark.usefixtures("free_ports")
def test_a_note_whose_process_ids_others_have(bookstore: Bookstore, folder: Path) -> None:
    """Nobody holds the shop's locks, so it is closed, whoever has the ids of the note by now."""
    _note(folder, "http://127.0.0.1:9")
    found = examined(bookstore, 0)
    assert "left behind" in found["shop.json"]["found"]
    assert found["servers"]["found"] == "none is running"


def test_a_server_with_another_clock(
    bookstore: Bookstore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server whose time differs is to be looked at."""
    minute_on = SimpleNamespace(time=lambda: time.time() + 60)
    with frontend(answers({})) as shop, open_at(folder, shop.url):
        monkeypatch.setattr(running, "time", minute_on)
        finding = examined(bookstore)["catalog clock"]
    assert finding["state"] == "warn"
