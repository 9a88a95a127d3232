"""The ledger: the append-only, numbered list of everything that happened to books.

The ledger is the only commit point of a sale. Rows are made by ``servers.catalog``;
the order server mirrors the row that decided an order and answers from it.
"""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from servers.domain.value import value

if TYPE_CHECKING:
    from servers.domain.book import Book
    from servers.domain.sale import Purchase


class Kind(StrEnum):
    """What a ledger row records."""

    ADDED = "added"
    EDITED = "edited"
    RECEIVED = "received"
    DELETED = "deleted"
    SOLD = "sold"
    RETURNED = "returned"
    REFUSED = "refused"
    VOID = "void"


DECISIONS = frozenset({Kind.SOLD, Kind.REFUSED, Kind.VOID})
"""The kinds that decide an order; an order id has at most one of them, for ever."""

CHANGES = frozenset(Kind) - {Kind.REFUSED, Kind.VOID}
"""The kinds that change a book and so carry ``version_after`` and ``stock_after``."""

REENTERED = "entered again: the ledger had lost it"
"""The reason of what a repair entered again because the orders still knew it."""

CORRECTION = "correction: copies sold before the catalog was restored"
"""The reason of copies received by a repair, so that a sale can be entered again."""


@value
class Entry:
    """One row of the ledger.

    ``change`` is what was added to the stock (a sale of two copies: -2). ``quantity``,
    ``asked_version`` and ``asked_max_price_minor`` are what a customer asked for.
    ``unit_price_minor`` is the price per copy at that moment. Of a refusal, ``reason`` is
    the code of the error that says why, and ``version_seen`` and ``stock_seen`` are the
    book as the decision found it; of a sale that was entered again they are what its
    customer had been told.
    """

    number: int
    kind: Kind
    book_id: int
    at_ms: int
    change: int = 0
    version_after: int | None = None
    stock_after: int | None = None
    title: str | None = None
    unit_price_minor: int | None = None
    order_id: str | None = None
    fingerprint: str | None = None
    quantity: int | None = None
    asked_version: int | None = None
    asked_max_price_minor: int | None = None
    reason: str | None = None
    version_seen: int | None = None
    stock_seen: int | None = None

    def as_told(self) -> Entry:
        """Return this entry as its customer was told: a sale entered again keeps its answer."""
        if self.kind is not Kind.SOLD or self.version_seen is None:
            return self
        return replace(
            self,
            version_after=self.version_seen,
            stock_after=self.stock_seen,
            version_seen=None,
            stock_seen=None,
        )


def entry_of_change(
    kind: Kind,
    before: Book | None,
    after: Book,
    *,
    reason: str | None = None,
    fingerprint: str | None = None,
) -> Entry:
    """Return the entry, not yet numbered, of a change of a book; None before: it was added."""
    return Entry(
        number=0,
        kind=kind,
        book_id=after.id,
        at_ms=after.updated_at_ms,
        change=after.stock - (before.stock if before is not None else 0),
        version_after=after.version,
        stock_after=after.stock,
        title=after.title,
        unit_price_minor=after.price_minor,
        reason=reason,
        fingerprint=fingerprint,
    )


def entry_of_return(purchase: Purchase, sold: Entry, before: Book, after: Book) -> Entry:
    """Return the entry, not yet numbered, that gives back the copies which another one sold."""
    return replace(
        entry_of_change(Kind.RETURNED, before, after),
        title=sold.title,
        unit_price_minor=sold.unit_price_minor,
        **asked(purchase),
    )


def asked(purchase: Purchase) -> dict[str, Any]:
    """Return what an entry keeps of a purchase: all of it, so that it can be told again."""
    return {
        "order_id": purchase.order_id,
        "fingerprint": purchase.fingerprint,
        "quantity": purchase.quantity,
        "asked_version": purchase.version,
        "asked_max_price_minor": purchase.max_price_minor,
    }
