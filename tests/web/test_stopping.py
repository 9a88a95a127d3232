"""A server that stops: who is waited for, and who is not."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING

import pytest

from servers.web.answers import Answer, text_answer
from servers.web.routes import Route
from servers.web.serving import serving
from tests.support.services import PATIENCE_S, make_app, wait_until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from servers.web.app import App
    from servers.web.call import Call
    from tests.web.conftest import Echo

LONG = 20_000_000
"""Bytes of an answer that no buffers of the system hold."""
GET_LONG = b"GET /long HTTP/1.1\r\nHost: shop\r\n\r\n"


async def long(_call: Call) -> Answer:
    """Answer at length."""
    return text_answer("x" * LONG)


@pytest.fixture
async def app(echo: Echo) -> App:
    """An application that can be asked for a long answer."""
    return make_app((Route("GET", "/long", long, "Much"), *echo.routes()))


@contextlib.asynccontextmanager
async def client_of(app: App) -> AsyncIterator[tuple[socket.socket, asyncio.Event]]:
    """Serve while the block runs; yield a connection, and what begins the stop.

    The block ends when the server has stopped.
    """
    stop = asyncio.Event()

    async def serve() -> None:
        async with serving(app, listening, shutdown_s=PATIENCE_S):
            await stop.wait()

    with socket.create_server(("127.0.0.1", 0)) as listening, socket.socket() as client:
        listening.setblocking(False)
        client.setblocking(False)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        async with asyncio.TaskGroup() as group:
            group.create_task(serve())
            await asyncio.get_running_loop().sock_connect(client, listening.getsockname())
            yield client, stop


async def ask_at_length(app: App, client: socket.socket, requests: int) -> None:
    """Ask for long answers, and wait until the first is on its way and the others wait."""
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(client, GET_LONG * requests)
    assert (await loop.sock_recv(client, 12)) == b"HTTP/1.1 200"
    await wait_until(lambda: app.waiting == requests - 1, "the others wait")


@pytest.mark.parametrize("requests", [1, 3])
async def test_who_takes_nothing_is_not_waited_for(app: App, requests: int) -> None:
    """A client that leaves its answers where they are holds up a stop for two seconds at most."""
    loop = asyncio.get_running_loop()
    async with client_of(app) as (client, stop):
        await ask_at_length(app, client, requests)
        begin_s = loop.time()
        stop.set()
    assert loop.time() - begin_s < 3.0


async def test_who_takes_an_answer_slowly_gets_all_of_it(app: App) -> None:
    """A client that takes something each time is waited for, as long as there is time to stop."""
    loop = asyncio.get_running_loop()
    async with client_of(app) as (client, stop):
        await ask_at_length(app, client, 1)
        begin_s, size = loop.time(), 0
        stop.set()
        while part := await loop.sock_recv(client, 1_000_000):
            size += len(part)
            late_s = begin_s + 2.5 * size / LONG - loop.time()
            await asyncio.sleep(max(0.0, late_s))
    assert size > LONG
