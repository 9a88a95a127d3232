"""How long orders have been unfinished, as far as this process has seen.

Ages run on the event loop's clock, from when this process wrote or first read an order.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from servers.domain.order import Order


class Ages:
    """Since when each unfinished order is known; what is known to have its end is forgotten."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._since_s: dict[str, float] = {}

    def __len__(self) -> int:
        """How many orders are known to be unfinished."""
        return len(self._since_s)

    def begin(self, order_id: str) -> None:
        """Note an order that is durably unfinished, unless it is known."""
        self._since_s.setdefault(order_id, self._loop.time())

    def end(self, order_id: str) -> None:
        """Forget an order that has its end."""
        self._since_s.pop(order_id, None)

    def listed(
        self, orders: Sequence[Order], asked_s: float, *, are_all: bool
    ) -> list[tuple[Order, float]]:
        """Return unfinished orders as they were read, each with its age in seconds.

        ``asked_s`` is when reading began. An order can have its end while its row is on the
        way here; where these ``are_all``, one that was known then and is not among them has it.
        """
        now_s = self._loop.time()
        aged = [(each, now_s - self._since_s.setdefault(each.id, now_s)) for each in orders]
        if are_all:
            ids = {each.id for each in orders}
            self._since_s = {
                order_id: since_s
                for order_id, since_s in self._since_s.items()
                if since_s >= asked_s or order_id in ids
            }
        return aged
