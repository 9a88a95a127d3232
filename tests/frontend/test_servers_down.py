"""With a server down the others say so at once, and nothing is half done."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.support.services import PATIENCE_S, open_servers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.support.services import Web
    from tests.support.shop import Reply

KEY = {"Idempotency-Key": "a-key-of-a-customer"}


@pytest.fixture
async def web(tmp_path: Path) -> AsyncIterator[Web]:
    """A shop whose customers wait half a second and no longer."""
    async with open_servers(tmp_path, frontend_deadline_s=0.5, order_deadline_s=0.4) as client:
        yield client


async def until_noticed(web: Web, server: str, by: str) -> Reply:
    """Ask a server whether it is ready until it misses the one that is down."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            said = await web.ask("GET", "/readyz", server=by)
            if said.status == 503 and server in said.json["not_ready"]:
                return said


async def test_the_order_server_is_down(web: Web) -> None:
    """Without the order server nothing is bought and that is certain; books are still shown."""
    book_id = await web.add_book()
    await web.shut("order")
    for _ in range(2):
        said = await web.ask("POST", f"/purchase/{book_id}", headers=KEY)
        assert (said.status, said.code, said.headers["Retry-After"]) == (503, "unavailable", "1")
        noticed = await until_noticed(web, "order", by="frontend")
        assert noticed.json["not_ready"].keys() == {"order"}
    assert (await web.ask("GET", f"/info/{book_id}")).json["stock"] == 10
    assert (await web.staff("GET", "/orders")).status == 503
    assert (await web.ask("GET", "/livez")).status == 200


async def test_the_catalog_is_down(web: Web) -> None:
    """Without the catalog nothing is shown or bought; what was bought is still answered."""
    book_id = await web.add_book()
    bought = await web.ask("POST", f"/purchase/{book_id}", headers=KEY)
    await web.shut("catalog")
    await until_noticed(web, "catalog", by="order")
    await until_noticed(web, "catalog", by="frontend")
    for path in (f"/info/{book_id}", "/search/tests", "/topics"):
        assert (await web.ask("GET", path)).code == "unavailable"
    said = await web.ask("POST", f"/purchase/{book_id}")
    assert (said.status, said.code) == (503, "unavailable")
    assert "catalog" in said.json["detail"]
    again = await web.ask("POST", f"/purchase/{book_id}", headers=KEY)
    assert (again.status, again.body) == (200, bought.body)
    assert (await web.ask("GET", bought.headers["Location"])).json["state"] == "confirmed"
    cancelling = await web.ask("POST", f"{bought.headers['Location']}/cancel")
    assert (cancelling.status, cancelling.json["state"]) == (202, "cancelling")


async def test_the_catalog_goes_down_under_a_purchase(web: Web) -> None:
    """A purchase that was taken on when the catalog went is pending, or provably never begun."""
    book_id = await web.add_book()
    await web.shut("catalog")
    said = await web.ask("POST", f"/purchase/{book_id}", headers=KEY)
    orders = await web.ask("GET", "/orders", server="order", token="a" * 64)
    if said.status == 202:
        assert (said.json["state"], said.headers["Retry-After"]) == ("pending", "1")
        assert [order["id"] for order in orders.json] == [said.json["id"]]
    else:
        assert (said.status, orders.json) == (503, [])
