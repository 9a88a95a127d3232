"""A proxy that can hold requests on their way: how a race is forced, without any luck.

Lives here: `HoldingProxy`, which stands between two servers, passes every request on, and
keeps those it was told to until it is told to let them go. ::

    async with HoldingProxy(catalog_url) as proxy:      # order --catalog-url proxy.url
        proxy.hold("/sales")
        ...                                             # somebody purchases
        await proxy.held()                              # now the sale is on its way
        ...                                             # somebody deletes the book
        proxy.release()                                 # only now it arrives

Whoever made a held request sees nothing but a slow network; the servers know of no pause.
Which race is run with it does not live here.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final, Self

import aiohttp
from aiohttp import web
from yarl import URL

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

HOST: Final = "127.0.0.1"
PATIENCE_S: Final = 30.0

_SHUTDOWN_S: Final = 0.1
# These belong to one connection (RFC 9110 §7.6.1), or are made anew for the next one.
_OF_ONE_CONNECTION: Final = frozenset(
    {"connection", "keep-alive", "transfer-encoding", "content-length", "host", "te", "upgrade"}
)


class HoldingProxy:
    """Passes HTTP requests on to ``target_url``; use it as ``async with``.

    One request of a connection is under way at a time, as in HTTP/1.1; connections are as
    many as come. The proxy lives on the event loop that opened it: what blocks the loop
    blocks the proxy too.
    """

    def __init__(self, target_url: str) -> None:
        self.url = ""
        """Where the proxy listens; empty until it is open."""
        self._target = target_url.rstrip("/")
        self._held_path: str | None = None
        self._waiting: list[asyncio.Future[None]] = []
        self._changed = asyncio.Event()
        self._stack = contextlib.AsyncExitStack()
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        """Listen on a free port of the loopback interface."""
        async with contextlib.AsyncExitStack() as stack:
            self._session = await stack.enter_async_context(
                aiohttp.ClientSession(
                    connector=aiohttp.TCPConnector(limit=0),
                    timeout=aiohttp.ClientTimeout(),
                    auto_decompress=False,
                    cookie_jar=aiohttp.DummyCookieJar(),
                    trust_env=False,
                )
            )
            runner = web.ServerRunner(
                web.Server(self._pass_on, access_log=None),
                handle_signals=False,
                shutdown_timeout=_SHUTDOWN_S,
            )
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, HOST, 0).start()
            self.url = f"http://{HOST}:{runner.addresses[0][1]}"
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the proxy; what it still holds never arrives."""
        await self._stack.__aexit__(kind, error, trace)

    def hold(self, path: str) -> None:
        """Hold every request to ``path``, and to what lies under it, from now on."""
        self._held_path = path

    @property
    def holding(self) -> int:
        """How many requests are held now.

        A request whose sender gave up in the meantime is still on its way, and counts.
        """
        return len(self._waiting)

    async def held(self, count: int = 1, *, within_s: float = PATIENCE_S) -> None:
        """Wait until ``count`` requests or more are held. Raises TimeoutError."""
        async with asyncio.timeout(within_s):
            while self.holding < count:
                self._changed.clear()
                await self._changed.wait()

    def release(self, count: int | None = None) -> None:
        """Let what is held go, in the order in which it came, and hold nothing any more.

        With a ``count`` only so many go, and the proxy goes on holding.
        """
        if count is None:
            self._held_path = None
            count = len(self._waiting)
        released, self._waiting = self._waiting[:count], self._waiting[count:]
        for each in released:
            if not each.done():
                each.set_result(None)

    async def _pass_on(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        if self._is_held(request.path):
            await self._wait_for_release()
        assert self._session is not None  # noqa: S101  # It is, while the proxy is open.
        try:
            async with self._session.request(
                request.method,
                URL(self._target + request.raw_path, encoded=True),
                data=body or None,
                headers=_of_the_message(request.headers.items()),
                skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
                allow_redirects=False,
            ) as answer:
                return web.Response(
                    status=answer.status,
                    reason=answer.reason,
                    headers=_of_the_message(answer.headers.items()),
                    body=await answer.read(),
                )
        except (aiohttp.ClientError, OSError):
            # What the sender would have seen: a connection that breaks without an answer.
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=502)

    def _is_held(self, path: str) -> bool:
        held = self._held_path
        return held is not None and (path == held or path.startswith(held.rstrip("/") + "/"))

    async def _wait_for_release(self) -> None:
        released = asyncio.get_running_loop().create_future()
        self._waiting.append(released)
        self._changed.set()
        try:
            await released
        finally:
            if released in self._waiting:
                self._waiting.remove(released)


def _of_the_message(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the headers that are the message's own, not the connection's."""
    return [(name, value) for name, value in headers if name.lower() not in _OF_ONE_CONNECTION]
