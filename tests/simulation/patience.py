"""How long orders may take once nothing is wrong any more.

From the moment at which all faults are healed, which is when every server is up and every link
is well, the order servers' own databases are looked at, from outside and without a message. An
order that was left unfinished by then has ``LONGEST_S`` from there on; one that becomes so
later, by a customer who goes on or a late copy of a request, has as long from when it is seen.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from servers.domain.accounts import Violation
from servers.order.store import unfinished
from servers.storage.database import StorageUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from servers.domain.order import Order
    from tests.simulation.shop import Shop

LONGEST_S = 15.0
"""How long an order may be unfinished while all is well."""

LOOKS_PER_S = 2
_MOST_ORDERS = 1000


class Patience:
    """Knows since when each order is unfinished at each server, and which take too long.

    ``slowest_s`` is the longest that any was seen to take.
    """

    def __init__(self, shop: Shop) -> None:
        self.violations: list[Violation] = []
        self.slowest_s = 0.0
        self._shop = shop
        self._looks = 0
        self._since: dict[tuple[str, str, str], int] = {}

    async def watch(self) -> None:
        """Wait until all is well, then look again and again, for ever."""
        await self._shop.until_up()
        loop = self._shop.loop
        healed_s = loop.time()
        self._shop.trace.note("simulation", "all is well")
        while True:
            self.look(await self._unfinished())
            await asyncio.sleep(max(healed_s + self._looks / LOOKS_PER_S - loop.time(), 0))

    def look(self, found: Iterable[tuple[str, Order]]) -> None:
        """Take in which orders are unfinished, each with its server, at one look."""
        since = {
            key: self._since.get(key, self._looks)
            for key in [(server, order.id, str(order.state)) for server, order in found]
        }
        for (server, order_id, state), first in since.items():
            for_s = (self._looks - first) / LOOKS_PER_S
            self.slowest_s = max(self.slowest_s, for_s)
            if for_s == LONGEST_S:
                finding = f"is {state} at {server} for {for_s:g} s though all is well"
                self.violations.append(Violation("I5", f"order {order_id}", finding))
        self._since = since
        self._looks += 1

    async def _unfinished(self) -> list[tuple[str, Order]]:
        """Return the unfinished orders of both order servers; one that is closed has none."""
        found: list[tuple[str, Order]] = []
        for server in ("order-a", "order-b"):
            database = self._shop.hosts[server].database
            if database is not None:
                try:
                    orders = await database.read(lambda tx: unfinished(tx, _MOST_ORDERS))
                except StorageUnavailable:
                    continue
                found += [(server, order) for order in orders]
        return found
