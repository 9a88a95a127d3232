"""Between the wire's shapes and the domain's orders, both ways."""

from __future__ import annotations

from typing import Any

from msgspec.structs import asdict

from servers.domain.money import format_price, parse_price
from servers.domain.order import Order, State
from servers.domain.sale import Purchase
from servers.domain.times import parse_rfc3339, rfc3339
from servers.order.wire import (
    KeptOrderBody,
    MomentBody,
    OrderBody,
    PendingBody,
    PlaceItem,
    WholeOrderBody,
)


class OrderMapping:
    """Turns orders into their shapes; knows the shop's one currency."""

    def __init__(self, currency: str) -> None:
        self._currency = currency

    def confirmed(self, order: Order) -> OrderBody:
        """Return the final answer to a purchase, whatever became of the order later."""
        return self._body(order, State.CONFIRMED)

    def order(self, order: Order) -> OrderBody:
        """Return an order as it stands."""
        return self._body(order, order.state)

    def whole(self, order: Order) -> WholeOrderBody:
        """Return an order with its history."""
        return WholeOrderBody(**asdict(self.order(order)), **_story(order))

    def kept(self, order: Order) -> KeptOrderBody:
        """Return an order with its history and what ties it to the ledger."""
        return KeptOrderBody(
            **asdict(self.order(order)),
            **_story(order),
            fingerprint=order.purchase.fingerprint,
            version=order.purchase.version,
            max_price=_price(order.purchase.max_price_minor),
            ledger_number=order.ledger_number,
            return_number=order.return_number,
            version_seen=order.version_seen,
            stock_seen=order.stock_seen,
            price_seen=_price(order.unit_price_minor),
        )

    def _body(self, order: Order, state: State) -> OrderBody:
        purchase = order.purchase
        bought = order.version_after is not None
        return OrderBody(
            purchase.order_id,
            state,
            purchase.book_id,
            order.title,
            purchase.quantity,
            _price(order.unit_price_minor) if bought else None,
            format_price(order.total_minor) if bought else None,
            self._currency,
            order.version_after,
            order.stock_after,
            rfc3339(order.decided_at_ms) if order.decided_at_ms is not None else None,
        )


def pending(order: Order) -> PendingBody:
    """Return what is said of an order that is not decided."""
    purchase = order.purchase
    return PendingBody(order.id, order.state.value, purchase.book_id, purchase.quantity)


def item_of(purchase: Purchase) -> PlaceItem:
    """Return the item that asks for a purchase."""
    return PlaceItem(
        purchase.order_id,
        purchase.book_id,
        purchase.quantity,
        purchase.version,
        _price(purchase.max_price_minor),
        purchase.request_id,
    )


def purchase_of(item: PlaceItem) -> Purchase:
    """Return the purchase that an item asks for. Raises `InvalidRequest` for a bad price."""
    max_price_minor = _price_minor(item.max_price)
    return Purchase(
        item.order_id,
        item.book_id,
        item.quantity,
        item.version,
        max_price_minor,
        item.request_id,
    )


def order_of(body: KeptOrderBody) -> Order:
    """Return the order that its keepers' shape shows."""
    times = {moment.state: parse_rfc3339(moment.at) for moment in body.history}
    purchase = Purchase(
        body.id, body.book_id, body.quantity, body.version, _price_minor(body.max_price)
    )
    return Order(
        purchase=purchase,
        state=State(body.state),
        created_at_ms=parse_rfc3339(body.created_at),
        ledger_number=body.ledger_number,
        decided_at_ms=parse_rfc3339(body.decided_at) if body.decided_at is not None else None,
        reason=body.reason,
        title=body.title,
        unit_price_minor=_price_minor(body.price_seen),
        version_after=body.version_after,
        stock_after=body.stock_after,
        version_seen=body.version_seen,
        stock_seen=body.stock_seen,
        cancelling_at_ms=times.get(State.CANCELLING),
        cancelled_at_ms=times.get(State.CANCELLED),
        return_number=body.return_number,
    )


def _story(order: Order) -> dict[str, Any]:
    return {
        "created_at": rfc3339(order.created_at_ms),
        "reason": order.reason,
        "history": [
            MomentBody(moment.state.value, rfc3339(moment.at_ms), moment.reason)
            for moment in order.history
        ],
    }


def _price(price_minor: int | None) -> str | None:
    return format_price(price_minor) if price_minor is not None else None


def _price_minor(price: str | None) -> int | None:
    return parse_price(price, "max_price") if price is not None else None
