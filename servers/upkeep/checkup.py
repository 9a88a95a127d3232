"""What the databases of a stopped shop say about its health; for `doctor`, and for `up`.

Lives here: the questions. A shop that runs is asked over HTTP.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from servers.catalog import reentry
from servers.catalog import store as catalog_store
from servers.order import store as order_store
from servers.storage.database import StorageError
from servers.storage.sqlite_peek import peek, peeking
from servers.upkeep.shop_files import (
    CATALOG,
    NAMES,
    ORDERS,
    RESTORE_OR_GIVE_UP,
    database_of,
    is_lost,
    orders_lack_entries,
    seen_by_orders,
)

if TYPE_CHECKING:
    from pathlib import Path

    from servers.storage.database import Transaction

MAX_ORDERS = 5000
"""So many unfinished orders are counted at most."""


def loss(folder: Path) -> str | None:
    """Return what a shop that is about to be opened has lost, and what to do, or None.

    That is one of its databases, where the other one knows of orders.
    """
    there = [name for name in NAMES if not is_lost(folder, name)]
    if there == [ORDERS]:
        seen = seen_by_orders(folder, surely=False)
        if seen is None or seen.number:
            return f"The shop has lost its catalog.db, and sells nothing. {RESTORE_OR_GIVE_UP}"
    if there == [CATALOG]:
        with suppress(StorageError):  # Whoever opens it says so.
            if any_decided(folder):
                return (
                    "The shop has lost its orders.db: nobody can look up or cancel what was "
                    "bought. Run `bookstore reconcile`, which makes orders anew from the ledger."
                )
    return None


def must_be_readable(folder: Path, name: str) -> None:
    """Read a little of a database. Raises `StorageError`, or OSError where it is no file."""
    path = database_of(folder, name)
    if path.stat().st_size == 0:
        raise StorageError("It is empty: nothing was ever written to it, or all of it is lost.")
    peek(path, order_store.newest_known if name == ORDERS else catalog_store.last_number)


class Lack(NamedTuple):
    """What ledger or orders lack of the other, in words; and whether all of the ledger is gone."""

    found: str
    catalog_lost: bool = False


def lack(folder: Path) -> Lack | None:
    """Return what ledger or orders lack of the other, or None. Raises `StorageError`."""
    with (
        peeking(database_of(folder, ORDERS)) as orders,
        peeking(database_of(folder, CATALOG)) as catalog,
    ):
        seen = orders.read(order_store.newest_known)
        behind = catalog.read(lambda tx: reentry.lacking(tx, seen))
        if behind is not None:
            return Lack(behind.detail, catalog_lost=behind.members["last"] == 0)
        if orders_lack_entries(orders, catalog):
            return Lack("the ledger has decided orders, or cancellings, that orders.db lacks")
    return None


def any_decided(folder: Path) -> bool:
    """Say whether the ledger has decided any order. Raises `StorageError`."""

    async def look(tx: Transaction) -> bool:
        return bool(await catalog_store.order_ids(tx, "", 1, returned=False))

    return peek(database_of(folder, CATALOG), look)


def unfinished_orders(folder: Path) -> int:
    """Return how many orders are pending or cancelling, at most 5,000. Raises `StorageError`."""

    async def count(tx: Transaction) -> int:
        return len(await order_store.unfinished(tx, MAX_ORDERS))

    return peek(database_of(folder, ORDERS), count)


def last_entry_at_ms(folder: Path) -> int | None:
    """Return when the ledger's last entry was made; None where it is empty.

    Raises `StorageError`.
    """

    async def look(tx: Transaction) -> int | None:
        number = await catalog_store.last_number(tx)
        entries = await catalog_store.ledger(tx, number - 1, 1) if number else []
        return entries[0].at_ms if entries else None

    return peek(database_of(folder, CATALOG), look)
