"""A day in a shop of two services on one disk: all that happens, and what was answered when.

No HTTP and no threads: what is recorded is the same for the same seed, but for the order in
which the event loop runs what is ready.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from servers.catalog.service import CatalogService
from servers.domain.book import Restock
from servers.domain.errors import ShopError
from servers.domain.order import State
from servers.durable import ShopDatabase
from servers.order.service import OrderService, Timing
from servers.storage.sqlite import SqliteDatabase, packaged_migrations
from servers.upkeep.audit import OpenShop, audit
from tests.storage.shelf import HeldExecutor, must_not_happen
from tests.support.services import TestClock, draft

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path

    import apsw

    from servers.domain.order import Order
    from servers.domain.sale import Purchase

NAMES = ("catalog", "orders")
PATIENCE_S = 5.0


@dataclass
class Shop:
    """The two services and their databases."""

    catalog: CatalogService
    orders: OrderService
    databases: dict[str, SqliteDatabase]

    @property
    def keepers(self) -> OpenShop:
        """The shop as an audit wants it."""
        return OpenShop(self.catalog, self.orders, TestClock())

    def writer(self, name: str) -> apsw.Connection:
        """Return the connection that writes to a database."""
        return self.databases[name]._writer._session.connection


@contextlib.asynccontextmanager
async def open_day(
    folder: Path,
    vfs: str | None = None,
    on_commit_unknown: Callable[[BaseException], None] = must_not_happen,
    patience_s: float = PATIENCE_S,
) -> AsyncIterator[Shop]:
    """Open both services as their servers do; commits run in the loop's own thread.

    An order is driven for ``patience_s``.
    """
    async with contextlib.AsyncExitStack() as stack:
        databases: dict[str, SqliteDatabase] = {}
        for name in NAMES:
            databases[name] = await SqliteDatabase.open(
                folder / f"{name}.db",
                migrations=packaged_migrations(name),
                on_commit_unknown=on_commit_unknown,
                executor=HeldExecutor(),
                vfs=vfs,
            )
            stack.push_async_callback(databases[name].close)
        catalog = CatalogService(ShopDatabase(databases["catalog"]), TestClock())
        orders = OrderService(
            ShopDatabase(databases["orders"]),
            catalog,
            TestClock(),
            random.Random(1),
            Timing(drive_s=patience_s),
        )
        await orders.start()
        yield Shop(catalog, orders, databases)


@dataclass
class Answers:
    """What was answered, each with the moment in which it was, by a clock of the test's."""

    now: Callable[[], int]
    patience_s: float = PATIENCE_S
    orders: list[tuple[int, Order]] = field(default_factory=list)
    books: list[tuple[int, int, int]] = field(default_factory=list)
    begun: dict[str, Purchase] = field(default_factory=dict)

    async def purchase(self, shop: Shop, purchases: Sequence[Purchase]) -> None:
        """Purchase at once, and note what was answered for good."""
        self.begun |= {each.order_id: each for each in purchases}
        placed = await shop.orders.place(purchases, self.patience_s)
        for each in placed:
            if not isinstance(each, ShopError) and each.order.final:
                self.orders.append((self.now(), each.order))

    async def cancel(self, shop: Shop, order_id: str) -> None:
        """Cancel, and note it where it was done."""
        order = await shop.orders.cancel(order_id, self.patience_s)
        if order.state is State.CANCELLED:
            self.orders.append((self.now(), order))

    async def add(self, shop: Shop, **fields: Any) -> int:
        """Add a book."""
        book = (await shop.catalog.add(draft(**fields))).book
        self.books.append((self.now(), book.id, book.version))
        return book.id

    async def restock(self, shop: Shop, book_id: int, change: int) -> None:
        """Receive copies of a book."""
        book = (await shop.catalog.restock(book_id, Restock("delivery", change=change), None)).book
        self.books.append((self.now(), book.id, book.version))

    async def still_hold(self, shop: Shop, at: int) -> list[str]:
        """Return which of the answers given until ``at`` are not true any more."""
        broken = [
            f"order {order.id} was {order.state} at {moment}"
            for moment, order in self.orders
            if moment <= at and not await _holds(shop, order)
        ]
        versions = {book.id: book.version for book in await shop.catalog.shelf(0, 100)}
        broken += [
            f"book {book_id} had version {version} at {moment}"
            for moment, book_id, version in self.books
            if moment <= at and versions.get(book_id, 0) < version
        ]
        return broken


async def _holds(shop: Shop, order: Order) -> bool:
    """Say whether row and ledger still tell of an order what was answered."""
    try:
        now, entries = await asyncio.gather(shop.orders.order(order.id), _sale(shop, order))
    except ShopError:
        return False
    kept = order.state, order.ledger_number, order.return_number
    if (now.state, now.ledger_number, now.return_number) == kept:
        # The copies of an order may be back before its row says so, never the other way round.
        returned = entries[1:] == [order.return_number] or order.return_number is None
        return entries[0] == order.ledger_number and returned
    cancelled_since = now.state in {State.CANCELLING, State.CANCELLED}
    return order.state is State.CONFIRMED and cancelled_since and entries[0] == now.ledger_number


async def _sale(shop: Shop, order: Order) -> list[int]:
    return [entry.number for entry in await shop.catalog.sale(order.id)]


async def violations(shop: Shop) -> list[str]:
    """Return what an audit of the shop finds wrong."""
    found = await audit(shop.keepers)
    return [f"{each.invariant} {each.detail}" for each in found.violations]


async def asked_again(shop: Shop, answers: Answers) -> list[str]:
    """Let every customer ask again, and return what is wrong then: all must be final and agree."""
    asked = list(answers.begun.values())
    told = await shop.orders.place(asked, PATIENCE_S)
    wrong = [f"{each}" for each in told if isinstance(each, ShopError) or not each.order.final]
    for order, _ in await shop.orders.unfinished(1000):
        if not await shop.orders.take_back(order):
            wrong.append(f"{order.id} is not finished")
    return wrong + await violations(shop)
