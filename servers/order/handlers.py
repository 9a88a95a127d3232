"""The order server's routes: decode, one call of the service, encode."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from servers.domain.errors import InvalidRequest, ShopError
from servers.domain.order import State
from servers.domain.protocols import OrderPage
from servers.order import mapping
from servers.order.wire import OrdersQuery, PlaceItem, RestoreBody
from servers.web.answers import REPLAYED, Answer, answer, problem
from servers.web.auth import INSIDE
from servers.web.codec import make_cursor, read_order_cursor
from servers.web.items import ItemsDecoder, in_time, log_note
from servers.web.limits import MAX_BATCH_BYTES
from servers.web.routes import Route

if TYPE_CHECKING:
    from collections.abc import Sequence

    from servers.domain.order import Order
    from servers.domain.protocols import Orders, Placement
    from servers.domain.sale import Purchase
    from servers.order.mapping import OrderMapping
    from servers.web.call import Call

PATIENCE_S = 0.25
"""Longest time that a batch waits for a slow one of its purchases.

What is not decided by then is answered as pending, and the frontend asks again: so a slow
purchase holds up nobody else's answer.
"""


class OrderHandlers:
    """Answers about orders, for the frontend and the shop's keepers."""

    def __init__(self, orders: Orders, mapping: OrderMapping) -> None:
        self._orders = orders
        self._mapping = mapping
        self._items = ItemsDecoder(PlaceItem)

    def routes(self) -> tuple[Route, ...]:
        """Return the route table."""
        order = "/orders/{order_id:order}"
        routes = (
            Route(
                "POST",
                "/orders/batch",
                self.place_batch,
                "Place a batch of purchases",
                raw_body_bytes=MAX_BATCH_BYTES,
            ),
            Route("GET", "/orders", self.orders, "Orders, newest first", query=OrdersQuery),
            Route("GET", order, self.order, "One order"),
            Route("GET", f"{order}/kept", self.kept, "One order as the shop's keepers see it"),
            Route("POST", f"{order}/cancel", self.cancel, "Cancel an order"),
            Route(
                "POST", "/orders/restore", self.restore, "Mend from the ledger", body=RestoreBody
            ),
        )
        return tuple(replace(route, roles=INSIDE) for route in routes)

    async def place_batch(self, call: Call) -> Answer:
        """Place purchases, each answered by itself, in order."""
        items = [
            _purchase(item) for item in in_time(self._items.decode(call.body), call.raw.age_s())
        ]
        good = [item for item in items if not isinstance(item, ShopError)]
        call.note = log_note([purchase.request_id for purchase in good])
        placements = iter(await self._orders.place(good, PATIENCE_S))
        return answer(
            [
                problem(item) if isinstance(item, ShopError) else self._placed(next(placements))
                for item in items
            ]
        )

    async def order(self, call: Call) -> Answer:
        """Answer one order with its history."""
        return answer(self._mapping.whole(await self._orders.order(call.path["order_id"])))

    async def kept(self, call: Call) -> Answer:
        """Answer one order with what ties it to the ledger."""
        return answer(self._mapping.kept(await self._orders.order(call.path["order_id"])))

    async def orders(self, call: Call) -> Answer:
        """Answer a page of orders, newest first."""
        query: OrdersQuery = call.query
        name = f"orders {query.state} {query.book_id}"
        before = read_order_cursor(name, query.cursor) if query.cursor is not None else None
        page = OrderPage(query.state, query.book_id, before, query.limit + 1)
        found = await self._orders.orders(page)
        shown = found[: query.limit]
        headers = {}
        if len(found) > query.limit:
            headers["Link"] = _next_page(query, make_cursor(name, shown[-1].id))
        return answer([self._mapping.kept(order) for order in shown], headers=headers)

    async def cancel(self, call: Call) -> Answer:
        """Cancel an order: 200, or 202 while it takes longer than the caller waits."""
        left_s = call.deadline_s - asyncio.get_running_loop().time()
        order = await self._orders.cancel(call.path["order_id"], max(left_s * 0.8, 0.01))
        if order.state in {State.PENDING, State.CANCELLING}:
            return _not_yet(order)
        return answer(self._mapping.order(order))

    async def restore(self, call: Call) -> Answer:
        """Make order rows agree with a stretch of the ledger."""
        return answer(await self._orders.restore(call.body.after, call.body.limit))

    def _placed(self, placement: Placement | ShopError) -> Answer:
        if isinstance(placement, ShopError):
            return problem(placement)
        order, replayed = placement.order, placement.replayed
        if order.state is State.PENDING:
            return _not_yet(order)
        if order.state is State.REJECTED:
            return problem(order.refusal(), replayed=replayed)
        location = {"Location": f"/orders/{order.id}"}
        headers = location | REPLAYED if replayed else location
        return answer(self._mapping.confirmed(order), 200 if replayed else 201, headers)


def _not_yet(order: Order) -> Answer:
    headers = {"Location": f"/orders/{order.id}", "Retry-After": "1"}
    return answer(mapping.pending(order), 202, headers)


def _purchase(item: PlaceItem | ShopError) -> Purchase | ShopError:
    if isinstance(item, ShopError):
        return item
    try:
        return mapping.purchase_of(item)
    except InvalidRequest as error:
        return error


def _next_page(query: OrdersQuery, cursor: str) -> str:
    filters: Sequence[tuple[str, object]] = (
        ("state", query.state),
        ("book_id", query.book_id),
        ("limit", query.limit),
        ("cursor", cursor),
    )
    text = "&".join(f"{name}={value}" for name, value in filters if value is not None)
    return f'</orders?{text}>; rel="next"'
