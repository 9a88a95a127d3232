"""What is no HTTP: the parser's refusals are problem objects as well."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from aiohttp import web_protocol

from servers.web import room
from tests.support.services import PATIENCE_S
from tests.web.conftest import line_to, statuses

if TYPE_CHECKING:
    from tests.support.services import Web
    from tests.web.conftest import Echo, Line


async def send(web: Web, data: bytes) -> tuple[int, dict[str, str], Any]:
    """Send bytes on a connection of their own; return the one answer and see it closed."""
    url = urlsplit(web.urls["frontend"])
    async with asyncio.timeout(PATIENCE_S):
        reader, writer = await asyncio.open_connection(url.hostname, url.port)
        try:
            writer.write(data)
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            status_line, *lines = head.strip().split("\r\n")
            headers = dict(line.lower().split(": ", 1) for line in lines)
            body = await reader.readexactly(int(headers["content-length"]))
            if headers.get("connection") == "close":
                assert await reader.read() == b""
        finally:
            writer.close()
    return int(status_line.split()[1]), headers, json.loads(body)


def request(*lines: bytes, body: bytes = b"") -> bytes:
    """Return a request of these lines."""
    return b"\r\n".join([*lines, b"", body])


LONG = b"x" * 9000


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (request(b"GET /show HTTP/9.9", b"Host: shop"), "invalid_request"),
        (request(b"GET /show", b"Host: shop"), "http_version"),
        (request(b"G\x00T /show HTTP/1.1", b"Host: shop"), "invalid_request"),
        (request(b"GET /show HTTP/1.1", b"No colon"), "invalid_request"),
        (request(b"GET /show HTTP/1.1", b"Host : shop"), "invalid_request"),
        (request(b"GET /show HTTP/1.1", b"Host: shop", b" folded"), "invalid_request"),
        (request(b"GET /show HTTP/1.1", b"Host: shop", b"X: a\x00b"), "invalid_request"),
        (request(b"POST /body HTTP/1.1", b"Host: s", b"Content-Length: x"), "invalid_request"),
        (request(b"POST /body HTTP/1.1", b"Host: s", b"Content-Length: -1"), "invalid_request"),
        (
            request(
                b"POST /body HTTP/1.1",
                b"Host: s",
                b"Content-Length: 2",
                b"Transfer-Encoding: chunked",
                body=b"2\r\n{}\r\n0\r\n\r\n",
            ),
            "invalid_request",
        ),
        (request(b"GET /" + LONG + b" HTTP/1.1", b"Host: shop"), "uri_too_long"),
        (request(b"GET /show HTTP/1.1", b"Host: shop", b"X: " + LONG), "head_too_large"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 hello\r\n\r\n", "invalid_request"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "invalid_request"),
    ],
    ids=lambda value: repr(value)[:40],
)
async def test_no_http(web: Web, echo: Echo, data: bytes, code: str) -> None:
    """What is no well-formed request gets one problem object, and the connection is closed."""
    status, headers, problem = await send(web, data)
    assert headers["content-type"] == "application/problem+json"
    assert headers["connection"] == "close"
    assert (problem["code"], problem["status"]) == (code, status)
    assert "x-request-id" in headers
    assert echo.handled == 0


async def test_a_second_request_that_is_none(web: Web) -> None:
    """After a good request on the same connection a bad one is refused in its turn."""
    url = urlsplit(web.urls["frontend"])
    async with asyncio.timeout(PATIENCE_S):
        reader, writer = await asyncio.open_connection(url.hostname, url.port)
        writer.write(request(b"GET /show HTTP/1.1", b"Host: shop"))
        first = await reader.readuntil(b"}")
        writer.write(b"nonsense\r\n\r\n")
        rest = await reader.read()
        writer.close()
    assert first.startswith(b"HTTP/1.1 200 ")
    assert b" 400 " in rest.partition(b"\r\n")[0]
    assert b'"code":"invalid_request"' in rest


GET = request(b"GET /show HTTP/1.1", b"Host: s")
LAST = request(b"GET /show HTTP/1.1", b"Host: s", b"Connection: close")
POST = (b"POST /body HTTP/1.1", b"Host: s", b"Content-Type: application/json")
LONG_BODY = request(*POST, b"Content-Length: 11", body=b'{"count":1}')
CHUNKS = request(*POST, b"Transfer-Encoding: chunked", body=b"2\r\n{}\r\n0\r\n\r\n")
WRONG_CHUNKS = request(*POST, b"Transfer-Encoding: chunked", body=b"2\r\n{}xx\r\n0\r\n\r\n")


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (GET + GET + b"nonsense\r\n\r\n", [200, 200, 400]),
        (GET + b"nonsense", [200, 400]),
        (LONG_BODY + b"nonsense\r\n\r\n", [200, 400]),
        (LONG_BODY + GET + CHUNKS + b"\r\n\r\nnonsense\r\n\r\n" + GET, [200, 200, 200, 400]),
        (GET + WRONG_CHUNKS + GET, [200, 400]),
        (GET + b"GET /" + LONG + b" HTTP/1.1\r\n\r\n", [200, 414]),
        (GET + request(b"GET /show HTTP/1.1", b"Host: s", b"X: " + LONG), [200, 431]),
        (GET * 100 + b"nonsense\r\n\r\n" + GET, [200] * 100 + [400]),
        (LAST + GET, [200]),
        (LAST + b"nonsense\r\n\r\n", [200]),
    ],
    ids=[
        *("looks", "no end of line", "a body", "bodies", "wrong chunks", "a long line"),
        *("a long header", "very many", "behind the last", "nonsense behind the last"),
    ],
)
async def test_good_requests_before_one_that_is_none(
    web: Web, sent: bytes, expected: list[int]
) -> None:
    """Of what comes in one go each good request is answered, then what is none; then the end."""
    assert await statuses(web, sent) == expected


async def test_good_requests_before_one_that_is_none_are_carried_out(web: Web, echo: Echo) -> None:
    """They reach their handlers, once each, and nothing behind the mistake does."""
    assert await statuses(web, LONG_BODY + GET + b"nonsense\r\n\r\n" + GET) == [200, 200, 400]
    assert echo.handled == 2


async def test_a_body_full_of_what_looks_like_ends(web: Web) -> None:
    """It is not cut into thousands of parts, and what is behind it is answered all the same."""
    body = b"\r\n\r\n{}" + b"\n\r\n\r\n \r\n\r\n" * 5000
    head = request(*POST, b"Content-Length: %d" % len(body))
    parts: list[bytes] = []
    received = web_protocol.RequestHandler.data_received

    def parsed(connection: web_protocol.RequestHandler, data: bytes) -> None:
        parts.append(data)
        received(connection, data)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(web_protocol.RequestHandler, "data_received", parsed)
        assert await statuses(web, head + body + GET + LAST) == [200, 200, 200]
    assert len(parts) < 100


async def test_wherever_it_is_cut(web: Web) -> None:
    """What is answered does not depend on which bytes came together."""
    whole = GET + LONG_BODY + b"\r\n" + CHUNKS + b"nonsense\r\n\r\n"
    expected = [200, 200, 200, 400]
    for cut in range(1, len(whole)):
        assert await statuses(web, whole[:cut], whole[cut:], pause_s=0.001) == expected, cut
    assert await statuses(web, *[bytes([each]) for each in whole], pause_s=0.001) == expected


CHUNKED = request(
    *(b"POST /body HTTP/1.1", b"Host: s", b"Content-Type: application/json"),
    b"Transfer-Encoding: chunked",
)


@pytest.mark.parametrize(
    "begun",
    [
        b"nonsense\r\n\r\n",
        b"GET /" + LONG + b" HTTP/1.1\r\n\r\n",
        CHUNKED + b"zz\r\n",
        request(b"POST /nothing HTTP/1.1", b"Host: s", b"Content-Length: 9"),
        request(b"GET /show HTTP/1.1", b"Host: no host"),
    ],
    ids=["no request", "a long line", "no chunk", "a body for nothing", "no host"],
)
async def test_whoever_still_sends_has_the_answer(web: Web, begun: bytes) -> None:
    """What is sent behind it is read and dropped: unread, it would break the connection."""
    async with line_to(web) as line:
        line.send(begun)
        assert (await line.answer()).status >= 400
        await line.sends_on()


async def send_for_ever(line: Line) -> None:
    """Send until the connection breaks."""
    while True:
        line.send(b"x" * 1000)
        await line.writer.drain()
        await asyncio.sleep(0.001)


async def test_whoever_sends_for_ever(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a refusal nobody is listened to for long."""
    monkeypatch.setattr(room, "HANG_UP_S", 0.05)
    async with asyncio.timeout(PATIENCE_S), line_to(web) as line:
        line.send(b"nonsense\r\n\r\n")
        assert (await line.answer()).status == 400
        with pytest.raises(ConnectionError):
            await send_for_ever(line)


async def test_no_room_for_those_who_go(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """When too many are going already, the rest is closed with the answer."""
    monkeypatch.setattr(room, "MAX_GOING", 0)
    async with line_to(web) as line:
        line.send(b"nonsense\r\n\r\n")
        assert (await line.answer()).status == 400
        assert await line.closed() == b""


@pytest.mark.parametrize("body", [b"zz\r\n", b"2\r\n{}xx\r\n0\r\n\r\n"])
async def test_a_body_that_is_not_chunked_right(web: Web, echo: Echo, body: bytes) -> None:
    """A body whose pieces are malformed is refused and never reaches the handler."""
    lines = [
        *(b"POST /body HTTP/1.1", b"Host: s", b"Content-Type: application/json"),
        b"Transfer-Encoding: chunked",
    ]
    status, _, problem = await send(web, request(*lines, body=body))
    assert (status, problem["code"]) == (400, "invalid_request")
    assert echo.handled == 0


async def test_continue(web: Web) -> None:
    """Who asks before sending a body is told to go on, or refused without reading it."""
    head = (b"POST /body HTTP/1.1", b"Host: s", b"Content-Type: application/json")
    url = urlsplit(web.urls["frontend"])
    async with asyncio.timeout(PATIENCE_S):
        reader, writer = await asyncio.open_connection(url.hostname, url.port)
        writer.write(request(*head, b"Content-Length: 2", b"Expect: 100-continue"))
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"{}")
        assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")
        writer.close()
    length = b"Content-Length: 70000"
    status, _, problem = await send(web, request(*head, length, b"Expect: 100-continue"))
    assert (status, problem["code"]) == (413, "body_too_large")


@pytest.mark.parametrize(
    ("target", "host", "expected"),
    [
        (b"http://shop/show", b"shop", 200),
        (b"http://SHOP:80/show", b"shop", 200),
        (b"http://shop/show", b"shop:80", 200),
        (b"https://shop:443/show", b"shop", 200),
        (b"http://[::80]:80/show", b"[::80]", 200),
        (b"http://shop", b"shop", 404),
        (b"http://shop:443/show", b"shop", 400),
        (b"http://shop:8000/show", b"shop", 400),
        (b"http://shop/show", b"shop.example", 400),
        (b"ftp://shop/show", b"shop", 400),
    ],
)
async def test_absolute_form(web: Web, target: bytes, host: bytes, expected: int) -> None:
    """A target may name this server, its ordinary port said or not; it may name no other."""
    status, _, _ = await send(web, request(b"GET " + target + b" HTTP/1.1", b"Host: " + host))
    assert status == expected


async def test_http_1_0(web: Web) -> None:
    """A client of HTTP/1.0 is answered and the connection closed."""
    status, headers, body = await send(web, b"GET /show HTTP/1.0\r\n\r\n")
    assert (status, body["role"]) == (200, "PUBLIC")
    assert headers.get("connection", "close") == "close"
