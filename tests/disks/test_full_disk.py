"""A full disk under one server: purchases are refused or wait, reads go on, room heals it."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest

from servers.upkeep.audit import audit
from servers.upkeep.backoffice import open_stopped
from tests.storage.faulty_disk import FaultyDisk, FaultyVFS
from tests.support.services import PATIENCE_S, open_servers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from tests.support.services import Web
    from tests.support.shop import Reply


@pytest.fixture
def disk() -> Iterator[FaultyDisk]:
    """A disk with room until it is told otherwise."""
    disk = FaultyDisk()
    vfs = FaultyVFS(disk)
    yield disk
    vfs.unregister()


@contextlib.asynccontextmanager
async def shop_on(folder: Path, disk: FaultyDisk, server: str) -> AsyncIterator[Web]:
    """Open a shop of which one server is on this disk; at the end all must agree."""
    async with open_servers(folder, {server: disk.name}, frontend_deadline_s=1) as web:
        try:
            yield web
        finally:
            disk.full = False
    async with open_stopped(folder, to_change=False) as shop:
        found = await audit(shop)
        assert found.violations == []
        assert found.unfinished == 0


async def buy(web: Web, book_id: int, key: str) -> Reply:
    """Purchase a copy under a key."""
    headers = {"Idempotency-Key": f"a key of a test: {key}"}
    return await web.ask("POST", f"/purchase/{book_id}", None, headers)


async def until(web: Web, server: str, status: int) -> None:
    """Wait until a server says that it is ready, or that it is not."""
    async with asyncio.timeout(PATIENCE_S):
        while (await web.ask("GET", "/readyz", server=server)).status != status:  # noqa: ASYNC110  # the fact lies in a server
            await asyncio.sleep(0.02)


async def until_bought(web: Web, book_id: int, key: str) -> Reply:
    """Ask with one key until there is a final answer."""
    async with asyncio.timeout(PATIENCE_S):
        while (said := await buy(web, book_id, key)).status in {202, 503, 504}:  # noqa: ASYNC110  # likewise
            await asyncio.sleep(0.02)
    return said


async def stock(web: Web, book_id: int) -> int:
    """Look at a book."""
    said = await web.ask("GET", f"/info/{book_id}")
    assert said.status == 200, said
    return int(said.json["stock"])


async def test_full_at_the_order_server(tmp_path: Path, disk: FaultyDisk) -> None:
    """Purchases are 503 and leave no order; orders and books can be read; with room they sell."""
    async with shop_on(tmp_path, disk, "order") as web:
        book_id = await web.add_book(stock=5)
        before = await buy(web, book_id, "before")
        assert before.status == 201
        disk.full = True
        for _ in range(2):
            refused = await buy(web, book_id, "while full")
            assert (refused.status, refused.code) == (503, "unavailable")
        assert (await buy(web, book_id, "before")).body == before.body
        assert (await web.ask("GET", f"/orders/{before.json['id']}")).status == 200
        listed = (await web.staff("GET", "/orders")).json
        assert [order["id"] for order in listed] == [before.json["id"]]
        assert await stock(web, book_id) == 4
        await until(web, "order", 503)
        disk.full = False
        await until(web, "order", 200)
        assert (await until_bought(web, book_id, "while full")).status == 201
        assert await stock(web, book_id) == 3


async def test_full_at_the_catalog(tmp_path: Path, disk: FaultyDisk) -> None:
    """What is under way is 202, later ones 503 without an order; with room each is sold once."""
    async with shop_on(tmp_path, disk, "catalog") as web:
        book_id = await web.add_book(stock=5)
        assert (await buy(web, book_id, "before")).status == 201
        disk.full = True
        under_way = await buy(web, book_id, "under way")
        assert (under_way.status, under_way.json["state"]) == (202, "pending")
        await until(web, "order", 503)
        refused = await buy(web, book_id, "too late")
        assert (refused.status, refused.code) == (503, "unavailable")
        assert len((await web.staff("GET", "/orders")).json) == 2
        assert (await buy(web, book_id, "under way")).status == 202
        assert await stock(web, book_id) == 4
        change = {"change": 1, "reason": "delivery"}
        told = await web.staff("POST", f"/books/{book_id}/stock", change, If_Match="*")
        assert (told.status, told.code) == (503, "unavailable")
        disk.full = False
        await until(web, "order", 200)
        bought = await until_bought(web, book_id, "under way")
        assert bought.json["id"] == under_way.json["id"]
        assert (await until_bought(web, book_id, "too late")).status == 201
        assert await stock(web, book_id) == 2
