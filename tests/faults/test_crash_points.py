"""kill -9 at each named point of a purchase and of a cancel, forced by what lies between servers.

The points and who repairs them stand in ARCHITECTURE.md. A proxy holds a request, or swallows
its answer, so that the process dies exactly there; the servers know nothing of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from bookstore_cli.demo.proxy import HoldingProxy
from tests.faults.load import all_orders_are_final, assert_audit_is_clean, assert_no_traceback
from tests.faults.wire import CALM, Weather, Wire
from tests.support.books import stock_of
from tests.support.customers import Customer, Wanted, customers, until
from tests.support.serving import served_shop
from tests.support.shop import wait_until
from tests.support.tally import note

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from tests.support.serving import ServedShop

ROUNDS = int(os.environ.get("FAULT_ROUNDS", "1"))
STOCK = 1000


@dataclass
class Crashing:
    """Three servers, with a proxy and a wire between order and catalog."""

    served: ServedShop
    proxy: HoldingProxy
    wire: Wire
    customer: Customer

    async def restart(self, server: str) -> None:
        """Kill a server, and start it again where it was."""
        old = self.served.servers[server]
        await asyncio.to_thread(old.kill)
        options = ["--port", str(old.port)]
        if server == "order":
            options += ["--catalog-url", self.wire.url]
        elif server == "frontend":
            urls = {name: each.url for name, each in self.served.servers.items()}
            options += ["--catalog-url", urls["catalog"], "--order-url", urls["order"]]
        await asyncio.to_thread(self.served.start, server, *options)

    async def sale_is_held(self, during: Callable[[], Awaitable[None]]) -> None:
        """Run ``during`` while a sale is on its way to the catalog, which it then reaches."""
        self.proxy.hold("/sales")
        await self.proxy.held()
        await during()
        self.proxy.release()

    async def answer_is_lost(self, during: Callable[[], Awaitable[None]]) -> None:
        """Run ``during`` when the catalog has answered a sale and nobody will hear it."""
        self.wire.weather, harmed = Weather(no_way_back=True), self.wire.harmed
        await until(lambda: self.wire.harmed > harmed)
        await during()
        self.wire.weather = CALM


@pytest.fixture
async def crashing(tmp_path: Path) -> AsyncIterator[Crashing]:
    """Three servers that a test kills and starts again."""
    async with contextlib.AsyncExitStack() as stack:
        served = stack.enter_context(served_shop(tmp_path / "shop"))
        catalog = await asyncio.to_thread(served.start, "catalog", sample="false")
        proxy = await stack.enter_async_context(HoldingProxy(catalog.url))
        wire = await stack.enter_async_context(Wire(proxy.url, random.Random(1)))
        order = await asyncio.to_thread(served.start, "order", "--catalog-url", wire.url)
        urls = ("--catalog-url", catalog.url, "--order-url", order.url)
        frontend = await asyncio.to_thread(served.start, "frontend", *urls)
        customer = await stack.enter_async_context(customers(frontend.url))
        yield Crashing(served, proxy, wire, customer)


SALES = {
    "order, after pending, before its sale arrives": ("sale_is_held", "order"),
    "catalog, before it has the sale": ("sale_is_held", "catalog"),
    "catalog, after its commit, its answer lost": ("answer_is_lost", "catalog"),
    "order, before its second commit": ("answer_is_lost", "order"),
    "frontend, while the sale is on its way": ("sale_is_held", "frontend"),
}


@pytest.mark.parametrize("point", SALES)
async def test_a_purchase_survives(crashing: Crashing, point: str, tmp_path: Path) -> None:
    """Whoever dies there, the customer who repeats the key has bought once, and only once."""
    moment, victim = SALES[point]
    book_id = await asyncio.to_thread(crashing.served.shop.add_book, STOCK)
    for number in range(ROUNDS):
        wanted = [Wanted(book_id) for _ in range(4)]
        buying = [asyncio.create_task(crashing.customer.insist(each)) for each in wanted]
        at = getattr(crashing, moment)
        await at(lambda: crashing.restart(victim))
        stories = await asyncio.gather(*buying)
        assert all(story.bought for story in stories), stories
        left = await asyncio.to_thread(stock_of, crashing.served.shop, book_id)
        assert left == STOCK - 4 * (number + 1)
    await _nothing_is_wrong(crashing, tmp_path)
    note(f"kill -9: {point}", faults=ROUNDS, purchases=4 * ROUNDS)


CANCELS = {
    "order, before the return arrives": "order",
    "catalog, before it has the return": "catalog",
}


@pytest.mark.parametrize("point", CANCELS)
async def test_a_cancel_survives(crashing: Crashing, point: str, tmp_path: Path) -> None:
    """The copies come back once, whoever dies between the two commits of a cancel."""
    shop = crashing.served.shop
    book_id = await asyncio.to_thread(shop.add_book, STOCK)
    for _ in range(ROUNDS):
        bought = await crashing.customer.insist(Wanted(book_id, 2))
        path = f"/orders/{bought.end.json['id']}/cancel"
        crashing.proxy.hold("/sales")
        cancelling = asyncio.create_task(_cancel(crashing.customer, path))
        await crashing.proxy.held()
        await crashing.restart(CANCELS[point])
        crashing.proxy.release()
        await cancelling
        await asyncio.to_thread(wait_until, lambda: all_orders_are_final(shop), what="the cancel")
        assert await asyncio.to_thread(stock_of, shop, book_id) == STOCK
    await _nothing_is_wrong(crashing, tmp_path)
    note(f"kill -9, cancelling: {point}", faults=ROUNDS, purchases=ROUNDS)


async def _cancel(customer: Customer, path: str) -> None:
    while (await customer.request("POST", path)).status != 200:  # noqa: ASYNC110  # asked as a customer would
        await asyncio.sleep(0.05)


async def _nothing_is_wrong(crashing: Crashing, folder: Path) -> None:
    shop = crashing.served.shop
    await asyncio.to_thread(wait_until, lambda: all_orders_are_final(shop), what="the end of all")
    await asyncio.to_thread(assert_audit_is_clean, shop)
    for name in crashing.served.servers:
        assert_no_traceback((folder / f"{name}.log").read_text(errors="replace"))
