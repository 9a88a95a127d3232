"""Clients that end their side of the connection once they have asked, as `nc -N` does."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

import pytest

from tests.web.conftest import line_to

if TYPE_CHECKING:
    from tests.support.services import Web
    from tests.web.conftest import Echo, Log

GET = b"GET /show HTTP/1.1\r\nHost: shop\r\n\r\n"
WAIT = b"GET /wait HTTP/1.1\r\nHost: shop\r\n\r\n"
POST = b"POST /body HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\n"
LONG = POST + b"Content-Length: 9\r\n\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"


async def said_to(web: Web, sent: bytes, pause_s: float) -> list[int]:
    """Send this and no more, after a pause; return the statuses that come until the end."""
    async with line_to(web) as line:
        line.send(sent)
        await asyncio.sleep(pause_s)
        line.writer.write_eof()
        whole = await line.closed()
    return [int(status) for status in re.findall(rb"HTTP/1\.[01] ([0-9]{3}) ", whole)]


@pytest.mark.parametrize("pause_s", [0, 0.02])
@pytest.mark.parametrize(
    ("sent", "statuses"),
    [
        (b"", []),
        (GET, [200]),
        (POST + b'Content-Length: 11\r\n\r\n{"count":1}', [200]),
        (b"GET /sh", [400]),
        (LONG + b'{"cou', [400]),
        (CHUNKED + b'5\r\n{"cou', [400]),
        (POST + b"Content-Length: 99999999\r\n\r\n{", [413]),
    ],
    ids=[
        "nothing",
        "a look",
        "a change",
        "part of a head",
        "part of a body",
        "part of chunks",
        "too much",
    ],
)
async def test_what_came_is_answered(
    web: Web, log: Log, sent: bytes, statuses: list[int], pause_s: float
) -> None:
    """Each request has its answer, what broke off 400, and then the connection is closed."""
    assert await said_to(web, sent, pause_s) == statuses
    assert b"Traceback" not in log.data


async def test_all_that_were_sent_ahead_are_answered(web: Web) -> None:
    """Of requests sent in one go each has its answer."""
    assert await said_to(web, GET * 40, 0) == [200] * 40


async def test_one_that_is_under_way_is_answered(web: Web, echo: Echo) -> None:
    """The end of what a client sends is no reason to forget it."""
    waits = asyncio.ensure_future(said_to(web, WAIT, 0.02))
    await asyncio.sleep(0.1)
    echo.release.set()
    assert await waits == [200]
