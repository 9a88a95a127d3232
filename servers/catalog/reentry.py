"""Finding out that the ledger lost what the orders still know, and entering that again.

Entering is for `reconcile` alone, after the catalog was restored from an old copy. What is
entered gets new numbers and new versions; what each customer had been told stays in the entry,
so that the same key is answered the same for ever. Refusals are entered too: one that a customer
saw is final, and without its entry that order could still be sold.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from servers.catalog import selling, store
from servers.domain.book import Book
from servers.domain.errors import InvalidRequest, LedgerBehind
from servers.domain.ledger import CORRECTION, REENTERED, Entry, Kind, entry_of_change
from servers.domain.order import EXPIRED, State

if TYPE_CHECKING:
    from servers.domain.order import Order
    from servers.domain.sale import Seen
    from servers.storage.database import Transaction


async def lacking(tx: Transaction, seen: Seen) -> LedgerBehind | None:
    """Return, as an error, what the orders know of and the ledger lacks; None if that is nothing.

    A ledger that was restored from an old copy may have grown past the number again, where staff
    were quicker than the order server's first word; then another entry stands there.
    """
    if seen.number == 0:
        return None
    last, found = await store.last_number_and_order(tx, seen.number)
    if last < seen.number:
        what = f"the ledger ends at {last}, but the orders know of {seen.number}"
    elif seen.order_id is not None and found != seen.order_id:
        what = f"entry {seen.number} of the ledger is not the one that the orders know"
    else:
        return None
    detail = (
        f"{what}: an old backup was restored. Nothing is changed until `bookstore reconcile` "
        f"has run"
    )
    return LedgerBehind(detail, last=last)


async def reenter(tx: Transaction, order: Order, at_ms: int) -> Entry:
    """Enter what is missing of a decided order; return the entry that decides it.

    That is the sale or the refusal, and the return where the order is cancelled. Nothing is
    entered twice: the ledger is asked first.
    """
    entry = await store.decision(tx, order.id)
    if entry is None:
        entry = await _decide_again(tx, order, at_ms)
    sold = entry.kind is Kind.SOLD and entry.fingerprint == order.purchase.fingerprint
    if sold and order.state is State.CANCELLED:
        await selling.take_back(tx, order.purchase, at_ms)
    return entry


async def _decide_again(tx: Transaction, order: Order, at_ms: int) -> Entry:
    if order.state is State.PENDING:
        detail = f"Order {order.id} is pending: the ledger has not lost it, it has yet to decide."
        raise InvalidRequest(detail, order_id=order.id)
    book = await store.book(tx, order.purchase.book_id)
    if book is None and order.title is not None:
        book = await _lost_book(tx, order, at_ms)
    if order.state is State.REJECTED or book is None:
        return await _refuse_again(tx, order, at_ms)
    return await _sell_again(tx, order, book, at_ms)


async def _refuse_again(tx: Transaction, order: Order, at_ms: int) -> Entry:
    void = order.reason == EXPIRED
    entry = Entry(
        number=0,
        kind=Kind.VOID if void else Kind.REFUSED,
        book_id=order.purchase.book_id,
        at_ms=_decided_at_ms(order, at_ms),
        title=order.title,
        unit_price_minor=order.unit_price_minor,
        reason=None if void else order.reason,
        version_seen=order.version_seen,
        stock_seen=order.stock_seen,
        **selling.asked(order.purchase),
    )
    return await store.append(tx, entry)


async def _sell_again(tx: Transaction, order: Order, book: Book, at_ms: int) -> Entry:
    """Enter a sale again; where the shelf has too few copies, a correction is received first.

    So the stock never goes below zero, and the ledger shows what happened.
    """
    quantity = order.purchase.quantity
    short = quantity - book.stock
    if short > 0:
        book = await _receive(tx, book, short, at_ms)
    after = book.sold(quantity, at_ms)
    await selling.move_stock(tx, [(book, after)])
    entry = replace(
        entry_of_change(Kind.SOLD, book, after, reason=REENTERED),
        at_ms=_decided_at_ms(order, at_ms),
        title=order.title,
        unit_price_minor=order.unit_price_minor,
        version_seen=order.version_after,
        stock_seen=order.stock_after,
        **selling.asked(order.purchase),
    )
    return await store.append(tx, entry)


async def _receive(tx: Transaction, book: Book, change: int, at_ms: int) -> Book:
    after = book.returned(change, at_ms)
    await selling.move_stock(tx, [(book, after)])
    entry = Entry(
        number=0,
        kind=Kind.RECEIVED,
        book_id=book.id,
        at_ms=at_ms,
        change=change,
        version_after=after.version,
        stock_after=after.stock,
        reason=CORRECTION,
    )
    await store.append(tx, entry)
    return after


async def _lost_book(tx: Transaction, order: Order, at_ms: int) -> Book:
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
    await store.insert_tombstone(tx, tombstone)
    await store.append(tx, entry_of_change(Kind.ADDED, None, added, reason=REENTERED))
    await store.append(tx, entry_of_change(Kind.DELETED, added, tombstone, reason=REENTERED))
    return tombstone


def _decided_at_ms(order: Order, at_ms: int) -> int:
    return order.decided_at_ms if order.decided_at_ms is not None else at_ms
