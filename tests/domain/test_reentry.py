"""What a repair enters again of an order that the ledger has lost."""

from __future__ import annotations

from dataclasses import replace

import pytest

from servers.domain.book import Book
from servers.domain.errors import InvalidRequest
from servers.domain.ledger import CORRECTION, REENTERED, Entry, Kind
from servers.domain.order import Order, State, placed
from servers.domain.reentry import reentered
from servers.domain.sale import Purchase

NOW_MS = 900
PURCHASE = Purchase("a" * 32, 7, 3, version=4, max_price_minor=1000)
BOOK = Book(7, "Now", ("Somebody",), None, ("tests",), 1100, 5, 2, 100)
SOLD = Entry(
    number=9,
    kind=Kind.SOLD,
    book_id=7,
    at_ms=500,
    title="Then",
    unit_price_minor=800,
    version_after=5,
    stock_after=0,
)


def sold() -> Order:
    """Return a confirmed order for three copies."""
    return placed(PURCHASE, 400).decided(SOLD)


def told(entry: Entry) -> tuple[object, ...]:
    """Return what an entry of a sale says of the sale, and not of the book."""
    entry = entry.as_told()
    return entry.at_ms, entry.title, entry.unit_price_minor, entry.version_after, entry.stock_after


def test_a_sale() -> None:
    """The book loses the copies at its next version; the entry keeps what the customer was told."""
    again = reentered(sold(), BOOK, NOW_MS)
    (entry,) = again.entries
    assert (entry.kind, entry.change, entry.version_after, entry.stock_after) == (
        *(Kind.SOLD, -3),
        *(3, 2),
    )
    assert told(entry) == told(SOLD)
    assert (entry.order_id, entry.fingerprint) == (PURCHASE.order_id, PURCHASE.fingerprint)
    assert entry.reason == REENTERED
    assert again.book == replace(BOOK, stock=2, version=3, updated_at_ms=NOW_MS)


def test_a_sale_of_more_than_there_is() -> None:
    """What is short is received first, and told as a correction that tells of no price."""
    again = reentered(sold(), replace(BOOK, stock=1), NOW_MS)
    received, entry = again.entries
    assert (received.kind, received.change, received.reason) == (Kind.RECEIVED, 2, CORRECTION)
    assert (received.version_after, received.stock_after) == (3, 3)
    assert (received.title, received.unit_price_minor) == (None, None)
    assert (entry.version_after, entry.stock_after) == (4, 0)
    assert again.book is not None
    assert (again.book.version, again.book.stock) == (4, 0)


def test_a_sale_of_a_lost_book() -> None:
    """The book comes back under its id as a tombstone, with what the order tells of it."""
    again = reentered(sold(), None, NOW_MS)
    assert [each.kind for each in again.entries] == [
        *(Kind.ADDED, Kind.DELETED),
        *(Kind.RECEIVED, Kind.SOLD),
    ]
    assert [each.version_after for each in again.entries] == [1, 2, 3, 4]
    assert again.book is not None
    assert (again.book.id, again.book.title, again.book.stock) == (7, "Then", 0)
    assert again.book.deleted


def test_a_refusal() -> None:
    """It is entered with its reason and with what was seen; the book stays as it is."""
    refused = Entry(
        number=9,
        kind=Kind.REFUSED,
        book_id=7,
        at_ms=500,
        title="Then",
        unit_price_minor=800,
        reason="out_of_stock",
        version_seen=4,
        stock_seen=0,
    )
    order = placed(PURCHASE, 400).decided(refused)
    again = reentered(order, BOOK, NOW_MS)
    assert [order.decided(entry) for entry in again.entries] == [replace(order, ledger_number=0)]
    assert again.book is BOOK


def test_a_refusal_of_a_book_that_never_was() -> None:
    """An order that tells of no book makes none."""
    unknown = Entry(number=9, kind=Kind.REFUSED, book_id=7, at_ms=500, reason="book_not_found")
    again = reentered(placed(PURCHASE, 400).decided(unknown), None, NOW_MS)
    assert [each.kind for each in again.entries] == [Kind.REFUSED]
    assert again.book is None


def test_a_void() -> None:
    """What was given up is entered as given up."""
    void = Entry(number=9, kind=Kind.VOID, book_id=7, at_ms=500)
    order = placed(PURCHASE, 400).decided(void)
    assert order.state is State.REJECTED
    (entry,) = reentered(order, BOOK, NOW_MS).entries
    assert (entry.kind, entry.reason, entry.at_ms) == (Kind.VOID, None, 500)


def test_a_pending_order() -> None:
    """It was never decided, so nothing was lost."""
    with pytest.raises(InvalidRequest):
        reentered(placed(PURCHASE, 400), BOOK, NOW_MS)
