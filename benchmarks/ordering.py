"""Many orders, made in bulk: a closed shop's ledger and orders, as long trade would leave them.

The purchases go through the shop's own services, in this process, without any HTTP.
"""

from __future__ import annotations

import random
import sys
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from servers.catalog.service import CatalogService
from servers.chance import WallClock, secret_ids
from servers.domain.errors import ShopError
from servers.domain.limits import MAX_BATCH_ITEMS
from servers.domain.sale import Purchase
from servers.durable import ShopDatabase
from servers.order.service import OrderService, Timing
from servers.storage.facts import keep_fact
from servers.storage.sqlite import SqliteDatabase, packaged_migrations

if TYPE_CHECKING:
    from pathlib import Path

_PATIENCE_S = 30.0


async def fill_orders(folder: Path, count: int, *, books: int, currency: str = "USD") -> None:
    """Purchase ``count`` times one of the first ``books`` books of a shop that does not run."""
    async with AsyncExitStack() as stack:
        catalog, orders = [await _open(stack, folder, name) for name in ("catalog", "orders")]
        for database in (catalog, orders):
            await database.write(lambda tx: keep_fact(tx, "currency", currency))
        clock, chance, ids = WallClock(), random.Random(1), secret_ids()
        service = OrderService(
            orders, CatalogService(catalog, clock), clock, chance, Timing(drive_s=_PATIENCE_S)
        )
        await service.start()
        for start in range(0, count, MAX_BATCH_ITEMS):
            size = min(MAX_BATCH_ITEMS, count - start)
            batch = [Purchase(next(ids), chance.randint(1, books)) for _ in range(size)]
            for placed in await service.place(batch, _PATIENCE_S):
                if isinstance(placed, ShopError):
                    raise placed


async def _open(stack: AsyncExitStack, folder: Path, name: str) -> ShopDatabase:
    def must_not_happen(error: BaseException) -> None:
        sys.exit(f"the disk failed: {error}")

    database = ShopDatabase(
        await SqliteDatabase.open(
            folder / f"{name}.db",
            migrations=packaged_migrations(name),
            on_commit_unknown=must_not_happen,
        )
    )
    stack.push_async_callback(database.close)
    return database
