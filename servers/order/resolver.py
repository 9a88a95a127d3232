"""The resolver: drives on every order that nobody waits for, until it has its end.

It looks at start and then every second; while nothing moves it backs off. A pending order
is sold exactly as its customer's request would; one that has waited too long is voided
instead, which decides that it is never sold. A cancelling order gives its copies back.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from servers.domain.errors import ShopError
from servers.domain.order import State

if TYPE_CHECKING:
    from servers.domain.order import Order
    from servers.order.service import OrderService

EVERY_S = 1.0
LONGEST_S = 5.0
_MAX_ORDERS = 1000

_log = logging.getLogger(__name__)


class Resolver:
    """Finishes unfinished orders. Ages run on the event loop's clock, never on wall time."""

    def __init__(self, orders: OrderService) -> None:
        self._orders = orders
        self._loop = asyncio.get_running_loop()

    async def step(self) -> tuple[int, int]:
        """Drive every order that is due; return how many were due and how many moved."""
        timing = self._orders.timing
        unfinished = await self._orders.unfinished(_MAX_ORDERS)
        due = [(order, age_s) for order, age_s in unfinished if age_s >= timing.resolve_after_s]
        ended = await asyncio.gather(*[self._drive(order, age_s) for order, age_s in due])
        return len(due), sum(ended)

    async def run(self) -> None:
        """Step for ever; a failing step is logged and tried again."""
        pause_s = EVERY_S
        while True:
            try:
                due, moved = await self.step()
                stuck = due > 0 and moved == 0
            except ShopError as error:
                _log.warning("the resolver could not work: %s", error.detail)
                stuck = True
            except Exception:  # noqa: BLE001  # the resolver must outlive its own bugs
                _log.exception("the resolver failed")
                stuck = True
            pause_s = min(pause_s * 2, LONGEST_S) if stuck else EVERY_S
            await asyncio.sleep(pause_s)

    async def _drive(self, order: Order, age_s: float) -> bool:
        if order.state is State.CANCELLING:
            return await self._orders.take_back(order)
        if age_s >= self._orders.timing.void_after_s:
            return await self._orders.void(order)
        until_s = self._loop.time() + self._orders.timing.resolve_after_s
        drive = self._orders.seller.sell(order, until_s)
        await self._orders.seller.wait([drive])
        # What is the same pending order still has not moved.
        return drive.outcome is not drive.order
