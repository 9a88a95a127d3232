"""One server in the foreground of a process: its socket, its signals, until it is told to stop.

What a server is made of is wired in ``servers.main``; here it is only known that it has an
application, a health, and tokens that may change while it runs.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import logging
import os
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from servers.access import exposure, tls
from servers.access.keyring import Keyring
from servers.child import end_with_parent
from servers.listening import listen, url_of
from servers.meanwhile import meanwhile
from servers.settings import SettingsError
from servers.web.room import connections_within_files
from servers.web.serving import serving, stop_event

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from servers.access.tokens import Tokens
    from servers.settings import Settings
    from servers.web.app import App
    from servers.web.auth import Doors
    from servers.web.health import Health
    from servers.web.hop import Hop

_GC_THRESHOLD = 50_000
_FINISH_SHARE = 0.8
_GIVE_UP_SHARE = 0.7
"""Of the time to stop: for what is under way, and for what in it waits for another server."""

_READY_WITHIN_S = 5.0
"""How long a server waits for another before it says that it is up all the same."""


@dataclass(frozen=True)
class Server:
    """A server that is open: its application, its health, when it can work, whom it trusts."""

    app: App
    health: Health
    until_ready: Callable[[], Awaitable[None]]
    doors: Doors
    hops: Sequence[Hop]


async def serve_until_stopped(
    name: str,
    settings: Settings,
    tokens: Tokens,
    open_server: Callable[[], contextlib.AbstractAsyncContextManager[Server]],
) -> int:
    """Open one server, serve until a signal or the end of its parent, close it; return 0.

    Raises `SettingsError` where strangers could come in or listen in without a guard, and where
    it was not given what its environment says.
    """
    stop = stop_event()
    if settings.parent_pipe:
        end_with_parent(stop)
    exposure.must_be_guarded(settings)
    exposure.must_be_private(name, settings)
    secure = tls.server_context(settings)
    sock = _socket(name, settings)
    url = url_of(sock, secure=secure is not None)
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(sock.close)  # Also where the server cannot be opened.
        server = await stack.enter_async_context(open_server())
        await stack.enter_async_context(
            serving(
                server.app,
                sock,
                shutdown_s=settings.shutdown_s * _FINISH_SHARE,
                max_connections=connections_within_files(settings.max_connections),
                tls=secure,
            )
        )
        keyring = Keyring(settings, tokens, server.doors, server.hops)
        await stack.enter_async_context(meanwhile(keyring.watch))
        gc.collect()
        gc.freeze()
        gc.set_threshold(_GC_THRESHOLD, 20, 100)
        announcing = asyncio.ensure_future(_announce(server, url, settings.ready_fd))
        await stop.wait()
        announcing.cancel()
        server.health.stopping = True
        for hop in server.hops:
            # Who waits for one that hangs is told what can be told, while there is time for it.
            asyncio.get_running_loop().call_later(settings.shutdown_s * _GIVE_UP_SHARE, hop.close)
    return 0


def _socket(name: str, settings: Settings) -> socket.socket:
    if settings.listen_fd is not None:
        try:
            sock = socket.socket(fileno=settings.listen_fd)
        except OSError as error:
            raise SettingsError(
                f"{settings.sources['listen_fd']}: {settings.listen_fd} is not a socket that this"
                f" process was given ({error.strerror}). Unset the variable: the server opens one."
            ) from error
    else:
        sock = listen(settings.host, settings.port_of(name))
    sock.setblocking(False)
    return sock


async def _announce(server: Server, url: str, ready_fd: int | None) -> None:
    """Say that the server is ready: to who started it, and to who reads the log.

    One that has waited long enough for another says that it is up: a shop that needs a
    repair must open for it, and tells what is wrong under ``/readyz``.
    """
    log = logging.getLogger("servers")
    try:
        async with asyncio.timeout(_READY_WITHIN_S):
            await server.until_ready()
        log.info("ready at %s", url)
    except TimeoutError:
        log.warning("up at %s, but not ready: ask /readyz there, or `bookstore status`", url)
    if ready_fd is not None:
        # Whoever waited for the line may be gone by now; our standard input tells us so.
        with contextlib.suppress(BrokenPipeError), os.fdopen(ready_fd, "w") as pipe:
            pipe.write(json.dumps({"url": url, "pid": os.getpid()}) + "\n")


def loop_factory(settings: Settings) -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return what makes the event loop: uvloop's where it is installed and wanted."""
    if settings.uvloop:
        with contextlib.suppress(ImportError):
            import uvloop

            return uvloop.new_event_loop
    return None
