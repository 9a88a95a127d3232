"""The rule of a repair: what is entered again of an order whose entries the ledger has lost.

Pure: it sees an order and its book, and says which entries are made and what becomes of the book.
What is entered gets new versions; what the customer had been told stays in the entry, so that the
same key is answered the same for ever. Refusals are entered too: one that a customer saw is final,
and without its entry that order could still be sold.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from servers.domain.book import Book
from servers.domain.errors import InvalidRequest
from servers.domain.ledger import CORRECTION, REENTERED, Entry, Kind, asked, entry_of_change
from servers.domain.order import EXPIRED, State
from servers.domain.value import value

if TYPE_CHECKING:
    from servers.domain.order import Order


@value
class Reentry:
    """Entries that are not yet numbered, the one that decides last, and the book as they leave it.

    ``book`` is None where the order's book never was.
    """

    entries: tuple[Entry, ...]
    book: Book | None


def reentered(order: Order, book: Book | None, at_ms: int) -> Reentry:
    """Return what is entered again of a decided order that no entry decides.

    A book that the catalog has lost comes back as a tombstone, if the order tells of it. Where
    the shelf has too few copies for a sale, a correction is received first: so the stock never
    goes below zero, and the ledger shows what happened. Raises `InvalidRequest` for a pending
    order.
    """
    if order.state is State.PENDING:
        detail = f"Order {order.id} is pending: the ledger has not lost it, it has yet to decide."
        raise InvalidRequest(detail, order_id=order.id)
    entries: list[Entry] = []
    if book is None and order.title is not None:
        book = _lost_book(order, at_ms, entries)
    if order.state is State.REJECTED or book is None:
        entries.append(_refused(order, at_ms))
        return Reentry(tuple(entries), book)
    short = order.purchase.quantity - book.stock
    if short > 0:
        before, book = book, book.returned(short, at_ms)
        received = entry_of_change(Kind.RECEIVED, before, book, reason=CORRECTION)
        # A correction of the stock says nothing of title and price.
        entries.append(replace(received, title=None, unit_price_minor=None))
    before, book = book, book.sold(order.purchase.quantity, at_ms)
    entries.append(_sold(order, before, book))
    return Reentry(tuple(entries), book)


def _lost_book(order: Order, at_ms: int, entries: list[Entry]) -> Book:
    """Return a tombstone in place of a book that the catalog has lost.

    Its authors and topics are not known any more, so it is not for sale; but its id, which
    customers know, never comes back for another book.
    """
    added = Book(
        id=order.purchase.book_id,
        title=order.title or "",
        authors=(),
        isbn=None,
        topics=(),
        price_minor=order.unit_price_minor or 0,
        stock=0,
        version=1,
        updated_at_ms=at_ms,
    )
    tombstone = added.as_tombstone(at_ms)
    entries.append(entry_of_change(Kind.ADDED, None, added, reason=REENTERED))
    entries.append(entry_of_change(Kind.DELETED, added, tombstone, reason=REENTERED))
    return tombstone


def _refused(order: Order, at_ms: int) -> Entry:
    void = order.reason == EXPIRED
    return Entry(
        number=0,
        kind=Kind.VOID if void else Kind.REFUSED,
        book_id=order.purchase.book_id,
        at_ms=_decided_at_ms(order, at_ms),
        title=order.title,
        unit_price_minor=order.unit_price_minor,
        reason=None if void else order.reason,
        version_seen=order.version_seen,
        stock_seen=order.stock_seen,
        **asked(order.purchase),
    )


def _sold(order: Order, before: Book, after: Book) -> Entry:
    return replace(
        entry_of_change(Kind.SOLD, before, after, reason=REENTERED),
        at_ms=_decided_at_ms(order, after.updated_at_ms),
        title=order.title,
        unit_price_minor=order.unit_price_minor,
        version_seen=order.version_after,
        stock_seen=order.stock_after,
        **asked(order.purchase),
    )


def _decided_at_ms(order: Order, at_ms: int) -> int:
    return order.decided_at_ms if order.decided_at_ms is not None else at_ms
