"""Orders: their states, what moves them, and what is answered about them.

An order mirrors the ledger entry that decided it. Everything a final answer says comes
from that entry, so that it is the same on any server and after a repair.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from servers.domain.errors import (
    BookDeleted,
    BookNotFound,
    Internal,
    NotCancellable,
    OutOfStock,
    PriceChanged,
    PurchaseExpired,
    ShopError,
    VersionConflict,
)
from servers.domain.ledger import Kind
from servers.domain.money import format_price
from servers.domain.sale import Purchase
from servers.domain.value import value

if TYPE_CHECKING:
    from servers.domain.ledger import Entry


class State(StrEnum):
    """Where an order stands.

    ::

        pending ─┬─▶ confirmed ─▶ cancelling ─▶ cancelled
                 └─▶ rejected
    """

    PENDING = "pending"
    CONFIRMED = "confirmed"
    REJECTED = "rejected"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"


UNFINISHED = (State.PENDING, State.CANCELLING)
"""The states that the resolver drives on."""

EXPIRED = PurchaseExpired.code
"""The reason of an order whose purchase was given up and voided."""


@value
class Moment:
    """One step in an order's history."""

    state: State
    at_ms: int
    reason: str | None = None


@value
class Order:
    """An order; the fields after ``created_at_ms`` are known once it is decided."""

    _: KW_ONLY
    purchase: Purchase
    state: State
    created_at_ms: int
    ledger_number: int | None = None
    decided_at_ms: int | None = None
    reason: str | None = None
    title: str | None = None
    unit_price_minor: int | None = None
    version_after: int | None = None
    stock_after: int | None = None
    version_seen: int | None = None
    stock_seen: int | None = None
    cancelling_at_ms: int | None = None
    cancelled_at_ms: int | None = None
    return_number: int | None = None

    @property
    def id(self) -> str:
        """The order id: 32 hex digits."""
        return self.purchase.order_id

    @property
    def final(self) -> bool:
        """Whether the purchase is decided."""
        return self.state is not State.PENDING

    @property
    def total_minor(self) -> int:
        """What a confirmed order costs."""
        return (self.unit_price_minor or 0) * self.purchase.quantity

    @property
    def history(self) -> tuple[Moment, ...]:
        """Every step so far, oldest first."""
        moments = [Moment(State.PENDING, self.created_at_ms)]
        if self.decided_at_ms is not None:
            outcome = State.REJECTED if self.state is State.REJECTED else State.CONFIRMED
            moments.append(Moment(outcome, self.decided_at_ms, self.reason))
        if self.cancelling_at_ms is not None:
            moments.append(Moment(State.CANCELLING, self.cancelling_at_ms))
        if self.cancelled_at_ms is not None:
            moments.append(Moment(State.CANCELLED, self.cancelled_at_ms))
        return tuple(moments)

    def decided(self, entry: Entry) -> Order:
        """Return this pending order as the ledger decided it."""
        entry = entry.as_told()
        return Order(
            purchase=self.purchase,
            created_at_ms=self.created_at_ms,
            state=State.CONFIRMED if entry.kind is Kind.SOLD else State.REJECTED,
            ledger_number=entry.number,
            decided_at_ms=entry.at_ms,
            reason=reason_of(entry),
            title=entry.title,
            unit_price_minor=entry.unit_price_minor,
            version_after=entry.version_after,
            stock_after=entry.stock_after,
            version_seen=entry.version_seen,
            stock_seen=entry.stock_seen,
        )

    def must_be_cancellable(self) -> Order:
        """Return this order if it was confirmed, or raise `NotCancellable`."""
        if self.state is State.REJECTED:
            detail = f"Order {self.id} was rejected ({self.reason}); there is nothing to give back."
            raise NotCancellable(detail, order_id=self.id, reason=self.reason)
        return self

    def refusal(self) -> ShopError:
        """Return the error that tells the customer why this order was rejected."""
        return _REFUSALS.get(self.reason or "", _internal)(self)


def placed(purchase: Purchase, at_ms: int) -> Order:
    """Return the order as it is written first: pending."""
    return Order(purchase=purchase, state=State.PENDING, created_at_ms=at_ms)


def restored(entry: Entry) -> Order:
    """Return the order that a deciding entry tells of, as after the loss of its row."""
    purchase = Purchase(
        entry.order_id or "",
        entry.book_id,
        entry.quantity or 1,
        entry.asked_version,
        entry.asked_max_price_minor,
    )
    return placed(purchase, entry.at_ms).decided(entry)


def mirrored(order: Order | None, entry: Entry) -> Order | None:
    """Return the order as a row must be that agrees with an entry about it.

    The ledger decides; what it does not know (when the order was placed, that it is being
    cancelled) stays. None where a return is all that is known of the order.
    """
    if entry.kind is Kind.RETURNED:
        if order is None or order.return_number == entry.number:
            return order
        return replace(
            order,
            state=State.CANCELLED,
            cancelling_at_ms=order.cancelling_at_ms or entry.at_ms,
            cancelled_at_ms=order.cancelled_at_ms or entry.at_ms,
            return_number=entry.number,
        )
    told = restored(entry)
    if order is None:
        return told
    told = replace(told, created_at_ms=order.created_at_ms)
    if told.state is State.CONFIRMED and order.state in {State.CANCELLING, State.CANCELLED}:
        return replace(
            told,
            state=order.state,
            cancelling_at_ms=order.cancelling_at_ms,
            cancelled_at_ms=order.cancelled_at_ms,
            return_number=order.return_number,
        )
    return told


def reason_of(entry: Entry) -> str | None:
    """Return why the ledger decided against an order, or None where it was sold."""
    if entry.kind is Kind.SOLD:
        return None
    return EXPIRED if entry.kind is Kind.VOID else entry.reason


def _facts(order: Order) -> dict[str, object]:
    return {"order_id": order.id, "book_id": order.purchase.book_id}


def _out_of_stock(order: Order) -> ShopError:
    asked, left = order.purchase.quantity, order.stock_seen or 0
    if left == 0:
        detail = (
            f"Book {order.purchase.book_id} is sold out. Try again after a restock, with a new key."
        )
    else:
        copies = "copy is" if left == 1 else "copies are"
        detail = (
            f"{asked} copies of book {order.purchase.book_id} were asked for, {left} {copies} "
            f"left. With a new key buy fewer, or try again after a restock."
        )
    return OutOfStock(detail, **_facts(order), requested=asked, available=left)


def _current(order: Order) -> dict[str, object]:
    price = format_price(order.unit_price_minor or 0)
    return {"version": order.version_seen, "price": price, "stock": order.stock_seen}


def _version_conflict(order: Order) -> ShopError:
    detail = (
        f"Book {order.purchase.book_id} is at version {order.version_seen}, not "
        f"{order.purchase.version}: it changed meanwhile. Look at it again and decide anew, with "
        f"a new key."
    )
    return VersionConflict(detail, **_facts(order), current=_current(order))


def _price_changed(order: Order) -> ShopError:
    price = format_price(order.unit_price_minor or 0)
    agreed = format_price(order.purchase.max_price_minor or 0)
    detail = (
        f"Book {order.purchase.book_id} costs {price} a copy, more than the {agreed} that you "
        f"allowed. Allow {price} with a new key to buy it."
    )
    return PriceChanged(detail, **_facts(order), current=_current(order))


def _book_deleted(order: Order) -> ShopError:
    detail = f"Book {order.purchase.book_id} was deleted; nothing was bought."
    return BookDeleted(detail, **_facts(order))


def _book_not_found(order: Order) -> ShopError:
    detail = f"There is no book {order.purchase.book_id}; nothing was bought. Search for a topic."
    return BookNotFound(detail, **_facts(order))


def _expired(order: Order) -> ShopError:
    detail = (
        f"The purchase of book {order.purchase.book_id} took too long and was given up; nothing "
        f"was bought. Buy again with a new key."
    )
    return PurchaseExpired(detail, **_facts(order))


def _internal(order: Order) -> ShopError:
    return Internal(f"Order {order.id} was rejected for a reason unknown here: {order.reason}.")


_REFUSALS = {
    "out_of_stock": _out_of_stock,
    "version_conflict": _version_conflict,
    "price_changed": _price_changed,
    "book_deleted": _book_deleted,
    "book_not_found": _book_not_found,
    EXPIRED: _expired,
}
