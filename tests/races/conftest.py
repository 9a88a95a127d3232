"""A shop for all races, and three servers with a proxy before the catalog for forced ones."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from bookstore_cli.demo.proxy import HoldingProxy
from tests.support.customers import Customer, customers
from tests.support.serving import served_shop
from tests.support.shop import open_shop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from tests.support.shop import Reply, Shop


@pytest.fixture(scope="package")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A running shop that all tests of this folder share; each brings books of its own."""
    with open_shop(tmp_path_factory.mktemp("races") / "shop", sample="false") as opened:
        yield opened


@pytest.fixture
async def customer(shop: Shop) -> AsyncIterator[Customer]:
    """Up to 64 connections to the shared shop."""
    async with customers(shop.urls["frontend"]) as opened:
        yield opened


@dataclass
class HeldShop:
    """Three servers; sales on their way from order to catalog can be held."""

    shop: Shop
    customer: Customer
    proxy: HoldingProxy

    async def known_book(self, *, stock: int, price: str = "10.00") -> int:
        """Add a book of which the order server has learned the version by selling a copy."""
        book_id = await asyncio.to_thread(self.shop.add_book, stock + 1, price=price)
        assert (await self.customer.purchase(book_id)).status == 201
        return book_id

    async def purchase_during(
        self, change: Callable[[], Reply], book_id: int, key: str | None = None, **wishes: Any
    ) -> tuple[Reply, Reply]:
        """Make a change while the sale is between order and catalog; return both answers.

        The order server has chosen the version before the change is made, and its sale
        arrives after that was answered.
        """
        self.proxy.hold("/sales")
        buying = asyncio.create_task(self.customer.purchase(book_id, key, **wishes))
        await self.proxy.held()
        changed = await asyncio.to_thread(change)
        self.proxy.release()
        return await buying, changed


@pytest.fixture
async def held_shop(tmp_path: Path) -> AsyncIterator[HeldShop]:
    """Three servers of their own, and the proxy between order and catalog."""
    async with contextlib.AsyncExitStack() as stack:
        served = stack.enter_context(served_shop(tmp_path / "shop"))
        catalog = await asyncio.to_thread(served.start, "catalog", sample="false")
        proxy = await stack.enter_async_context(HoldingProxy(catalog.url))
        # A held sale is not to be taken for a lost one, however slow this machine is.
        order = await asyncio.to_thread(
            served.start, "order", "--catalog-url", proxy.url, catalog_call_s="5"
        )
        urls = ("--catalog-url", catalog.url, "--order-url", order.url)
        frontend = await asyncio.to_thread(served.start, "frontend", *urls, catalog_call_s="5")
        customer = await stack.enter_async_context(customers(frontend.url))
        yield HeldShop(served.shop, customer, proxy)
