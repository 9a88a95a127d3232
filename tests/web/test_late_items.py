"""Items of a batch whose time is over before their work begins are answered without it."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec
import pytest

from servers.domain.errors import InvalidRequest, Overloaded
from servers.web.items import in_time
from tests.support.services import PATIENCE_S, SERVICE_TOKEN, open_servers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tests.support.services import Web

LATE_MS = 20


class Item(msgspec.Struct):
    """An item that says how much time is left."""

    deadline_ms: int


@pytest.mark.parametrize(
    ("deadline_ms", "age_s", "late"),
    [
        (0, 100.0, False),
        (1, 0.0, False),
        (1, 0.0009, False),
        (1, 0.001, True),
        (100, 0.0999, False),
        (100, 0.5, True),
        (60_000, 0.5, False),
    ],
)
def test_which_items_are_late(deadline_ms: int, age_s: float, late: bool) -> None:
    """An item is late once the call is as old as the time it had left; 0 is without limit."""
    bad = InvalidRequest("This item is not well formed.")
    item = Item(deadline_ms)
    (first, second) = in_time([item, bad], age_s)
    assert second is bad
    if late:
        assert isinstance(first, Overloaded)
    else:
        assert first is item


async def late_call(
    web: Web, server: str, path: str, items: Sequence[Mapping[str, object]]
) -> list[int]:
    """Send a batch whose body comes later than its head; return the status of each item."""
    url = urlsplit(web.urls[server])
    body = json.dumps(items).encode()
    async with asyncio.timeout(PATIENCE_S):
        reader, writer = await asyncio.open_connection(url.hostname, url.port)
        head = f"POST {path} HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\n"
        head += f"Authorization: Bearer {SERVICE_TOKEN}\r\nContent-Length: {len(body)}\r\n"
        writer.write((head + "Expect: 100-continue\r\n\r\n").encode())
        await reader.readuntil(b"\r\n\r\n")
        # Time itself is what has to pass here; the head has arrived, so it runs.
        await asyncio.sleep(LATE_MS / 1000)
        writer.write(body)
        answer = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(answer.split("content-length: ")[1].split("\r\n")[0])
        said = json.loads(await reader.readexactly(length))
        writer.close()
    return [each["status"] for each in said]


async def test_late_items_on_running_servers(tmp_path: Path) -> None:
    """The late are 503 and leave nothing, an order row least of all; the others are answered."""
    async with open_servers(tmp_path) as web:
        book_id = await web.add_book()
        times = (LATE_MS // 2, 0, 60_000)
        looks = [{"book_id": book_id, "deadline_ms": each} for each in times]
        assert await late_call(web, "catalog", "/books/batch", looks) == [503, 200, 200]
        pages = [{"topic": "tests", "limit": 5, "deadline_ms": each} for each in times]
        assert await late_call(web, "catalog", "/search/batch", pages) == [503, 200, 200]
        orders = [
            {"order_id": f"{number:032x}", "book_id": book_id, "quantity": 1, "deadline_ms": each}
            for number, each in enumerate(times)
        ]
        statuses = await late_call(web, "order", "/orders/batch", orders)
        assert statuses[0] == 503
        assert set(statuses[1:]) <= {201, 202}
        assert (await web.ask("GET", f"/orders/{0:032x}")).status == 404
        assert (await web.ask("GET", f"/orders/{1:032x}")).status == 200
