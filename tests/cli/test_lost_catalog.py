"""A shop that has lost its catalog: what the commands say, and that none finishes the loss."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest

from servers.domain.book import Draft
from servers.upkeep.backoffice import open_stopped
from tests.audit.keepers import add, buy, keep_copy, tamper

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.conftest import Bookstore

LOST = "catalog was lost: its ledger is empty, but 5 orders were decided"
ADVICE = (
    "bookstore db restore DIR --only catalog",
    "Only where there is no backup",
    "--without-backup",
)


def no_file(folder: Path) -> None:
    """Lose the file."""
    (folder / "catalog.db").unlink()


def no_bytes(folder: Path) -> None:
    """Lose what is in the file."""
    (folder / "catalog.db").write_bytes(b"")


def no_rows(folder: Path) -> None:
    """Lose the file, and let a start make a new one, as a shop does that is opened all the same."""
    new = folder / "new"
    new.mkdir()
    no_bytes(new)

    async def make() -> None:
        async with open_stopped(new, to_change=True):
            pass

    asyncio.run(make())
    (new / "catalog.db").replace(folder / "catalog.db")


@pytest.fixture(params=[no_file, no_bytes, no_rows])
def lost(request: pytest.FixtureRequest, story: Path) -> Path:
    """The folder of a shop without its catalog, in each of the forms that this takes."""
    lose: Callable[[Path], None] = request.param
    lose(story)
    return story


def catalog_of(folder: Path) -> bytes | None:
    """Return the catalog's file as it is."""
    path = folder / "catalog.db"
    return path.read_bytes() if path.exists() else None


def test_a_repair_is_refused(bookstore: Bookstore, lost: Path) -> None:
    """It says what is lost, that a backup is to be put back, and what there is without; exit 8."""
    before = catalog_of(lost), (lost / "orders.db").read_bytes()
    for words in (("reconcile",), ("audit",)):
        ran = bookstore(*words)
        assert ran.code == 8
        assert all(words in ran.err for words in ADVICE), ran.err
        assert "lost" in ran.err
        assert (catalog_of(lost), (lost / "orders.db").read_bytes()) == before
    told = bookstore("reconcile", "--json")
    assert (told.code, told.out) == (8, "")
    assert json.loads(told.err)["code"] == "invalid_request"


def test_a_dry_run_says_what_would_be_lost(bookstore: Bookstore, lost: Path) -> None:
    """It names the books of which only orders are left, says the same, and changes nothing."""
    before = catalog_of(lost)
    ran = bookstore("reconcile", "--dry-run")
    assert ran.code == 8
    lost_book = "the catalog has lost it, only its orders are left; it would be entered as deleted"
    assert ran.out.splitlines() == [
        f"book 1, A test book: {lost_book}",
        f"book 2, A test book: {lost_book}",
        "4 sales would be entered again",
        "1 refusal would be entered again",
        "1 return would be entered again",
        "2 lost books would be entered as deleted",
        "then: audit ok: received 4 + returned 1 = sold 4 + left 1",
    ]
    assert LOST in ran.err
    assert all(words in ran.err for words in ADVICE), ran.err
    assert catalog_of(lost) == before


def test_it_is_given_up_only_when_that_is_said(bookstore: Bookstore, lost: Path) -> None:
    """Then the orders are entered, what is lost is named, and the audit is right; exit 0."""
    foretold = json.loads(bookstore("reconcile", "--dry-run", "--without-backup", "--json").out)
    ran = bookstore("reconcile", "--without-backup")
    assert ran.code == 0
    assert "2 lost books entered as deleted" in ran.out.splitlines()
    assert ran.out.endswith("audit ok: received 4 + returned 1 = sold 4 + left 1\n")
    assert "every book that no order tells of is gone" in ran.err
    assert bookstore("audit").code == 0
    # What was foretold is what was done, and a second time there is nothing to do.
    assert foretold["ok"]
    assert [book["book_id"] for book in foretold["repairs"]["lost_books"]] == [1, 2]
    assert bookstore("reconcile").out.splitlines()[0] == "nothing to repair"


def test_a_backup_is_the_way(bookstore: Bookstore, story: Path, tmp_path: Path) -> None:
    """Put back, it needs no words: the shop is as it was."""
    assert bookstore("db", "backup", tmp_path / "b").code == 0
    no_file(story)
    assert bookstore("reconcile").code == 8
    assert bookstore("db", "restore", tmp_path / "b", "--only", "catalog").code == 0
    assert bookstore("reconcile").out.splitlines()[0] == "nothing to repair"


def test_an_old_catalog_that_lacks_books_is_no_lost_one(bookstore: Bookstore, story: Path) -> None:
    """It is repaired, and the books that only orders tell of are named, with what they become."""
    tamper(
        story,
        "catalog",
        "DELETE FROM ledger WHERE book_id = 2",
        "DELETE FROM book_topics WHERE book_id = 2",
        "DELETE FROM books WHERE id = 2",
    )
    ran = bookstore("reconcile")
    assert ran.code == 0
    assert ran.out.splitlines()[0].startswith("book 2, A test book: the catalog has lost it")
    assert "1 lost book entered as deleted" in ran.out


def test_a_book_that_was_sold_under_another_title(bookstore: Bookstore, story: Path) -> None:
    """Where another book may stand under the id, it is named, and how to count its copies."""
    tamper(
        story,
        "catalog",
        "DELETE FROM ledger WHERE order_id = :d",
        "UPDATE books SET title = 'Another' WHERE id = 2",
    )
    for words in (("reconcile", "--dry-run"), ("reconcile",)):
        assert bookstore(*words).out.splitlines()[0] == (
            "book 2, Another: it was sold as A test book; if that is another book, count the "
            "copies: bookstore books restock 2 --count N"
        )


def test_another_catalog_in_its_place(bookstore: Bookstore, story: Path, tmp_path: Path) -> None:
    """One that knows neither these orders nor their books is none of theirs: it stays as it is."""
    other = tmp_path / "other"
    other.mkdir()
    no_bytes(other)

    async def stock() -> None:
        async with open_stopped(other, to_change=True) as shop:
            for title in ("Emma", "Persuasion"):
                await shop.catalog.add(Draft(title, ("Jane Austen",), None, (), 950, 5))

    asyncio.run(stock())
    (other / "catalog.db").replace(story / "catalog.db")
    before = catalog_of(story)
    told = bookstore("reconcile", "--dry-run")
    assert told.code == 8
    assert told.out.startswith("book 1, Emma: it was sold as A test book; ")
    for ran in (told, bookstore("reconcile")):
        assert ran.code == 8
        assert "another one is in its place" in ran.err
        assert all(words in ran.err for words in ADVICE), ran.err
    assert catalog_of(story) == before
    assert bookstore("reconcile", "--without-backup").code == 0
    assert bookstore("audit").code == 0


def test_a_copy_from_before_the_first_order(
    bookstore: Bookstore, folder: Path, tmp_path: Path
) -> None:
    """It knows no order either, but their books: it is an old one, and is repaired."""
    no_bytes(folder)

    async def add_one() -> None:
        async with open_stopped(folder, to_change=True) as shop:
            await add(shop, 3)

    async def buy_one() -> None:
        async with open_stopped(folder, to_change=True) as shop:
            await buy(shop.orders, "a", 1)

    asyncio.run(add_one())
    kept = keep_copy(folder, "catalog")
    asyncio.run(buy_one())
    kept.replace(folder / "catalog.db")
    ran = bookstore("reconcile")
    assert (ran.code, ran.out.splitlines()[0]) == (0, "1 sale entered again")
