"""Running an application: aiohttp's server, sockets, signals and a graceful stop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
from typing import TYPE_CHECKING, Any

from aiohttp import web
from aiohttp.http_exceptions import BadHttpMessage, LineTooLong

from servers.domain.errors import (
    HeadTooLarge,
    Internal,
    InvalidRequest,
    ShopError,
    UriTooLong,
)
from servers.web.limits import DRAIN_S, IDLE_CONNECTION_S, MAX_HEAD_LINE_BYTES, MAX_HEADERS

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator

    from servers.web.app import App

_WANTED_FILES = 16_384


class _Connection(web.RequestHandler):
    """aiohttp's connection, with the shop's own answer to what its parser refuses."""

    __slots__ = ("_app",)

    def __init__(self, manager: web.Server, app: App, **options: Any) -> None:
        super().__init__(manager, **options)
        self._app = app

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer problem+json where no application was asked; the connection closes."""
        del message  # aiohttp's text repeats what the client sent.
        if request.writer.output_size > 0:
            raise ConnectionError("an answer was begun already")
        return self._app.refuse(request, _parser_error(status, exc))


class ShopServer(web.Server):
    """aiohttp's low-level server whose connections answer through an `App`."""

    def __init__(self, app: App, **options: Any) -> None:
        super().__init__(app, access_log=None, **options)
        self._app = app

    def __call__(self) -> web.RequestHandler:
        """Make the protocol of one connection."""
        return _Connection(
            self,
            self._app,
            loop=asyncio.get_running_loop(),
            access_log=None,
            keepalive_timeout=IDLE_CONNECTION_S,
            max_line_size=MAX_HEAD_LINE_BYTES,
            max_field_size=MAX_HEAD_LINE_BYTES,
            max_headers=MAX_HEADERS,
            auto_decompress=False,
        )


def _parser_error(status: int, exc: BaseException | None) -> ShopError:
    if isinstance(exc, LineTooLong):
        # The parser hands out the beginning of a target as a bytearray, of a header as bytes.
        if isinstance(exc.args[0], bytearray):
            return UriTooLong(f"The request line may have {MAX_HEAD_LINE_BYTES} bytes at most.")
        return HeadTooLarge(f"A header may have {MAX_HEAD_LINE_BYTES} bytes at most.")
    if isinstance(exc, BadHttpMessage) and "Too many headers" in str(exc):
        return HeadTooLarge(f"A request may have {MAX_HEADERS} headers at most.")
    if status == 400:
        return InvalidRequest("This is not well-formed HTTP/1.1.")
    return Internal("The shop made a mistake.")


@contextlib.asynccontextmanager
async def serving(app: App, sock: socket.socket, *, shutdown_s: float) -> AsyncIterator[None]:
    """Serve ``app`` on a bound socket until the block ends, then stop gracefully.

    At the end no new connection is taken; requests under way get up to ``shutdown_s`` to
    finish; those who hold idle connections are told to close them.
    """
    runner = web.ServerRunner(
        ShopServer(app), handle_signals=False, access_log=None, shutdown_timeout=shutdown_s
    )
    await runner.setup()
    site = web.SockSite(runner, sock, backlog=1024)
    await site.start()
    try:
        yield
    finally:
        app.draining = True
        await site.stop()
        await _drain(app, shutdown_s)
        await runner.cleanup()
        if app.access_log is not None:
            app.access_log.flush()


async def _drain(app: App, shutdown_s: float) -> None:
    """Answer what is under way, and what keep-alive clients still send in a short while."""
    loop = asyncio.get_running_loop()
    end_s = loop.time() + shutdown_s
    await asyncio.sleep(DRAIN_S)
    while app.in_flight and loop.time() < end_s:  # noqa: ASYNC110  # a count has no event
        await asyncio.sleep(0.01)


def stop_event() -> asyncio.Event:
    """Return an event that SIGTERM and SIGINT set."""
    loop = asyncio.get_running_loop()
    event = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, event.set)
    return event


def end_with_parent(stop: asyncio.Event) -> None:
    """Set ``stop`` when whoever holds the other end of standard input is gone."""
    loop = asyncio.get_running_loop()

    def ended() -> None:
        if not os.read(0, 1024):
            loop.remove_reader(0)
            stop.set()

    loop.add_reader(0, ended)


def raise_file_limit() -> None:
    """Let this process have as many connections as the system allows it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _WANTED_FILES if hard == resource.RLIM_INFINITY else min(hard, _WANTED_FILES)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
