"""Selling inside one transaction: each order decided once, in the ledger.

The ledger is the only commit point of a sale. Whoever asks again about an order is told
what the ledger says. The rule of a decision is `servers.domain.sale.decide`; here it
meets the database.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from servers.catalog import store
from servers.domain.errors import KeyReused, OrderNotFound
from servers.domain.ledger import Entry, Kind, asked, entry_of_return
from servers.domain.sale import Refused, Sold, Stale, decide

if TYPE_CHECKING:
    from collections.abc import Sequence

    from servers.domain.book import Book
    from servers.domain.sale import BookSales, Purchase
    from servers.storage.database import Transaction

    Outcome = Entry | Stale | KeyReused


async def sell(tx: Transaction, batch: Sequence[BookSales], at_ms: int) -> list[list[Outcome]]:
    """Decide the purchases of a batch, with one versioned UPDATE for each book that is sold.

    Returns the outcomes of each book, in order. An id that stands twice counts once.
    """
    order_ids = [sale.order_id for of_book in batch for sale in of_book.sales]
    entries = await store.decisions(tx, order_ids)
    books = await store.books(tx, {of_book.book_id for of_book in batch})
    decided: dict[str, Entry] = {}
    undecided: list[dict[str, tuple[Purchase, Stale]]] = []
    moves: list[tuple[Book, Book]] = []
    for of_book in batch:
        undecided.append({})
        fresh: dict[str, Purchase] = {}
        for sale in of_book.sales:
            if sale.order_id not in entries and sale.order_id not in decided:
                fresh.setdefault(sale.order_id, sale)
        if not fresh:
            continue
        before = books.get(of_book.book_id)
        decisions, after = decide(before, of_book.version, list(fresh.values()), at_ms)
        if before is not None and after is not None and after is not before:
            books[of_book.book_id] = after
            moves.append((before, after))
        final: list[tuple[Purchase, Sold | Refused]] = []
        for sale, decision in zip(fresh.values(), decisions, strict=True):
            if isinstance(decision, Stale):
                undecided[-1][sale.order_id] = sale, decision
            else:
                final.append((sale, decision))
        # The ledger is written in the order of the versions, pinned sales first.
        final.sort(key=_version_after)
        decided |= {sale.order_id: _entry(sale, what, before, at_ms) for sale, what in final}
    await move_stock(tx, moves)
    for entry in await store.append_all(tx, [*decided.values()]):
        entries[entry.order_id or ""] = entry
    return [
        [
            _not_decided(*stale[sale.order_id], sale)
            if sale.order_id in stale
            else _told(entries[sale.order_id], sale)
            for sale in of_book.sales
        ]
        for of_book, stale in zip(batch, undecided, strict=True)
    ]


async def void(tx: Transaction, purchase: Purchase, at_ms: int) -> Entry:
    """Decide that an order is never sold, unless it is decided; return the decision.

    Raises `KeyReused`.
    """
    entry = await store.decision(tx, purchase.order_id)
    if entry is None:
        entry = await store.append(
            tx,
            Entry(
                number=0,
                kind=Kind.VOID,
                book_id=purchase.book_id,
                at_ms=at_ms,
                **asked(purchase),
            ),
        )
    return _same(entry, purchase)


async def take_back(tx: Transaction, purchase: Purchase, at_ms: int) -> Entry:
    """Put a sold order's copies back, once; return the ``returned`` entry.

    Needs the sold entry; takes any version, and a tombstone too. Raises `OrderNotFound`,
    `KeyReused`.
    """
    sold = await store.decision(tx, purchase.order_id)
    if sold is None or sold.kind is not Kind.SOLD:
        detail = f"Order {purchase.order_id} was not sold; there is nothing to take back."
        raise OrderNotFound(detail, order_id=purchase.order_id)
    _same(sold, purchase)
    returned = await store.return_of(tx, purchase.order_id)
    if returned is not None:
        return returned
    before = await _book_of(tx, sold.book_id)
    after = before.returned(purchase.quantity, at_ms)
    await move_stock(tx, [(before, after)])
    return await store.append(tx, entry_of_return(purchase, sold, before, after))


async def move_stock(tx: Transaction, moves: Sequence[tuple[Book, Book]]) -> None:
    """Write stock and version of books that were read in this transaction: before and after."""
    moved = await store.move_stock(tx, moves)
    assert moved == len(moves)  # noqa: S101  # the transaction holds the books that it read


async def _book_of(tx: Transaction, book_id: int) -> Book:
    book = await store.book(tx, book_id)
    if book is None:
        detail = f"The catalog has no book {book_id}, which an order names; restore a newer backup."
        raise OrderNotFound(detail, book_id=book_id)
    return book


def _version_after(decided: tuple[Purchase, Sold | Refused]) -> int:
    decision = decided[1]
    return decision.version_after if isinstance(decision, Sold) else 0


def _entry(sale: Purchase, decision: Sold | Refused, book: Book | None, at_ms: int) -> Entry:
    if isinstance(decision, Sold):
        return Entry(
            number=0,
            kind=Kind.SOLD,
            book_id=sale.book_id,
            at_ms=at_ms,
            change=-sale.quantity,
            version_after=decision.version_after,
            stock_after=decision.stock_after,
            title=book.title if book is not None else None,
            unit_price_minor=decision.unit_price_minor,
            **asked(sale),
        )
    return Entry(
        number=0,
        kind=Kind.REFUSED,
        book_id=sale.book_id,
        at_ms=at_ms,
        title=decision.title,
        unit_price_minor=decision.unit_price_minor,
        **asked(sale),
        reason=decision.reason,
        version_seen=decision.version_seen,
        stock_seen=decision.stock_seen,
    )


def _told(entry: Entry, sale: Purchase) -> Outcome:
    """Return what the ledger says of a sale, if it is the one that the ledger knows."""
    return entry if entry.fingerprint == sale.fingerprint else _key_reused(sale)


def _not_decided(first: Purchase, stale: Stale, sale: Purchase) -> Outcome:
    """Return that a sale is stale, unless another one stands under its id in the same batch."""
    return stale if first.fingerprint == sale.fingerprint else _key_reused(sale)


def _same(entry: Entry, purchase: Purchase) -> Entry:
    if entry.fingerprint != purchase.fingerprint:
        raise _key_reused(purchase)
    return entry


def _key_reused(purchase: Purchase) -> KeyReused:
    return KeyReused(KEY_REUSED, order_id=purchase.order_id)


KEY_REUSED = (
    "This idempotency key was used before for another request. Nothing was done; use a new key."
)
