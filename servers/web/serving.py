"""Running an application: aiohttp's server, sockets, signals and a graceful stop."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from typing import TYPE_CHECKING, Any, cast

from aiohttp import web

from servers.web.inbound import Inbound
from servers.web.limits import (
    DRAIN_S,
    HEAD_S,
    IDLE_CONNECTION_S,
    LAST_S,
    MAX_CONNECTIONS,
    MAX_HEAD_LINE_BYTES,
    MAX_HEADERS,
    STOP_STALL_S,
)
from servers.web.room import ConnectionRoom

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import AsyncIterator

    from servers.web.app import App

_BACKLOG = 1024


class ShopServer(web.Server):
    """aiohttp's low-level server whose connections answer through an `App`."""

    def __init__(self, app: App, *, max_connections: int = MAX_CONNECTIONS, **options: Any) -> None:
        # It is never called by aiohttp: `Conversation` calls the application itself.
        super().__init__(cast("Any", app), access_log=None, **options)
        self._app = app
        self.room = ConnectionRoom(max_connections, lambda: len(self._connections))

    def __call__(self) -> web.RequestHandler:
        """Make the protocol of one connection."""
        return Inbound(
            self,
            self._app,
            self.room,
            loop=asyncio.get_running_loop(),
            access_log=None,
            keepalive_timeout=IDLE_CONNECTION_S,
            max_line_size=MAX_HEAD_LINE_BYTES,
            max_field_size=MAX_HEAD_LINE_BYTES,
            max_headers=MAX_HEADERS,
            auto_decompress=False,
        )

    def untaken(self) -> dict[asyncio.Transport, int]:
        """Return how many bytes of answers wait for clients to take them, where any do."""
        sizes = {each: each.get_write_buffer_size() for each in self._connections.values()}
        return {each: size for each, size in sizes.items() if size}

    async def shutdown(self, timeout: float | None = None) -> None:
        """Close all connections; up to ``timeout`` is waited twice for those that are busy."""
        self.room.close()
        await super().shutdown(timeout)


@contextlib.asynccontextmanager
async def serving(
    app: App,
    sock: socket.socket,
    *,
    shutdown_s: float,
    max_connections: int = MAX_CONNECTIONS,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[None]:
    """Serve ``app`` on a bound socket, over TLS if so, until the block ends; then stop gracefully.

    At the end no new connection is taken; requests under way get up to ``shutdown_s`` to
    finish, and their answers to be taken, by clients that take anything at all; those who
    hold idle connections are told to close them.
    """
    server = ShopServer(app, max_connections=max_connections)
    if app.metrics is not None:
        app.metrics.gauge(
            "connections", "Connections that are open.", lambda: len(server.connections)
        )
        app.metrics.gauge(
            "connections_turned_away",
            "Connections for which there was no room, since the start.",
            lambda: server.room.turned_away,
        )
    # A handshake is to a connection over TLS what a head is to any.
    listener = await asyncio.get_running_loop().create_server(
        server,
        sock=sock,
        backlog=_BACKLOG,
        ssl=tls,
        ssl_handshake_timeout=HEAD_S if tls is not None else None,
    )
    try:
        yield
    finally:
        app.drain()
        listener.close()
        await _drain(app, server, shutdown_s)
        server.pre_shutdown()
        await server.shutdown(LAST_S)
        if app.access_log is not None:
            app.access_log.flush()


async def _drain(app: App, server: ShopServer, shutdown_s: float) -> None:
    """Answer what is under way, and what keep-alive clients still send in a short while.

    Whoever takes nothing of its answers is not waited for.
    """
    loop = asyncio.get_running_loop()
    end_s = loop.time() + shutdown_s
    await asyncio.sleep(DRAIN_S)
    before, look_s = server.untaken(), loop.time() + STOP_STALL_S
    while (app.in_flight or app.waiting or server.untaken()) and loop.time() < end_s:
        await asyncio.sleep(0.01)
        if loop.time() >= look_s:
            now, look_s = server.untaken(), loop.time() + STOP_STALL_S
            for transport in now.keys() & before.keys():
                if now[transport] >= before[transport]:
                    transport.abort()
            before = now


def stop_event() -> asyncio.Event:
    """Return an event that SIGTERM and SIGINT set."""
    loop = asyncio.get_running_loop()
    event = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, event.set)
    return event
