"""A server without books: routes that show what came in."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import socket
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import msgspec
import pytest
from multidict import CIMultiDict

from servers.domain.errors import OutOfStock
from servers.web.answers import Answer, answer
from servers.web.auth import INSIDE, STAFF
from servers.web.log import AccessLog
from servers.web.routes import Route
from servers.web.serving import ShopServer
from tests.support.services import PATIENCE_S, Web, asking, listening, make_app
from tests.support.shop import Reply

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from servers.web.app import App
    from servers.web.call import Call


class Body(msgspec.Struct, forbid_unknown_fields=True):
    """A body with limits."""

    count: Annotated[int, msgspec.Meta(ge=1, le=10)] = 1


class Query(msgspec.Struct, forbid_unknown_fields=True):
    """A query with limits."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=200)] = 50


@dataclass
class Log:
    """Keeps what is written."""

    data: bytearray = field(default_factory=bytearray)

    def write(self, data: bytes, /) -> None:
        self.data += data

    def flush(self) -> None:
        """Nothing is held back."""

    def lines(self) -> list[dict[str, object]]:
        """Return the lines, each of which is one JSON object."""
        return [json.loads(line) for line in self.data.decode().splitlines()]


@dataclass
class Echo:
    """The handlers; those that come to `wait` stay until they are released."""

    handled: int = 0
    release: asyncio.Event = field(default_factory=asyncio.Event)

    async def show(self, call: Call) -> Answer:
        """Answer what came in."""
        self.handled += 1
        left_s = call.deadline_s - asyncio.get_running_loop().time()
        body = call.body.decode() if isinstance(call.body, bytes) else call.body
        return answer({"role": call.role.name, "body": body, "query": call.query, "left_s": left_s})

    async def wait(self, call: Call) -> Answer:
        """Answer once the test lets it."""
        await self.release.wait()
        return await self.show(call)

    async def fail(self, _call: Call) -> Answer:
        """Fail as a bug does."""
        raise RuntimeError("a secret of the inside")

    async def refuse(self, _call: Call) -> Answer:
        """Refuse as the shop does."""
        raise OutOfStock("Book 1 is sold out.", available=0)

    def routes(self) -> tuple[Route, ...]:
        """Return the route table."""
        return (
            Route("GET", "/show", self.show, "Show", query=Query),
            Route("GET", "/plain/{book_id:id}", self.show, "Show"),
            Route("PUT", "/plain/{book_id:id}", self.show, "Show", body=Body),
            Route("POST", "/body", self.show, "Show a body", body=Body),
            Route("POST", "/optional", self.show, "Show a body", body=Body, body_optional=True),
            Route("POST", "/nobody", self.show, "Takes no body"),
            Route("POST", "/raw", self.show, "Show bytes", raw_body_bytes=100),
            Route("GET", "/wait", self.wait, "Wait"),
            Route("GET", "/fail", self.fail, "Fail"),
            Route("GET", "/refuse", self.refuse, "Refuse"),
            Route("GET", "/inside", self.show, "For servers", roles=INSIDE),
            Route("GET", "/staff", self.show, "For staff", roles=STAFF),
            Route("GET", "/livez", self.show, "Health", health=True),
        )


@contextlib.asynccontextmanager
async def served(app: App, **options: int) -> AsyncIterator[tuple[Web, ShopServer]]:
    """Serve an application on a free port; yield a client of it and the server."""
    server = ShopServer(app, **options)
    listener = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    try:
        async with asking(frontend=url) as client:
            yield client, server
    finally:
        listener.close()
        await server.shutdown(1.0)


@dataclass
class Line:
    """A connection of a test's own, byte by byte."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def send(self, data: bytes) -> None:
        """Send bytes."""
        self.writer.write(data)

    def reset(self) -> None:
        """Go at once, and say so: whoever only ends his side may still wait for answers."""
        endpoint = self.writer.get_extra_info("socket")
        endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def answer(self) -> Reply:
        """Return the next answer."""
        async with asyncio.timeout(PATIENCE_S):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            status_line, *lines = head.strip().split("\r\n")
            parts = (line.partition(": ") for line in lines)
            headers = CIMultiDict((name, value) for name, _, value in parts)
            body = await self.reader.readexactly(int(headers["Content-Length"]))
        return Reply(int(status_line.split()[1]), headers, body)

    async def closed(self) -> bytes:
        """Return what still comes until the server closes."""
        async with asyncio.timeout(PATIENCE_S):
            try:
                return await self.reader.read()
            except ConnectionError:
                return b""

    async def sends_on(self) -> None:
        """Send more after an answer that was the last: it is read and dropped, then the end."""
        for _ in range(20):
            self.send(b"x" * 100_000)
            await asyncio.sleep(0.001)
        await self.writer.drain()
        assert await self.reader.read() == b""


@contextlib.asynccontextmanager
async def line_to(web: Web) -> AsyncIterator[Line]:
    """Open a connection while the block runs."""
    url = urlsplit(web.urls["frontend"])
    line = Line(*await asyncio.open_connection(url.hostname, url.port))
    try:
        yield line
    finally:
        line.writer.close()


async def statuses(web: Web, *parts: bytes, pause_s: float = 0.02) -> list[int]:
    """Send these one after the other; return the statuses that come until the connection ends."""
    async with line_to(web) as line:
        for part in parts:
            line.send(part)
            await asyncio.sleep(pause_s)
        whole = await line.closed()
    return [int(status) for status in re.findall(rb"HTTP/1\.1 ([0-9]{3}) ", whole)]


@pytest.fixture
def echo() -> Echo:
    """The handlers."""
    return Echo()


@pytest.fixture
def log() -> Log:
    """What the access log wrote."""
    return Log()


@pytest.fixture
async def web(echo: Echo, log: Log) -> AsyncIterator[Web]:
    """The application on a socket."""
    access_log = AccessLog(asyncio.get_running_loop(), "echo", "", log)
    app = make_app(echo.routes(), budget_s=10.0, max_in_flight=2, access_log=access_log)
    async with listening(app) as url, asking(frontend=url) as client:
        yield client
