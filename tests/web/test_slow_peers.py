"""Peers that send slowly, send nothing, never end, or do not take their answers."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests.support.services import make_app, wait_until
from tests.web.conftest import line_to, served

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from servers.web.serving import ShopServer
    from tests.support.services import Web
    from tests.web.conftest import Echo, Log

GET = b"GET /show HTTP/1.1\r\nHost: shop\r\n\r\n"
POST = b"POST /body HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\n"
SHORT_S = 0.1


@pytest.fixture
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give peers less time than they get in a shop, so that a test can wait for its end."""
    for name in ("room.HEAD_S", "room._LOOK_AGAIN_S", "body.BODY_S", "inbound.STALL_S"):
        monkeypatch.setattr(f"servers.web.{name}", SHORT_S)


@pytest.mark.usefixtures("_hurried")
@pytest.mark.parametrize("sent", [b"G", b"GET /show HTTP/1.1\r\nHost: shop\r\nX-Slow:", GET[:-1]])
async def test_a_head_that_does_not_end(web: Web, log: Log, sent: bytes) -> None:
    """A part of a head is answered 408 when its time is over, and the connection closed."""
    async with line_to(web) as line:
        line.send(sent)
        said = await line.answer()
        assert (said.status, said.code) == (408, "request_timeout")
        assert said.headers["Connection"] == "close"
        assert await line.closed() == b""
    await wait_until(log.lines, "the line is written")
    assert log.lines()[0]["status"] == 408


@pytest.mark.usefixtures("_hurried")
async def test_a_head_that_comes_in_drops(web: Web) -> None:
    """Each byte does not buy more time: the head as a whole has to come."""
    async with line_to(web) as line:
        waits = asyncio.ensure_future(line.answer())
        for byte in b"GET /show HTTP/1.1\r\nX-Drops: " + b"x" * 1000:
            line.send(bytes([byte]))
            await asyncio.wait([waits], timeout=SHORT_S / 20)
            if waits.done():
                break
        assert (await waits).status == 408


@pytest.mark.usefixtures("_hurried")
async def test_nothing_at_all(web: Web, log: Log) -> None:
    """Who connects and says nothing is disconnected without an answer to nothing."""
    async with line_to(web) as line:
        assert await line.closed() == b""
    assert log.lines() == []


@pytest.mark.usefixtures("_hurried")
async def test_a_second_head_that_does_not_end(web: Web) -> None:
    """Between requests a connection may be idle; what is begun then has to come in time."""
    async with line_to(web) as line:
        line.send(GET)
        assert (await line.answer()).status == 200
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(line.reader.read(1), SHORT_S * 4)
        line.send(b"\r\nGET /sh")
        said = await line.answer()
        assert (said.status, said.code) == (408, "request_timeout")


@pytest.mark.usefixtures("_hurried")
async def test_a_blank_line_between_requests(web: Web) -> None:
    """A blank line behind a body, which some clients send, begins nothing."""
    async with line_to(web) as line:
        line.send(GET + b"\r\n")
        assert (await line.answer()).status == 200
        line.send(b"\r\n")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(line.reader.read(1), SHORT_S * 4)
        line.send(GET)
        assert (await line.answer()).status == 200


async def test_a_head_without_end(web: Web) -> None:
    """A head that grows and grows is refused long before it ends."""
    async with line_to(web) as line:
        line.send(b"GET /show HTTP/1.1\r\nHost: shop\r\n")
        for number in range(60):
            line.send(b"X-%d: %s\r\n" % (number, b"x" * 1000))
        said = await line.answer()
        assert (said.status, said.code) == (431, "head_too_large")


@pytest.mark.usefixtures("_hurried")
@pytest.mark.parametrize(
    "begun",
    [
        b"Content-Length: 11\r\n\r\n",
        b"Content-Length: 11\r\n\r\n{",
        b"Transfer-Encoding: chunked\r\n\r\nb\r\n{",
    ],
)
async def test_a_body_that_does_not_come(web: Web, echo: Echo, begun: bytes) -> None:
    """A body that does not come in time is 408, is not worked on, and closes the connection."""
    async with line_to(web) as line:
        line.send(POST + begun)
        said = await line.answer()
        assert (said.status, said.code) == (408, "request_timeout")
        assert said.headers["Connection"] == "close"
        assert await line.closed() == b""
    assert echo.handled == 0


async def test_idle_connections_end(monkeypatch: pytest.MonkeyPatch, echo: Echo) -> None:
    """A connection that was used and is idle for long enough is closed."""
    monkeypatch.setattr("servers.web.serving.IDLE_CONNECTION_S", SHORT_S)
    async with (
        served(make_app(echo.routes())) as (web, server),
        line_to(web) as line,
        line_to(web) as other,
    ):
        for each in (line, other):
            each.send(GET)
            assert (await each.answer()).status == 200
        assert await line.closed() == b""
        assert await other.closed() == b""
        await wait_until(lambda: not server.connections, "they are forgotten")


@pytest.fixture
async def greedy(echo: Echo) -> AsyncIterator[tuple[Web, ShopServer]]:
    """A server, and a client of it."""
    async with served(make_app(echo.routes())) as both:
        yield both


@pytest.mark.usefixtures("_hurried")
async def test_answers_that_are_not_taken(greedy: tuple[Web, ShopServer]) -> None:
    """Who asks for much and takes none of it is disconnected; the server keeps no more of it."""
    web, server = greedy
    url = urlsplit(web.urls["frontend"])
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(client, (url.hostname, url.port))
        body = b'{"count":2}' + b" " * 100
        head = b"POST /raw HTTP/1.1\r\nHost: s\r\nContent-Type: application/json\r\n"
        request = head + b"Content-Length: %d\r\n\r\n" % len(body[:100]) + body[:100]
        sending = asyncio.ensure_future(loop.sock_sendall(client, request * 50_000))
        await wait_until(lambda: server.connections, "it is connected")
        await wait_until(lambda: not server.connections, "it is disconnected")
        with contextlib.suppress(ConnectionError):
            await sending
    assert (await web.ask("GET", "/show")).status == 200
