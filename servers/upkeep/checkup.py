"""What the databases of a stopped shop say about its health; for `bookstore doctor` alone.

Lives here: the questions. A shop that runs is asked over HTTP.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from servers.catalog import store as catalog_store
from servers.order import store as order_store
from servers.storage.sqlite_peek import peek

if TYPE_CHECKING:
    from pathlib import Path

    from servers.storage.database import Transaction

MAX_ORDERS = 5000


def unfinished_orders(folder: Path) -> int:
    """Return how many orders are pending or cancelling, at most 5,000. Raises `StorageError`."""

    async def count(tx: Transaction) -> int:
        return len(await order_store.unfinished(tx, MAX_ORDERS))

    return peek(folder / "orders.db", count)


def last_entry_at_ms(folder: Path) -> int | None:
    """Return when the ledger's last entry was made; None where it is empty.

    Raises `StorageError`.
    """

    async def look(tx: Transaction) -> int | None:
        number = await catalog_store.last_number(tx)
        entries = await catalog_store.ledger(tx, number - 1, 1) if number else []
        return entries[0].at_ms if entries else None

    return peek(folder / "catalog.db", look)
