"""A small shop with a story in it, opened in this process; and hands that tamper with it."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import apsw

from servers.domain.book import Draft, Edit, Restock
from servers.domain.errors import ShopError
from servers.domain.sale import Purchase, order_id_of_key
from servers.upkeep.audit import audit
from servers.upkeep.backoffice import open_stopped

if TYPE_CHECKING:
    from pathlib import Path

    from servers.domain.invariants import Findings
    from servers.domain.order import Order
    from servers.domain.protocols import Orders
    from servers.upkeep.audit import OpenShop

PATIENCE_S = 5.0


def key_id(key: str) -> str:
    """Return the order id of a key."""
    return order_id_of_key(key)


async def buy(
    orders: Orders,
    key: str,
    book_id: int,
    quantity: int = 1,
    *,
    version: int | None = None,
    max_price_minor: int | None = None,
) -> Order:
    """Purchase under a key and return the decided order."""
    purchase = Purchase(key_id(key), book_id, quantity, version, max_price_minor)
    (placed,) = await orders.place([purchase], PATIENCE_S)
    assert not isinstance(placed, ShopError), placed
    assert placed.order.final
    return placed.order


async def add(shop: OpenShop, stock: int, price_minor: int = 1000) -> int:
    """Add a book and return its id."""
    draft = Draft("A test book", ("Somebody",), None, ("tests",), price_minor, stock)
    return (await shop.catalog.add(draft)).book.id


async def tell_the_story(folder: Path) -> None:
    """Make a shop in which everything has happened once.

    Book 1: five copies, three sold (orders a, b and c), c cancelled, one received. Book 2:
    sold out by d, so that e is refused. Book 3: edited, then deleted.
    """
    (folder / "catalog.db").touch(0o600)
    async with open_stopped(folder, to_change=True) as shop:
        for stock in (5, 1, 2):
            await add(shop, stock)
        for key, book_id in (("a", 1), ("b", 1), ("c", 1), ("d", 2), ("e", 2)):
            await buy(shop.orders, key, book_id)
        await shop.orders.cancel(key_id("c"), PATIENCE_S)
        await shop.catalog.restock(1, Restock("delivery", change=1), None)
        await shop.catalog.edit(3, Edit({"price_minor": 1200}), 1)
        await shop.catalog.delete(3, None)


async def look(folder: Path) -> Findings:
    """Audit the stopped shop."""
    async with open_stopped(folder, to_change=False) as shop:
        return await audit(shop)


async def invariants(folder: Path) -> set[str]:
    """Return the names of the invariants that do not hold."""
    return {each.invariant for each in (await look(folder)).violations}


def tamper(folder: Path, database: str, *statements: str) -> None:
    """Change a database behind the shop's back, past its checks; ``:a`` is the order of key a."""
    ids = {key: key_id(key) for key in "abcdef"}
    connection = apsw.Connection(str(folder / f"{database}.db"))
    try:
        connection.pragma("ignore_check_constraints", value=True)
        for statement in statements:
            connection.execute(statement, ids)
            assert connection.changes() > 0 or statement.startswith("DROP"), statement
    finally:
        connection.close()


def keep_copy(folder: Path, database: str) -> Path:
    """Copy a database of a stopped shop, as a backup does, and return the copy."""
    copy = folder / f"{database}.copy"
    shutil.copyfile(folder / f"{database}.db", copy)
    return copy


def put_back(folder: Path, database: str) -> None:
    """Restore the copy that was kept."""
    for end in ("-wal", "-shm"):
        (folder / f"{database}.db{end}").unlink(missing_ok=True)
    shutil.copyfile(folder / f"{database}.copy", folder / f"{database}.db")
