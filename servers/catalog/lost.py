"""Orders whose entries the ledger lost, between the wire's shape and the domain's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from servers.catalog.wire import LostOrder
from servers.domain.errors import InvalidRequest
from servers.domain.money import format_price, parse_price
from servers.domain.order import Order, State
from servers.domain.sale import Purchase
from servers.domain.times import parse_rfc3339, rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from servers.catalog.wire import DecidedState

    A = TypeVar("A")
    B = TypeVar("B")


_DECIDED: dict[State, DecidedState] = {
    State.CONFIRMED: "confirmed",
    State.REJECTED: "rejected",
    State.CANCELLING: "cancelling",
    State.CANCELLED: "cancelled",
}


def lost_order(order: Order) -> LostOrder:
    """Return what the ledger needs to enter a decided order again."""
    purchase = order.purchase
    return LostOrder(
        order_id=purchase.order_id,
        book_id=purchase.book_id,
        quantity=purchase.quantity,
        state=_DECIDED[order.state],
        version=purchase.version,
        max_price=_maybe(format_price, purchase.max_price_minor),
        decided_at=_maybe(rfc3339, order.decided_at_ms),
        reason=order.reason,
        title=order.title,
        unit_price=_maybe(format_price, order.unit_price_minor),
        version_after=order.version_after,
        stock_after=order.stock_after,
        version_seen=order.version_seen,
        stock_seen=order.stock_seen,
    )


def order_of(lost: LostOrder) -> Order:
    """Return the decided order that this tells of, as far as the ledger needs it.

    Raises `InvalidRequest` for a price or a time that is none, and for a sale without its price.
    """
    sold = (lost.title, lost.unit_price, lost.version_after, lost.stock_after)
    if lost.state != "rejected" and None in sold:
        detail = "An order that was sold has `title`, `unit_price`, `version_after`, `stock_after`."
        raise InvalidRequest(detail, field="orders")
    max_price_minor = _maybe(parse_price, lost.max_price)
    return Order(
        purchase=Purchase(
            lost.order_id, lost.book_id, lost.quantity, lost.version, max_price_minor
        ),
        state=State(lost.state),
        created_at_ms=0,
        decided_at_ms=_maybe(_decided_at_ms, lost.decided_at),
        reason=lost.reason,
        title=lost.title,
        unit_price_minor=_maybe(parse_price, lost.unit_price),
        version_after=lost.version_after,
        stock_after=lost.stock_after,
        version_seen=lost.version_seen,
        stock_seen=lost.stock_seen,
    )


def _decided_at_ms(text: str) -> int:
    try:
        at_ms = parse_rfc3339(text)
    except (TypeError, ValueError):  # no time at all, or one without its zone
        at_ms = -1
    if at_ms < 0 or rfc3339(at_ms) != text:
        detail = "`decided_at` must be a time as the shop writes it."
        raise InvalidRequest(detail, field="decided_at")
    return at_ms


def _maybe(convert: Callable[[A], B], value: A | None) -> B | None:
    return convert(value) if value is not None else None
