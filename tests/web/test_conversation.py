"""Several requests over one connection: each answered in turn, whatever it wished for besides."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.support.customers import until
from tests.web.conftest import line_to, statuses

if TYPE_CHECKING:
    from tests.support.services import Web
    from tests.web.conftest import Echo, Log

GET = b"GET /show HTTP/1.1\r\nHost: shop\r\n"
POST = b"POST /body HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\n"
LAST = GET + b"Connection: close\r\n\r\n"
H2C = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"


@pytest.mark.parametrize(
    "wish",
    [
        GET + H2C + b"\r\n",
        GET + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        POST + H2C + b'Content-Length: 11\r\n\r\n{"count":1}',
    ],
    ids=["HTTP/2", "a web socket", "HTTP/2 with a body"],
)
@pytest.mark.parametrize("behind", [b"", GET + b"\r\n", b"PRI * HTTP/2.0\r\n\r\n"])
async def test_another_protocol_is_not_changed_to(
    web: Web, echo: Echo, wish: bytes, behind: bytes
) -> None:
    """A wish for another protocol is overlooked; the end is announced, so nothing is awaited."""
    async with line_to(web) as line:
        line.send(wish + behind)
        said = await line.answer()
        assert (said.status, said.headers["Connection"]) == (200, "close")
        assert await line.closed() == b""
    assert echo.handled == 1


async def test_whoever_sends_ahead_waits_for_the_others(web: Web, echo: Echo) -> None:
    """Of requests that came in one go one is answered in a turn of the loop."""
    most = 0
    async with line_to(web) as line:
        line.send((GET + b"\r\n") * 31 + LAST)
        async with asyncio.timeout(5):
            while echo.handled < 32:
                before = echo.handled
                await asyncio.sleep(0)
                most = max(most, echo.handled - before)
        await line.closed()
    assert most == 1


async def test_a_body_that_goes_wrong_later(web: Web, log: Log) -> None:
    """What is no chunk, long after the head, is one refusal at once; what follows is nothing."""
    head = POST + b"Transfer-Encoding: chunked\r\n\r\n"
    async with asyncio.timeout(4):
        assert await statuses(web, head, b"2\r\n{", b"zz\r\n", b"zz\r\n") == [400]
    await until(lambda: bool(log.lines()))
    assert [each["status"] for each in log.lines()] == [400]


async def test_many_behind_a_body_that_came_late(web: Web, echo: Echo) -> None:
    """Of requests sent ahead behind such a body each has its answer."""
    head = POST + b"Content-Length: 2\r\n\r\n"
    behind = (GET + b"\r\n") * 40 + LAST
    assert await statuses(web, head, b"{}", behind) == [200] * 42
    assert echo.handled == 42


async def test_a_length_of_many_digits(web: Web) -> None:
    """Zeros before a length change nothing."""
    head = POST + b"Connection: close\r\nContent-Length: " + b"0" * 5000 + b"2\r\n\r\n{}"
    assert await statuses(web, head) == [200]


async def test_whoever_only_looks_in_is_let_go(web: Web) -> None:
    """A connection that is closed before it asks anything is not waited for."""
    async with asyncio.timeout(3), line_to(web) as line:
        line.writer.write_eof()
        assert await line.reader.read() == b""


async def test_an_old_client_may_stay(web: Web) -> None:
    """HTTP/1.0 keeps a connection where it asks for that, and only there; the version is ours."""
    old = b"GET /show HTTP/1.0\r\nHost: shop\r\n"
    kept = old + b"Connection: keep-alive\r\n\r\n"
    assert await statuses(web, kept, kept, old + b"\r\n") == [200] * 3


@pytest.mark.parametrize("part", [b"", b'{"co'], ids=["before it", "within it"])
async def test_a_client_gone_in_its_body(web: Web, log: Log, part: bytes) -> None:
    """Nobody is there to be answered; that is no bug, and the server goes on."""
    async with line_to(web) as line:
        line.send(POST + b"Content-Length: 11\r\n\r\n" + part)
        await asyncio.sleep(0.02)
        line.reset()
    await until(lambda: bool(log.lines()))
    assert [each["status"] for each in log.lines()] == [400]
    assert (await web.ask("GET", "/show")).status == 200
