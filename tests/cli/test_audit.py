"""`audit` and `reconcile` on the command line: what they print, and their exit codes."""

from __future__ import annotations

import asyncio
import json
import os
from typing import TYPE_CHECKING

import pytest

from servers.shop_file import only_supervisor, write_shop_file
from servers.storage.sqlite_file import FileLock
from servers.upkeep.backoffice import open_stopped
from tests.audit.keepers import tamper
from tests.cli.fake_frontend import closed_port

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Bookstore, Ran

OK = "audit ok: received 9 + returned 1 = sold 4 + left 6\n"


def test_a_right_shop_is_one_line(bookstore: Bookstore, story: Path) -> None:
    """The sums go to stdout, nothing to stderr; exit 0."""
    ran = bookstore("audit")
    assert (ran.code, ran.out, ran.err) == (0, OK, "")


def test_the_findings_as_json(bookstore: Bookstore, story: Path) -> None:
    """A program gets one object with the sums, the orders' states and what is wrong."""
    ran = bookstore("audit", "--json")
    assert ran.code == 0
    assert json.loads(ran.out) == {
        "ok": True,
        "received": 9,
        "returned": 1,
        "sold": 4,
        "left": 6,
        "orders": {"confirmed": 3, "cancelled": 1, "rejected": 1},
        "unfinished": 0,
        "violations": [],
    }


def test_the_findings_as_a_row(bookstore: Bookstore, story: Path) -> None:
    """Where tsv or csv is asked for there is a header, and one row with all violations in it."""
    tamper(story, "catalog", "UPDATE books SET stock = 3 WHERE id = 1")
    ran = bookstore("audit", "-o", "tsv")
    assert ran.code == 8
    header, row = (line.split("\t") for line in ran.out.splitlines())
    told = dict(zip(header, row, strict=True))
    assert told.pop("violations").startswith("I2 book 1: ")
    assert told == {
        "ok": "false",
        "received": "9",
        "returned": "1",
        "sold": "4",
        "left": "5",
        "unfinished": "0",
    }


def test_the_repairs_as_a_row(bookstore: Bookstore, story: Path) -> None:
    """So is what `reconcile` did, with what the audit found then."""
    (story / "orders.db").unlink()
    header, row = bookstore("reconcile", "-o", "csv").out.splitlines()
    assert header == (
        "dry_run,sales,refusals,returns,orders,corrections,lost_books,retitled,"
        "ok,received,returned,sold,left,unfinished,violations"
    )
    assert row == "false,0,0,0,5,,,,true,9,1,4,6,0,"


@pytest.mark.parametrize(
    ("database", "statement"),
    [
        ("catalog", "UPDATE books SET authors = 'nobody' WHERE id = 1"),
        ("catalog", "DROP TABLE ledger"),
        ("orders", "DROP TABLE orders"),
        ("orders", "UPDATE schema_migrations SET checksum = 'x'"),
    ],
)
def test_what_cannot_be_read_is_damage(
    bookstore: Bookstore, story: Path, database: str, statement: str
) -> None:
    """Files in which no row makes sense any more are exit 8 and no bug, with what to do next."""
    tamper(story, database, statement)
    ran = bookstore("audit")
    assert (ran.code, ran.out) == (8, "")
    assert "bug" not in ran.err


def test_an_audit_changes_nothing(bookstore: Bookstore, story: Path) -> None:
    """A schema that a start would still change is left to a start; exit 8."""
    tamper(
        story,
        "catalog",
        "DELETE FROM schema_migrations WHERE number = (SELECT max(number) FROM schema_migrations)",
    )
    before = (story / "catalog.db").read_bytes()
    ran = bookstore("audit")
    assert (ran.code, ran.out) == (8, "")
    assert "Start the shop once" in ran.err
    assert (story / "catalog.db").read_bytes() == before


@pytest.mark.parametrize("name", ["catalog", "orders"])
@pytest.mark.parametrize(
    "command",
    [("audit",), ("reconcile",), ("reconcile", "--dry-run"), ("db", "backup", "copy")],
    ids=" ".join,
)
def test_a_damaged_database_is_named(
    bookstore: Bookstore,
    story: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: tuple[str, ...],
    name: str,
) -> None:
    """A file that is no database: exit 8, where it is and how to go on."""
    monkeypatch.chdir(story)
    (story / f"{name}.db").write_text("no database")
    ran = bookstore(*command)
    assert ran.code == 8
    assert f"The databases in {story} are not as the shop wrote them" in ran.err
    assert "bookstore db check" in ran.err
    assert "`bookstore db restore DIR`, which keeps the broken file" in ran.err
    assert not (story / "copy").exists()


def test_an_emptied_catalog_is_not_backed_up(bookstore: Bookstore, story: Path) -> None:
    """Nor is one without tables; what to do about it is told."""
    (story / "catalog.db").write_bytes(b"")
    ran = bookstore("db", "backup", story / "copy")
    assert ran.code == 8
    assert "bookstore db restore DIR" in ran.err


def test_violations_are_named_one_a_line(bookstore: Bookstore, story: Path) -> None:
    """Tampered data: each violation on stdout, their number on stderr; exit 8."""
    tamper(
        story,
        "catalog",
        "UPDATE books SET stock = 3 WHERE id = 1",
        "UPDATE books SET deleted = 0 WHERE id = 3",
    )
    ran = bookstore("audit", "-q")
    assert ran.code == 8
    assert ran.out.splitlines() == [
        "I2 book 1: received 6 + returned 1 - sold 3 = 4, but its stock is 3",
        "I10 book 3: the ledger has deleted it, but it is for sale",
    ]
    assert ran.err == "audit failed: 2 violations\n"
    listed = bookstore("audit", "--json")
    found = json.loads(listed.out)
    assert (listed.code, listed.err) == (8, "")
    assert [each["invariant"] for each in found["violations"]] == ["I2", "I10"]
    assert f"I2 {found['violations'][0]['detail']}" == ran.out.splitlines()[0]


def test_an_unfinished_order_is_mentioned(bookstore: Bookstore, story: Path) -> None:
    """It is no violation in a stopped shop: the servers finish it when they run."""
    pending = "UPDATE orders SET state = 'pending', ledger_number = NULL WHERE id = :a"
    tamper(story, "orders", pending)
    ran = bookstore("audit")
    assert (ran.code, ran.out, ran.err) == (0, OK, "1 order not finished yet.\n")


def test_a_dry_run_changes_nothing_and_a_repair_does(bookstore: Bookstore, story: Path) -> None:
    """`reconcile` says what it repairs, `--dry-run` what it would and how all stands then."""
    (story / "orders.db").unlink()
    assert bookstore("audit").code == 8
    ran = bookstore("reconcile", "--dry-run")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == f"5 orders would be made to agree with the ledger\nthen: {OK}"
    assert not (story / "orders.db").exists()
    ran = bookstore("reconcile")
    assert (ran.code, ran.out) == (0, f"5 orders made to agree with the ledger\n{OK}")
    ran = bookstore("reconcile")
    assert (ran.code, ran.out) == (0, f"nothing to repair\n{OK}")


def test_what_a_repair_cannot_mend_is_told(bookstore: Bookstore, story: Path) -> None:
    """A sale that was cut out of the ledger comes back, but the copy it had taken is missing."""
    tamper(story, "catalog", "DELETE FROM ledger WHERE order_id = :d")
    foretold = bookstore("reconcile", "--dry-run", "--json")
    lines = bookstore("reconcile", "--dry-run")
    ran = bookstore("reconcile", "--json")
    told = json.loads(ran.out)
    assert ran.code == 8
    assert told["repairs"] == {
        "sales": 1,
        "refusals": 0,
        "returns": 0,
        "orders": 0,
        "corrections": [{"book_id": 2, "copies": 1}],
        "lost_books": [],
        "retitled": [],
    }
    assert {each["invariant"] for each in told["violations"]} == {"I2", "I8"}
    # A dry run foretells just that, and nothing that would be repaired.
    assert json.loads(foretold.out) == {**told, "dry_run": True}
    assert (foretold.code, lines.code) == (8, 8)
    assert {line[:8] for line in lines.out.splitlines()[2:]} == {"then: I2", "then: I8"}
    count = len(told["violations"])
    assert lines.err == f"an audit would fail then: {count} violations\n"


def test_no_shop_is_not_found(bookstore: Bookstore, folder: Path) -> None:
    """A folder without a catalog.db is named; exit 5, and nothing is made there."""
    for words in (("audit",), ("reconcile",), ("reconcile", "--dry-run")):
        ran = bookstore(*words)
        assert ran.code == 5
        assert str(folder) in ran.err
    assert not list(folder.glob("*.db*"))


def test_a_database_in_use_is_named(bookstore: Bookstore, story: Path) -> None:
    """A server that was started alone holds the lock: its URL is asked for; exit 9."""
    lock = FileLock(story / "orders.db")
    try:
        ran = bookstore("audit")
    finally:
        lock.release()
    assert ran.code == 9
    assert "orders.db" in ran.err
    assert "--order-url" in ran.err


def test_a_running_shop_that_does_not_answer_is_9(bookstore: Bookstore, story: Path) -> None:
    """A living process that nobody reaches at its URL is not taken for a stopped shop."""
    url = closed_port()
    with only_supervisor(story):
        write_shop_file(story, dict.fromkeys(("frontend", "catalog", "order"), (url, 1)))
        ran = bookstore("audit", "--timeout", "1")
    assert ran.code == 9
    assert "catalog" in ran.err
    (story / "shop.json").unlink()
    assert bookstore("audit", "--catalog-url", url, "--order-url", url).code == 9


def test_urls_are_named_together(bookstore: Bookstore, story: Path) -> None:
    """One URL without the other, or the frontend's, is a mistake of usage; exit 2."""
    assert bookstore("audit", "--catalog-url", "http://127.0.0.1:1").code == 2
    assert bookstore("reconcile", "--order-url", "http://127.0.0.1:1").code == 2
    assert bookstore("audit", "--url", "http://127.0.0.1:1").code == 2


def test_a_note_of_a_dead_shop_is_passed_over(bookstore: Bookstore, story: Path) -> None:
    """After a crash shop.json names processes that are gone: the shop counts as stopped."""
    gone = 2**22 + 1  # Above the highest process id that Linux gives, or macOS.
    note = {name: {"url": closed_port(), "pid": gone} for name in ("frontend", "catalog", "order")}
    (story / "shop.json").write_text(json.dumps({**note, "supervisor_pid": gone}))
    assert bookstore("audit").out == OK


def test_a_note_whose_process_ids_others_have_is_passed_over(
    bookstore: Bookstore, story: Path
) -> None:
    """Nor does it count that they run: nobody holds the shop's locks."""
    write_shop_file(
        story, dict.fromkeys(("frontend", "catalog", "order"), (closed_port(), os.getpid()))
    )
    assert bookstore("audit").out == OK


def test_an_open_shop_is_locked(bookstore: Bookstore, story: Path) -> None:
    """While keepers have the stopped shop open, nobody else can open it."""

    async def try_again() -> Ran:
        async with open_stopped(story, to_change=False):
            return await asyncio.to_thread(bookstore, "audit")

    assert asyncio.run(try_again()).code == 9
