"""What may be done to a book, and what a change makes of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from servers.domain.book import Book, Draft, Edit, Restock
from servers.domain.errors import BookDeleted, InvalidRequest, OutOfStock, StaleVersion, StockLimit
from servers.domain.limits import MAX_STOCK

BOOK = Book(3, "Xen", ("A",), None, ("t",), 1000, 5, 7, 0)


def test_a_draft_becomes_version_one() -> None:
    """A new book has what its draft had, at version 1."""
    new = Draft("Xen", ("A",), None, ("t",), 1000, 5).as_book(3, 0)
    assert new == replace(BOOK, version=1)


def test_each_change_is_one_version() -> None:
    """Selling, returning, restocking, editing and deleting each move the version by one."""
    changed = [
        BOOK.sold(2, 9),
        BOOK.returned(2, 9),
        BOOK.restocked(Restock("r", change=0), 9),
        BOOK.edited(Edit({"title": "Xen II"}), 9),
        BOOK.as_tombstone(9),
    ]
    assert [book.version for book in changed] == [8] * len(changed)
    assert [book.updated_at_ms for book in changed] == [9] * len(changed)
    assert [book.stock for book in changed] == [3, 7, 5, 5, 5]


def test_an_edit_keeps_what_it_does_not_name() -> None:
    """An edit replaces the fields that it names and nothing else."""
    edited = BOOK.edited(Edit({"price_minor": 1, "topics": ()}), 9)
    assert edited == replace(BOOK, price_minor=1, topics=(), version=8, updated_at_ms=9)


def test_an_edit_of_nothing_is_refused() -> None:
    """An edit names at least one field."""
    with pytest.raises(InvalidRequest, match="at least one field"):
        Edit({})


def test_the_expected_version() -> None:
    """A change made against the present version, or any, may go on."""
    assert BOOK.expect(7) is BOOK
    assert BOOK.expect(None) is BOOK


@pytest.mark.parametrize("version", [1, 6, 8])
def test_another_version_is_stale(version: int) -> None:
    """A change made against another version is refused with the present book."""
    with pytest.raises(StaleVersion) as refused:
        BOOK.expect(version)
    assert refused.value.members == {"book_id": 3, "current": BOOK}


def test_a_tombstone_does_not_live() -> None:
    """A deleted book is refused as deleted; a living one is itself."""
    assert BOOK.living() is BOOK
    with pytest.raises(BookDeleted):
        BOOK.as_tombstone(9).living()


def test_a_tombstone_keeps_its_stock() -> None:
    """The copies of a deleted book stay counted, and can still come back to it."""
    tombstone = BOOK.as_tombstone(9)
    assert (tombstone.deleted, tombstone.stock) == (True, 5)
    assert tombstone.returned(2, 10).stock == 7


@pytest.mark.parametrize(
    ("restock", "stock"),
    [
        (Restock("r", change=3), 8),
        (Restock("r", change=-5), 0),
        (Restock("r", count=0), 0),
        (Restock("r", count=2), 2),
        (Restock("r", count=MAX_STOCK), MAX_STOCK),
        (Restock("r", change=MAX_STOCK - 5), MAX_STOCK),
    ],
)
def test_a_restock(restock: Restock, stock: int) -> None:
    """A change is added to the stock, a count takes its place."""
    assert BOOK.restocked(restock, 9).stock == stock
    assert restock.change_of(BOOK) == stock - BOOK.stock


def test_a_restock_below_zero() -> None:
    """More than there is cannot be taken away; the error says how much there is."""
    with pytest.raises(OutOfStock) as refused:
        BOOK.restocked(Restock("r", change=-6), 9)
    assert refused.value.members == {"book_id": 3, "available": 5}


def test_a_restock_above_the_limit() -> None:
    """The sum of a restock has the limit that a stock has."""
    with pytest.raises(StockLimit):
        BOOK.restocked(Restock("r", change=MAX_STOCK - 4), 9)
    # Copies that came back are taken however many there are, and can be taken out again.
    above = replace(BOOK, stock=MAX_STOCK).returned(5, 9)
    assert above.restocked(Restock("r", change=-1), 9).stock == MAX_STOCK + 4
    with pytest.raises(StockLimit):
        above.restocked(Restock("r", change=1), 9)
