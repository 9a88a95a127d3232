"""The order server as the frontend uses it: purchases in batches, answers passed through."""

from __future__ import annotations

from typing import TYPE_CHECKING

from servers.order import mapping
from servers.web.batching import Batcher

if TYPE_CHECKING:
    from asyncio import Future
    from random import Random

    from servers.domain.sale import Purchase
    from servers.order.wire import PlaceItem
    from servers.web.answers import Answer
    from servers.web.hop import Hop


class OrderGateway:
    """Places purchases, many in a call.

    A purchase whose call brought no answer, or that is still pending, is asked for again
    under the same id until ``deadline_s`` (the event loop's clock). What is unknown then is
    answered ``outcome_unknown``; 503 only if no copy of it can have arrived.
    """

    def __init__(self, hop: Hop, *, call_s: float, random: Random) -> None:
        self._purchases: Batcher[PlaceItem] = Batcher(
            hop, "/orders/batch", call_s=call_s, random=random, changes=True
        )

    def place(self, purchase: Purchase, deadline_s: float) -> Future[Answer]:
        """Return the order server's answer to a purchase."""
        return self._purchases.submit(mapping.item_of(purchase), deadline_s)
