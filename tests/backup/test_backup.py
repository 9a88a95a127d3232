"""`db backup` and `db restore`: what they make, what they refuse, what they leave alone."""

from __future__ import annotations

import asyncio
import json
import shutil
import stat
from typing import TYPE_CHECKING

import apsw
import pytest

from servers.storage.sqlite_file import FileLock
from servers.upkeep.backoffice import open_stopped
from tests.audit.keepers import buy, key_id, tamper
from tests.support.shop import run_command

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.conftest import Bookstore

FILES = {"orders.db", "catalog.db", "manifest.json"}


def mode(path: Path) -> int:
    """Return who may do what with a file."""
    return stat.S_IMODE(path.stat().st_mode)


def contents(folder: Path) -> dict[str, bytes]:
    """Return all files of a folder, but for the locks, which name who held them last."""
    return {
        path.name: path.read_bytes()
        for path in folder.iterdir()
        if path.is_file() and path.suffix != ".lock"
    }


async def buy_one_more(folder: Path, key: str) -> None:
    """Sell a copy in the stopped shop."""
    async with open_stopped(folder, to_change=True) as shop:
        await buy(shop.orders, key, 1)


async def has_order(folder: Path, key: str) -> bool:
    """Say whether a stopped shop has the order of a key."""
    async with open_stopped(folder, to_change=False) as shop:
        entries = await shop.catalog.ledger(0, 1000)
    return key_id(key) in {entry.order_id for entry in entries}


@pytest.fixture
def backup(bookstore: Bookstore, story: Path, tmp_path: Path) -> Path:
    """A backup of the story."""
    target = tmp_path / "backups" / "monday"
    assert bookstore("db", "backup", target).code == 0
    return target


def test_a_backup_is_private_and_whole(story: Path, backup: Path) -> None:
    """A new folder (0700) of two databases and a manifest (0600), and nothing beside the shop's."""
    assert {path.name for path in backup.iterdir()} == FILES
    assert mode(backup) == 0o700
    assert {mode(path) for path in backup.iterdir()} == {0o600}
    manifest = json.loads((backup / "manifest.json").read_text())
    assert manifest["orders_complete"] is True
    assert manifest["ledger"] >= manifest["ledger_seen"] > 0
    assert set(manifest["databases"]) == {"orders", "catalog"}
    assert not [path for path in story.iterdir() if path.name.endswith(("-wal", "-shm"))]


def test_the_manifest_is_told(bookstore: Bookstore, story: Path, tmp_path: Path) -> None:
    """A program gets the manifest, with where the backup is."""
    told = json.loads(bookstore("db", "backup", tmp_path / "b", "--json").out)
    manifest = json.loads((tmp_path / "b" / "manifest.json").read_text())
    assert told == {"folder": str(tmp_path / "b"), **manifest}


def test_a_row_where_one_is_asked_for(bookstore: Bookstore, story: Path, tmp_path: Path) -> None:
    """With tsv and csv a backup and its way back are a header and a row each."""
    header, row = bookstore("db", "backup", tmp_path / "b", "-o", "tsv").out.splitlines()
    assert header == "folder\tbegan_at\tended_at\tledger\torders_complete"
    assert row.startswith(f"{tmp_path / 'b'}\t")
    header, row = bookstore("db", "restore", tmp_path / "b", "-o", "csv").out.splitlines()
    assert header == "restored,replaced,next"
    assert row.endswith(",bookstore up")


def test_orders_that_lack_something_are_told(
    bookstore: Bookstore, story: Path, tmp_path: Path
) -> None:
    """Also where others were placed since: the backup says so, and so does putting it back."""
    (story / "orders.db").unlink()
    asyncio.run(buy_one_more(story, "f"))
    ran = bookstore("db", "backup", tmp_path / "b", "--json")
    assert ran.code == 0
    assert json.loads(ran.out)["orders_complete"] is False
    assert "bookstore reconcile" in ran.err
    ran = bookstore("db", "restore", tmp_path / "b", "--json")
    assert json.loads(ran.out)["next"] == "bookstore reconcile"
    assert bookstore("reconcile").code == 0
    told = json.loads(bookstore("db", "backup", tmp_path / "c", "--json").out)
    assert told["orders_complete"] is True


def test_a_return_that_orders_lack_is_told(
    bookstore: Bookstore, story: Path, tmp_path: Path
) -> None:
    """An order that was cancelled by the ledger's word counts, too."""
    tamper(
        story,
        "orders",
        "UPDATE orders SET state = 'confirmed', cancelling_at_ms = NULL, cancelled_at_ms = NULL, "
        "return_number = NULL WHERE id = :c",
    )
    told = json.loads(bookstore("db", "backup", tmp_path / "b", "--json").out)
    assert told["orders_complete"] is False


def test_nothing_is_overwritten(bookstore: Bookstore, story: Path, backup: Path) -> None:
    """A folder that is there is refused with exit 8, even an empty one, and stays as it is."""
    before = contents(backup)
    assert bookstore("db", "backup", backup).code == 8
    assert contents(backup) == before
    empty = backup.with_name("empty")
    empty.mkdir()
    assert bookstore("db", "backup", empty).code == 8
    assert not list(empty.iterdir())


def test_a_failed_backup_leaves_nothing(bookstore: Bookstore, story: Path, tmp_path: Path) -> None:
    """A damaged shop is no backup: exit 8, and the folder that was begun is gone."""
    damage(story / "catalog.db")
    ran = bookstore("db", "backup", tmp_path / "b")
    assert ran.code == 8
    assert "damaged" in ran.err
    assert not (tmp_path / "b").exists()


def test_no_shop_to_back_up(bookstore: Bookstore, folder: Path, tmp_path: Path) -> None:
    """Where no shop is it is not found; exit 5, and nothing is made."""
    for words in (("backup", tmp_path / "b"), ("check",)):
        assert bookstore("db", *words).code == 5
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize(
    ("name", "advice"),
    [("catalog", "bookstore db restore DIR --only catalog"), ("orders", "bookstore reconcile")],
)
def test_half_a_shop_is_not_backed_up(
    bookstore: Bookstore, story: Path, tmp_path: Path, name: str, advice: str
) -> None:
    """Where one database is lost, or nothing is left in it, the next step is told; exit 8."""
    path = story / f"{name}.db"
    for lose in (lambda: path.write_bytes(b""), path.unlink):
        lose()
        ran = bookstore("db", "backup", tmp_path / "b")
        assert (ran.code, ran.out) == (8, "")
        assert f"has lost its {name}.db" in ran.err
        assert advice in ran.err
        assert not (tmp_path / "b").exists()


def test_a_backup_of_a_catalog_that_is_behind_says_so(
    bookstore: Bookstore, story: Path, backup: Path, tmp_path: Path
) -> None:
    """It is made, but nobody is to take it for a good one and let go of those before."""
    asyncio.run(buy_one_more(story, "f"))
    assert bookstore("db", "restore", backup, "--only", "catalog").code == 0
    ran = bookstore("db", "backup", tmp_path / "b")
    assert ran.code == 0
    assert "the catalog was lost or is an old one" in ran.err
    manifest = json.loads((tmp_path / "b" / "manifest.json").read_text())
    assert manifest["ledger"] < manifest["ledger_seen"]


def test_orders_alone_are_half_a_shop(bookstore: Bookstore, story: Path, backup: Path) -> None:
    """Where the catalog is lost, putting back the orders says that it is to follow."""
    (story / "catalog.db").unlink()
    ran = bookstore("db", "restore", backup, "--only", "orders")
    assert ran.code == 0
    assert "next: `bookstore db restore DIR --only catalog`" in ran.out
    told = json.loads(bookstore("db", "restore", backup, "--only", "catalog", "--json").out)
    assert told["next"] == "bookstore up"


def test_what_a_crash_left_in_the_log_is_backed_up(
    bookstore: Bookstore, story: Path, tmp_path: Path
) -> None:
    """The log of a shop that was killed belongs to the backup, and stays for the next start."""
    crashed = tmp_path / "crashed"

    async def crash() -> None:
        async with open_stopped(story, to_change=True) as shop:
            await buy(shop.orders, "f", 1)
            shutil.copytree(story, crashed)

    asyncio.run(crash())
    log = (crashed / "catalog.db-wal").read_bytes()
    assert bookstore("--data", crashed, "db", "backup", tmp_path / "b").code == 0
    assert (crashed / "catalog.db-wal").read_bytes() == log
    assert bookstore("--data", tmp_path / "new", "db", "restore", tmp_path / "b").code == 0
    assert asyncio.run(has_order(tmp_path / "new", "f"))


def test_a_backup_is_put_back(bookstore: Bookstore, story: Path, backup: Path) -> None:
    """The shop is as it was; what it was since then is kept aside, tokens are not touched."""
    asyncio.run(buy_one_more(story, "f"))
    before = contents(story)
    ran = bookstore("db", "restore", backup)
    assert ran.code == 0
    assert "bookstore up" in ran.err
    assert "Tokens" in ran.err
    assert not asyncio.run(has_order(story, "f"))
    (aside,) = story.glob("replaced-*")
    assert mode(aside) == 0o700
    assert contents(aside) == {name: before[name] for name in ("catalog.db", "orders.db")}
    assert (story / "admin.token").read_bytes() == before["admin.token"]
    assert bookstore("audit").code == 0


def test_one_database_alone(bookstore: Bookstore, story: Path, backup: Path) -> None:
    """An old catalog below newer orders is told, and so are old orders above it: reconcile."""
    asyncio.run(buy_one_more(story, "f"))
    for only in ("catalog", "orders"):
        ran = bookstore("db", "restore", backup, "--only", only, "--json")
        told = json.loads(ran.out)
        assert (told["restored"], told["next"]) == ([only], "bookstore reconcile")
        assert bookstore("reconcile").code == 0
        assert asyncio.run(has_order(story, "f"))
    assert len(list(story.glob("replaced-*"))) == 2


def test_a_lost_database_is_put_back(bookstore: Bookstore, story: Path, backup: Path) -> None:
    """Where one is missing the other way round works too, and a stray log is not applied."""
    (story / "catalog.db").rename(story / "catalog.db-wal")
    assert bookstore("db", "restore", backup, "--only", "catalog").code == 0
    (aside,) = story.glob("replaced-*")
    assert set(contents(aside)) == {"catalog.db-wal"}
    assert bookstore("audit").code == 0


def test_a_damaged_database_is_kept_as_it_is(
    bookstore: Bookstore, story: Path, backup: Path
) -> None:
    """What cannot be opened any more can be replaced, and is kept with its log for experts."""
    (story / "orders.db").write_bytes(b"no database at all" * 1000)
    (story / "orders.db-wal").write_bytes(b"nor a log")
    before = contents(story)
    assert bookstore("db", "restore", backup).code == 0
    (aside,) = story.glob("replaced-*")
    for name in ("orders.db", "orders.db-wal"):
        assert contents(aside)[name] == before[name]
    assert bookstore("audit").code == 0


@pytest.mark.parametrize("held", ["catalog", "orders"])
def test_a_shop_that_runs_is_not_replaced(
    bookstore: Bookstore, story: Path, backup: Path, held: str
) -> None:
    """While a server has one of the databases, neither is put back: exit 9, nothing changes."""
    lock = FileLock(story / f"{held}.db")
    before = contents(story)
    try:
        for only in ((), ("--only", "catalog"), ("--only", "orders")):
            ran = bookstore("db", "restore", backup, *only)
            assert ran.code == 9
            assert "in use" in ran.err
    finally:
        lock.release()
    assert contents(story) == before


def damage(path: Path) -> None:
    """Spoil a page in the middle of a database."""
    content = bytearray(path.read_bytes())
    content[4096 * 3 : 4096 * 3 + 200] = b"x" * 200
    path.write_bytes(content)


def flip_a_bit(path: Path) -> None:
    """Change one bit, where SQLite itself might not notice it."""
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def mix(path: Path) -> None:
    """Put a good database of another backup in the place of this one."""
    with apsw.Connection(str(path)) as connection:
        connection.execute("UPDATE facts SET value = value")
        connection.execute("INSERT INTO facts (name, value) VALUES ('other', 'backup')")


@pytest.mark.parametrize("spoil", [damage, flip_a_bit, mix, "unlink"])
@pytest.mark.parametrize("name", ["catalog", "orders"])
def test_a_spoiled_backup_is_refused(
    bookstore: Bookstore, story: Path, backup: Path, spoil: Callable[[Path], None] | str, name: str
) -> None:
    """Damaged, altered, mixed or incomplete: exit 8, and the shop stays as it is."""
    path = backup / f"{name}.db"
    if callable(spoil):
        spoil(path)
    else:
        path.unlink()
    before = contents(story)
    ran = bookstore("db", "restore", backup)
    assert ran.code == 8
    assert f"{name}.db" in ran.err
    assert contents(story) == before
    assert not list(story.glob("replaced-*"))


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda text: "", 8),
        (lambda text: "[]", 8),
        (lambda text: text[:-20], 8),
        (lambda text: text.replace('"format": 1', '"format": 2'), 8),
        (lambda text: text.replace('"orders": {', '"shops": {'), 8),
        (None, 5),
    ],
)
def test_a_strange_manifest_is_refused(
    bookstore: Bookstore, story: Path, backup: Path, change: Callable[[str], str] | None, code: int
) -> None:
    """A folder is a backup by its manifest alone, which must be one that this program knows."""
    manifest = backup / "manifest.json"
    text = manifest.read_text()
    if change is None:
        manifest.unlink()
    else:
        assert change(text) != text
        manifest.write_text(change(text))
    assert bookstore("db", "restore", backup).code == code


def test_a_later_schema_is_refused(bookstore: Bookstore, story: Path, tmp_path: Path) -> None:
    """What a newer program has made is not backed up as if it were understood."""
    with apsw.Connection(str(story / "orders.db")) as connection:
        connection.execute("INSERT INTO schema_migrations VALUES (99, 'later', 'x', 0)")
    ran = bookstore("db", "backup", tmp_path / "b")
    assert ran.code == 8
    assert "newer" in ran.err


def test_a_check_of_a_good_shop(bookstore: Bookstore, story: Path) -> None:
    """Both files are listed with their pages; exit 0, and nothing is left beside them."""
    before = contents(story)
    ran = bookstore("db", "check", "--json")
    assert ran.code == 0
    found = json.loads(ran.out)
    assert [each["database"] for each in found] == ["orders", "catalog"]
    assert all(each["ok"] and each["pages"] > each["free_pages"] >= 0 for each in found)
    assert contents(story) == before


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("DROP INDEX ledger_return", "ledger_return is missing"),
        ("CREATE TABLE extra (x)", "extra is in no migration"),
        ("UPDATE schema_migrations SET checksum = 'x'", "has changed"),
        ("DROP TABLE schema_migrations", "no table schema_migrations"),
        ("INSERT INTO book_topics VALUES ('x', 999)", "not there"),
        ("UPDATE books SET price_minor = -1", "CHECK"),
    ],
)
def test_a_check_finds(bookstore: Bookstore, story: Path, statement: str, told: str) -> None:
    """Whatever is not as the migrations made it is named on stderr; exit 8."""
    with apsw.Connection(str(story / "catalog.db")) as connection:
        connection.pragma("ignore_check_constraints", value=True)
        connection.execute(statement)
    ran = bookstore("db", "check")
    assert ran.code == 8
    assert told in ran.err
    assert "catalog.db: " in ran.err


def test_a_check_of_what_is_no_database(bookstore: Bookstore, story: Path) -> None:
    """A file of something else, and one that is missing, are findings and no failures; exit 8."""
    (story / "orders.db").write_bytes(b"not a database, by any means" * 200)
    (story / "catalog.db").unlink()
    ran = bookstore("db", "check", "--json")
    assert ran.code == 8
    assert [each["ok"] for each in json.loads(ran.out)] == [False, False]
    assert ran.err == ""
    told = bookstore("db", "check").err
    assert "bookstore db restore DIR --only orders" in told
    assert "`bookstore reconcile` makes the orders again" in told
    assert "bookstore db restore DIR --only catalog" in told


def test_a_check_of_a_later_schema(bookstore: Bookstore, story: Path) -> None:
    """A file that does not fit the program may be whole: it is not advised to replace it."""
    with apsw.Connection(str(story / "orders.db")) as connection:
        connection.execute("INSERT INTO schema_migrations VALUES (99, 'later', 'x', 0)")
    ran = bookstore("db", "check")
    assert ran.code == 8
    assert "Upgrade the program" in ran.err
    assert "Next:" not in ran.err
    assert [line.split("\t")[2] for line in ran.out.splitlines()] == ["schema", "2", "3"]


def test_a_damaged_database_keeps_a_server_from_starting(story: Path) -> None:
    """A server by itself says at once what to do about it; exit 8."""
    (story / "catalog.db").write_bytes(b"not a database, by any means" * 200)
    ran = run_command("--data", str(story), "serve", "catalog", "--port", "0")
    assert ran.returncode == 8
    assert f"{story / 'catalog.db'} cannot be opened: file is not a database. Look" in ran.stderr
    assert "bookstore db restore DIR" in ran.stderr
