"""Orders over HTTP: fulfils `servers.domain.protocols.Orders` for other processes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec

from servers.domain.errors import error_of
from servers.domain.order import placed
from servers.domain.protocols import Placement, Restored
from servers.order import mapping
from servers.order.wire import KeptOrderBody, PendingBody, RestoreBody
from servers.web.answers import Answer
from servers.web.asking import Asking
from servers.web.codec import make_cursor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from servers.domain.errors import ShopError
    from servers.domain.order import Order
    from servers.domain.protocols import OrderPage
    from servers.domain.sale import Purchase
    from servers.web.hop import Hop

_PENDING = 202
_REFUSED = 400
_LONG_CALL_S = 30.0
"""For the long lists that an audit reads."""


class OrderClient:
    """Orders, asked over a hop; a call is given up after ``call_s`` seconds.

    Besides the errors of the protocol every method raises `Unavailable` where the order
    server cannot have got the call and `OutcomeUnknown` where it may have.
    """

    def __init__(self, hop: Hop, *, call_s: float) -> None:
        self._asking = Asking(hop, call_s)

    async def order(self, order_id: str) -> Order:
        """Return an order; see the protocol."""
        path = f"/orders/{order_id}/kept"
        return mapping.order_of((await self._asking.ask("GET", path, KeptOrderBody))[0])

    async def place(
        self, purchases: Sequence[Purchase], patience_s: float
    ) -> list[Placement | ShopError]:
        """Place purchases and wait for their outcome; see the protocol.

        The order server waits as long as it sees fit, so this asks again until
        ``patience_s`` is over.
        """
        loop = asyncio.get_running_loop()
        until_s = loop.time() + patience_s
        answers: dict[int, Answer] = {}
        waiting = list(range(len(purchases)))
        while waiting:
            body = [mapping.item_of(purchases[place]) for place in waiting]
            said, _ = await self._asking.ask("POST", "/orders/batch", list[Answer], body=body)
            answers.update(zip(waiting, said, strict=True))
            if loop.time() >= until_s:
                break
            # Only these: an end that was told once would come as a replay the next time.
            waiting = [place for place in waiting if answers[place].status == _PENDING]
        return [
            await self._placement(purchase, answers[place])
            for place, purchase in enumerate(purchases)
        ]

    async def cancel(self, order_id: str, patience_s: float) -> Order:
        """Cancel a confirmed order; see the protocol."""
        path = f"/orders/{order_id}/cancel"
        await self._asking.ask("POST", path, dict[str, object], timeout_s=patience_s)
        return await self.order(order_id)

    async def orders(self, page: OrderPage) -> list[Order]:
        """Return a page of orders, newest first; see the protocol."""
        path = f"/orders?limit={page.limit}"
        if page.state is not None:
            path += f"&state={page.state.value}"
        if page.book_id is not None:
            path += f"&book_id={page.book_id}"
        if page.before_id is not None:
            path += f"&cursor={make_cursor(f'orders {page.state} {page.book_id}', page.before_id)}"
        bodies, _ = await self._asking.ask("GET", path, list[KeptOrderBody], timeout_s=_LONG_CALL_S)
        return [mapping.order_of(body) for body in bodies]

    async def restore(self, after: int, limit: int) -> Restored:
        """Make order rows agree with a stretch of the ledger; see the protocol."""
        body = RestoreBody(after, limit)
        restored, _ = await self._asking.ask(
            "POST", "/orders/restore", Restored, body=body, timeout_s=_LONG_CALL_S
        )
        return restored

    async def _placement(self, purchase: Purchase, said: Answer) -> Placement | ShopError:
        replayed = "Idempotency-Replayed" in said.headers
        if said.status < _REFUSED:
            body = msgspec.json.decode(said.body, type=PendingBody)
            if body.state == "pending":
                return Placement(placed(purchase, 0))
            return Placement(await self.order(body.id), replayed=replayed)
        error = error_of(msgspec.json.decode(said.body, type=dict[str, object]))
        if "order_id" in error.members and error.code != "key_reused":
            return Placement(await self.order(purchase.order_id), replayed=replayed)
        return error
