"""Bodies that are read as they come: their length, their silence, and how they end early."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING

import pytest

from servers.domain.errors import ShopError
from servers.web.answers import Answer, answer
from servers.web.routes import Route, Streamed
from servers.web.serving import serving
from tests.support.services import asking, make_app, wait_until
from tests.web.conftest import line_to, served

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from servers.web.app import App
    from servers.web.call import Call
    from tests.support.services import Web

MOST = 100_000
SHORT_S = 0.1
LINES = "text/x-lines"
POST = f"POST /stream HTTP/1.1\r\nHost: shop\r\nContent-Type: {LINES}\r\n".encode()
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"


class Reader:
    """A handler that reads a stream; what has come of it can be looked at."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.ended: ShopError | None = None

    async def read(self, call: Call) -> Answer:
        """Answer how much there was."""
        try:
            while part := await call.body.read():
                self.parts.append(part)
        except ShopError as error:
            self.ended = error
            raise
        return answer(sum(map(len, self.parts)))


@pytest.fixture
def reader() -> Reader:
    """The handler."""
    return Reader()


@pytest.fixture
async def app(reader: Reader) -> App:
    """An application with one route, whose requests may otherwise take no time at all."""
    form = Streamed(LINES, MOST)
    routes = (Route("POST", "/stream", reader.read, "Read", stream=form),)
    return make_app(routes, budget_s=0.01)


@pytest.fixture
async def web(app: App) -> AsyncIterator[Web]:
    """The application on a socket."""
    async with served(app) as (client, _):
        yield client


@pytest.fixture
def free_socket() -> socket.socket:
    """A socket that is bound to a free port."""
    sock = socket.create_server(("127.0.0.1", 0))
    sock.setblocking(False)
    return sock


async def test_it_is_read_as_it_comes(web: Web, reader: Reader) -> None:
    """A part is there before the next is sent, and there is no deadline for the whole."""
    async with line_to(web) as line:
        line.send(CHUNKED + b"3\r\nabc\r\n")
        await wait_until(lambda: reader.parts == [b"abc"], "the first part")
        line.send(b"2\r\nde\r\n0\r\n\r\n")
        said = await line.answer()
        assert (said.status, said.json) == (200, 5)
        line.send(POST + b"Content-Length: 1\r\n\r\nx")
        assert (await line.answer()).status == 200
    assert b"".join(reader.parts) == b"abcdex"


async def test_too_much_is_refused_before_it_comes(web: Web, reader: Reader) -> None:
    """A length that is too large is 413 at once, before the client is told to go on."""
    async with line_to(web) as line:
        line.send(POST + b"Expect: 100-continue\r\nContent-Length: 100001\r\n\r\n")
        said = await line.answer()
        assert (said.status, said.code) == (413, "body_too_large")
    assert reader.parts == []


async def test_too_much_is_refused_as_it_comes(web: Web, reader: Reader) -> None:
    """Of a body whose length is not told no more is read than it may have."""
    async with line_to(web) as line:
        line.send(CHUNKED + (b"%x\r\n" % 1000 + b"x" * 1000 + b"\r\n") * 200)
        said = await line.answer()
        assert (said.status, said.code) == (413, "body_too_large")
    assert sum(map(len, reader.parts)) <= MOST


async def test_who_waits_with_the_body_is_told_to_go_on(web: Web) -> None:
    """`Expect: 100-continue` is met once the head is found right, and no other expectation."""
    async with line_to(web) as line:
        line.send(POST + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        assert await line.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        line.send(b"ab")
        assert (await line.answer()).json == 2
        line.send(POST + b"Expect: more\r\nContent-Length: 2\r\n\r\n")
        assert (await line.answer()).code == "invalid_request"


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (POST.replace(LINES.encode(), b"text/plain"), 415),
        (POST + b"Content-Encoding: gzip\r\n", 415),
        (POST + b"X-Deadline-Ms: x\r\n", 400),
    ],
)
async def test_a_head_that_is_wrong(web: Web, reader: Reader, head: bytes, status: int) -> None:
    """It is refused before anything is read."""
    async with line_to(web) as line:
        line.send(head + b"Content-Length: 2\r\n\r\nab")
        assert (await line.answer()).status == status
    assert reader.parts == []


async def test_silence(web: Web, reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each part may take its time, but not more: then it is 408, and the connection closed."""
    monkeypatch.setattr("servers.web.stream.STREAM_IDLE_S", SHORT_S)
    async with line_to(web) as line:
        line.send(CHUNKED)
        for count in range(1, 6):
            line.send(b"1\r\nx\r\n")
            await wait_until(lambda count=count: len(reader.parts) == count, "a part")
            await asyncio.sleep(SHORT_S / 3)
        said = await line.answer()
        assert (said.status, said.code) == (408, "request_timeout")
        assert said.headers["Connection"] == "close"


async def test_a_client_that_goes(web: Web, app: App, reader: Reader) -> None:
    """The handler hears of it, and nothing of the request is left."""
    async with line_to(web) as line:
        line.send(CHUNKED + b"1\r\nx\r\n")
        await wait_until(lambda: reader.parts, "a part")
        line.reset()
    await wait_until(lambda: app.in_flight == 0, "nothing is under way")
    assert reader.ended is not None
    assert reader.ended.code == "invalid_request"


@pytest.mark.parametrize("end", [b"zz\r\n", b""])
async def test_a_body_that_breaks(web: Web, reader: Reader, end: bytes) -> None:
    """Chunks that are none, and a side that is closed before its end, are 400."""
    async with line_to(web) as line:
        line.send(CHUNKED + b"1\r\nx\r\n")
        await wait_until(lambda: reader.parts, "a part")
        if end:
            line.send(end)
        else:
            line.writer.write_eof()
        said = await line.answer()
        assert (said.status, said.code) == (400, "invalid_request")


async def test_a_server_that_stops(app: App, reader: Reader, free_socket: socket.socket) -> None:
    """A stream that waits for more ends at once with 503, and holds up no stop."""
    host, port = free_socket.getsockname()
    loop = asyncio.get_running_loop()
    async with contextlib.AsyncExitStack() as lines:
        web = await lines.enter_async_context(asking(frontend=f"http://{host}:{port}"))
        async with serving(app, free_socket, shutdown_s=8.0):
            line = await lines.enter_async_context(line_to(web))
            line.send(CHUNKED + b"1\r\nx\r\n")
            await wait_until(lambda: reader.parts, "a part")
            begun_s = loop.time()
        said = await line.answer()
        assert (said.status, said.code) == (503, "unavailable")
        assert loop.time() - begun_s < 4.0
