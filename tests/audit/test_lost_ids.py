"""A catalog that was lost, or is old, gives out no id that orders know, from its start on."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from servers.upkeep.backoffice import open_stopped
from tests.audit.keepers import add, buy, keep_copy, put_back
from tests.support.serving import ServedShop, served_shop
from tests.support.shop import run_command

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.shop import Reply

BOOK = {"title": "New", "authors": ["Somebody"], "price": "3.00", "stock": 5, "topics": []}


def lose(story: Path) -> set[int]:
    """Lose the catalog; return the ids that orders know."""
    (story / "catalog.db").unlink()
    return {1, 2}


def grow_old(story: Path) -> set[int]:
    """Sell a book that the catalog, put back from an old copy, never had; return the ids."""
    keep_copy(story, "catalog")

    async def sell_one() -> int:
        async with open_stopped(story, to_change=True) as shop:
            book_id = await add(shop, 2)
            await buy(shop.orders, "f", book_id)
            return book_id

    book_id = asyncio.run(sell_one())
    put_back(story, "catalog")
    return {1, 2, book_id}


def add_a_book(servers: ServedShop) -> Reply:
    """Add a book, as staff do who ask the catalog itself."""
    return servers.shop.request("POST", "/books", BOOK, server="catalog", admin=True)


@pytest.mark.parametrize("damage", [lose, grow_old])
def test_before_the_order_server_runs(story: Path, damage: Callable[[Path], set[int]]) -> None:
    """The catalog looks itself at the orders beside it; after the repair their ids stay taken."""
    known = damage(story)
    with served_shop(story) as servers:
        catalog = servers.start("catalog")
        refused = add_a_book(servers)
        assert (refused.status, refused.code) == (409, "ledger_behind")
        assert servers.shop.request("GET", "/readyz", server="catalog").status == 503
        catalog.stop()
        words = ("--without-backup",) if damage is lose else ()
        repaired = run_command("--data", str(story), "reconcile", *words)
        assert repaired.returncode == 0, repaired.stderr
        servers.start("catalog")
        added = add_a_book(servers)
        assert added.status == 201
        assert added.json["id"] not in known


def test_while_the_order_server_has_its_database(story: Path) -> None:
    """A lost catalog learns of the orders also where their server runs and does not reach it."""
    lose(story)
    with served_shop(story) as servers:
        servers.start("order", "--catalog-url", "http://127.0.0.1:9")
        servers.start("catalog")
        assert add_a_book(servers).code == "ledger_behind"


def test_orders_that_know_nothing(story: Path) -> None:
    """A new catalog beside orders of which none was decided is a new one, and is filled."""
    for name in ("catalog", "orders"):
        (story / f"{name}.db").unlink()
    with served_shop(story) as servers:
        servers.start("order", "--catalog-url", "http://127.0.0.1:9").stop()
        servers.start("catalog")
        assert add_a_book(servers).json["id"] > 1
