"""What the databases of a stopped shop say about its health; for `bookstore doctor` alone.

Lives here: the questions. A shop that runs is asked over HTTP.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from servers.catalog import reentry
from servers.catalog import store as catalog_store
from servers.order import store as order_store
from servers.storage.database import StorageError
from servers.storage.sqlite_peek import peek
from servers.upkeep.shop_files import CATALOG, ORDERS, database_of, lack_one

if TYPE_CHECKING:
    from pathlib import Path

    from servers.domain.ledger import Entry
    from servers.storage.database import Transaction

MAX_ORDERS = 5000
MAX_ENTRIES = 1000
"""What the orders lack lies above the newest entry that they know; so many are looked at."""


def must_be_readable(folder: Path, name: str) -> None:
    """Read a little of a database. Raises `StorageError`, or OSError where it is no file."""
    path = database_of(folder, name)
    if path.stat().st_size == 0:
        raise StorageError("It is empty: nothing was ever written to it, or all of it is lost.")
    peek(path, order_store.newest_known if name == ORDERS else catalog_store.last_number)


def lack(folder: Path) -> str | None:
    """Return what ledger or orders lack of the other, or None. Raises `StorageError`."""
    seen = peek(database_of(folder, ORDERS), order_store.newest_known)
    behind = peek(database_of(folder, CATALOG), lambda tx: reentry.lacking(tx, seen))
    if behind is not None:
        return behind.detail

    async def above(tx: Transaction) -> list[Entry]:
        return await catalog_store.ledger(tx, seen.number, MAX_ENTRIES)

    entries = peek(database_of(folder, CATALOG), above)
    if peek(database_of(folder, ORDERS), lambda tx: lack_one(tx, entries)):
        return "the ledger has decided orders that orders.db does not know"
    return None


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
