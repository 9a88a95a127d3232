"""Two frontends and two order servers before one catalog: one key still buys once."""

from __future__ import annotations

import asyncio
import contextlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from servers.domain.sale import order_id_of_key
from tests.support.books import ledger_of, stock_of
from tests.support.customers import Customer, Wanted, customers
from tests.support.serving import start_server
from tests.support.shop import PATIENCE_S, Shop
from tests.support.tally import note

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

ROLES = ("admin", "service")
ROUNDS = int(os.environ.get("RACE_ROUNDS", "50"))


@dataclass
class TwoOfEach:
    """One catalog; two order servers, each with a database of its own; a frontend for each."""

    shop: Shop
    doors: list[Customer]


@pytest.fixture
async def two(tmp_path: Path) -> AsyncIterator[TwoOfEach]:
    """Five servers that share their tokens."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(name: str, data: Path, *options: str) -> str:
            # The second order server and frontend let in whoever knows the shop's tokens.
            files = {f"{role}_token_file": str(tmp_path / "a" / f"{role}.token") for role in ROLES}
            settings = {"sample": "false", **(files if data.name == "b" else {})}
            server = await asyncio.to_thread(start_server, name, data, *options, **settings)
            stack.callback(server.process.wait, PATIENCE_S)
            stack.callback(server.process.terminate)
            return server.url

        catalog = await start("catalog", tmp_path / "a")
        doors: list[Customer] = []
        urls = {"catalog": catalog}
        for name in ("a", "b"):
            folder = tmp_path / name
            order = await start("order", folder, "--catalog-url", catalog)
            where = ("--catalog-url", catalog, "--order-url", order)
            frontend = await start("frontend", folder, *where)
            urls |= {} if doors else {"order": order, "frontend": frontend}
            doors.append(await stack.enter_async_context(customers(frontend)))
        yield TwoOfEach(Shop(tmp_path / "a", None, urls), doors)


async def test_one_key_through_two_frontends(two: TwoOfEach) -> None:
    """Fifty times four requests at once through each, one key: one sale, and all are told of it."""
    book_id = await asyncio.to_thread(two.shop.add_book, 10 * ROUNDS)
    for number in range(ROUNDS):
        wanted = Wanted(book_id, quantity=2)
        stories = await asyncio.gather(
            *[door.insist(wanted) for door in two.doors for _ in range(4)]
        )
        assert len({story.end.body for story in stories}) == 1
        assert stories[0].end.json["id"] == order_id_of_key(wanted.key)
        left = await asyncio.to_thread(stock_of, two.shop, book_id)
        assert left == 10 * ROUNDS - 2 * (number + 1)
    entries = await asyncio.to_thread(ledger_of, two.shop, book_id)
    assert [entry["kind"] for entry in entries] == ["added", *(["sold"] * ROUNDS)]
    note("race: one key through two frontends", faults=ROUNDS, purchases=8 * ROUNDS)


async def test_the_last_copy_through_two_frontends(two: TwoOfEach) -> None:
    """Two order servers that know nothing of each other sell one copy once."""
    for _ in range(ROUNDS):
        book_id = await asyncio.to_thread(two.shop.add_book, 1)
        answers = await asyncio.gather(
            *[door.insist(Wanted(book_id)) for door in two.doors for _ in range(8)]
        )
        assert sorted(story.end.status for story in answers) == [201] + 15 * [409]
    note("race: the last copy through two order servers", faults=ROUNDS, purchases=16 * ROUNDS)
