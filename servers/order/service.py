"""The order server's use cases: place, look, cancel. Write first, then ask, then write.

Fulfils `servers.domain.protocols.Orders` on a database and a catalog. An order row exists
before the catalog hears of the order, and a final answer leaves only after the row says
so. What nobody waits for any more is driven on by the resolver.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from servers.domain.errors import KeyReused, OrderNotFound, ShopError, Unavailable
from servers.domain.order import State, mirrored, placed
from servers.domain.protocols import Placement, Restored
from servers.domain.sale import SaleBatch, Seen
from servers.order import store
from servers.order.ages import Ages
from servers.order.seller import KEY_REUSED, Drive, Seller

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from random import Random

    from servers.domain.ledger import Entry
    from servers.domain.order import Order
    from servers.domain.protocols import Catalog, Clock, OrderPage
    from servers.domain.sale import Purchase
    from servers.storage.database import Database, Transaction

_MAX_UNANSWERED = 100_000
_TAKE_BACK_PAUSE_S = 0.1


@dataclass(frozen=True, slots=True)
class Timing:
    """How long an order is driven for its customer, and when the resolver takes it on."""

    drive_s: float = 5.0
    resolve_after_s: float = 3.0
    void_after_s: float = 60.0


class OrderService:
    """Orders on a database of their own, sold by a catalog.

    ``catalog_wrong`` says why the catalog cannot sell now, or None: then a new purchase is
    refused before there is an order row, while those under way go on.
    """

    def __init__(  # noqa: PLR0913  # what an order server is made of, named at the one call
        self,
        database: Database,
        catalog: Catalog,
        clock: Clock,
        random: Random,
        timing: Timing,
        *,
        catalog_wrong: Callable[[], str | None] = lambda: None,
        orders_id: str | None = None,
    ) -> None:
        self.timing = timing
        self.seller = Seller(catalog, self._settle, self._forget, random)
        self._database = database
        self._catalog = catalog
        self._clock = clock
        self._orders_id = orders_id
        self._catalog_wrong = catalog_wrong
        self._loop = asyncio.get_running_loop()
        self._ages = Ages()
        self._unanswered: OrderedDict[str, bool] = OrderedDict()

    async def start(self) -> None:
        """Learn from the database how much of the ledger the orders know of."""
        known = await self._database.read(store.newest_known, heavy=True)
        self.seller.ledger_seen = known._replace(orders=self._orders_id)

    async def introduce(self) -> None:
        """Tell the catalog how much of its ledger the orders know of.

        A catalog that was restored from an old backup learns by this that it is behind.
        Raises `LedgerBehind`, and whatever else the catalog answers.
        """
        await self._catalog.sell(SaleBatch(self.seller.ledger_seen, ()))

    # Placing

    async def place(
        self, purchases: Sequence[Purchase], patience_s: float
    ) -> list[Placement | ShopError]:
        """Place purchases and wait for their outcome; see the protocol."""
        until_s = self._loop.time() + self.timing.drive_s
        rows = await self._admit(purchases)
        under_way: list[Drive | Order | ShopError] = []
        for purchase, row in zip(purchases, rows, strict=True):
            if isinstance(row, ShopError):
                under_way.append(row)
            elif row.purchase.fingerprint != purchase.fingerprint:
                under_way.append(KeyReused(KEY_REUSED, order_id=row.id))
            elif row.final:
                under_way.append(row)
            else:
                under_way.append(self.seller.sell(row, until_s))
        await self.seller.wait(
            [drive for drive in under_way if isinstance(drive, Drive)], patience_s
        )
        return [self._placement(outcome) for outcome in under_way]

    async def _admit(self, purchases: Sequence[Purchase]) -> list[Order | ShopError]:
        """Return each purchase's order row, new or as it was; new rows are durable."""
        wrong = self._catalog_wrong()
        if wrong is not None:
            return await self._only_known(purchases, wrong)
        at_ms = self._clock.now_ms()
        new = [placed(purchase, at_ms) for purchase in purchases]

        async def unit(tx: Transaction) -> list[Order]:
            inserted = await store.insert_pending(tx, new)
            rows: list[Order] = []
            for order in new:
                known = None
                if order.id in inserted:
                    inserted.remove(order.id)  # A second one of the same id is not new.
                else:
                    known = await store.order(tx, order.id)
                rows.append(known or order)
            return rows

        try:
            rows = await self._database.write(unit)
        except Unavailable:
            return await self._only_known(purchases, "the order server cannot write to its disk")
        except ShopError as error:
            return [error] * len(purchases)
        for row, order in zip(rows, new, strict=True):
            if row is order:
                self._ages.begin(row.id)
        return list(rows)

    async def _only_known(
        self, purchases: Sequence[Purchase], wrong: str
    ) -> list[Order | ShopError]:
        async def unit(tx: Transaction) -> list[Order | None]:
            return [await store.order(tx, purchase.order_id) for purchase in purchases]

        refused = Unavailable(f"Nothing was bought: {wrong}. Try again with the same key.")
        try:
            return [row or refused for row in await self._database.read(unit)]
        except Unavailable:
            return [refused] * len(purchases)

    def _placement(self, outcome: Drive | Order | ShopError) -> Placement | ShopError:
        if isinstance(outcome, Drive):
            outcome = outcome.outcome or outcome.order
        if isinstance(outcome, ShopError):
            return outcome
        if not outcome.final:
            return Placement(outcome)
        # Of all who ask about an order, the first that gets its end is told so.
        first = self._unanswered.pop(outcome.id, False)
        return Placement(outcome, replayed=not first)

    # Looking

    async def order(self, order_id: str) -> Order:
        """Return an order; see the protocol."""
        order = await self._database.read(lambda tx: store.order(tx, order_id))
        if order is None:
            raise OrderNotFound(f"There is no order {order_id}.", order_id=order_id)
        return order

    async def orders(self, page: OrderPage) -> list[Order]:
        """Return a page of orders, newest first; see the protocol."""
        return await self._database.read(lambda tx: store.page(tx, page), heavy=True)

    # Cancelling

    async def cancel(self, order_id: str, patience_s: float) -> Order:
        """Cancel a confirmed order; see the protocol."""
        until_s = self._loop.time() + patience_s
        order = await self.order(order_id)
        if not order.final:
            await self.seller.wait([self.seller.sell(order, until_s)], patience_s)
            order = await self.order(order_id)
        order.must_be_cancellable()
        if order.state is State.CONFIRMED:
            order = await self._begin_cancel(order)
        with suppress(TimeoutError):
            async with asyncio.timeout_at(until_s):
                # Each turn asks again, so there is no event to wait for.
                while order.state is State.CANCELLING and not await self.take_back(order):  # noqa: ASYNC110
                    await asyncio.sleep(_TAKE_BACK_PAUSE_S)
        try:
            return await self.order(order_id)
        except Unavailable:
            if order.state is State.CANCELLING:
                return order  # It is begun: that may not be told as if nothing had been done.
            raise

    async def _begin_cancel(self, order: Order) -> Order:
        """Write that a confirmed order is being cancelled; return it as it stands then."""
        at_ms = self._clock.now_ms()
        begun = await self._database.write(lambda tx: store.begin_cancel(tx, order.id, at_ms))
        if not begun:
            return await self.order(order.id)
        self._ages.begin(order.id)
        return replace(order, state=State.CANCELLING, cancelling_at_ms=at_ms)

    async def take_back(self, order: Order) -> bool:
        """Let the catalog take a cancelling order's copies back; False if it must be retried."""
        try:
            entry = await self._catalog.take_back(order.purchase, self.seller.ledger_seen)
            await self._database.write(
                lambda tx: store.end_cancel(tx, order.id, entry.at_ms, entry.number)
            )
        except ShopError:
            return False
        self._know(entry)
        self._ages.end(order.id)
        return True

    # Resolving

    async def unfinished(self, limit: int) -> list[tuple[Order, float]]:
        """Return the oldest unfinished orders, each with the seconds since it was first seen."""
        asked_s = self._loop.time()
        orders = await self._database.read(lambda tx: store.unfinished(tx, limit))
        return self._ages.listed(orders, asked_s, are_all=len(orders) < limit)

    async def void(self, order: Order) -> bool:
        """Let the ledger decide that a pending order is never sold; False if it must be retried."""
        try:
            entry = await self._catalog.void(order.purchase, self.seller.ledger_seen)
            await self._settle([(order, entry)])
        except KeyReused:
            await self._forget([order])
        except ShopError:
            return False
        return True

    # Repair

    async def restore(self, after: int, limit: int) -> Restored:
        """Make order rows agree with a stretch of the ledger; see the protocol."""
        entries = await self._catalog.ledger(after, limit)

        async def unit(tx: Transaction) -> int:
            return len({entry.order_id for entry in entries if await _restore(tx, entry)})

        changed = await self._database.write(unit)
        if len(entries) < limit:
            # The numbers of a ledger that was repaired may be lower than those known before.
            await self.start()
        return Restored(entries[-1].number if entries else 0, changed)

    # Inside

    async def _settle(self, decided: list[tuple[Order, Entry]]) -> list[Order]:
        """Write what the ledger decided, and return the orders as decided."""
        orders = [order.decided(entry) for order, entry in decided]

        moved = await self._database.write(lambda tx: store.decide(tx, orders))
        for order, entry in decided:
            self._know(entry)
            self._ages.end(order.id)
            if order.id in moved:
                # Another driver that learns the same later makes no answer the first one again.
                self._unanswered[order.id] = True
        while len(self._unanswered) > _MAX_UNANSWERED:
            self._unanswered.popitem(last=False)
        return orders

    async def _forget(self, orders: list[Order]) -> None:
        async def unit(tx: Transaction) -> None:
            for order in orders:
                await store.forget(tx, order)

        await self._database.write(unit)
        for order in orders:
            self._ages.end(order.id)

    def _know(self, entry: Entry) -> None:
        known = self.seller.ledger_seen
        if entry.number > known.number:
            self.seller.ledger_seen = Seen(entry.number, entry.order_id, known.orders)


async def _restore(tx: Transaction, entry: Entry) -> bool:
    """Make one order row agree with one ledger entry; return whether it had to change."""
    if entry.order_id is None:
        return False
    before = await store.order(tx, entry.order_id)
    after = mirrored(before, entry)
    if after is None or after == before:
        return False
    await store.replace_with(tx, after)
    return True
