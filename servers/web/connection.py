"""One keep-alive connection from a server to another, on the loop's own transports.

aiohttp's client does far more than a hop needs (proxies, cookies, redirects, pools by
host) and costs as much as several requests; this does one request at a time and reads what
our own servers answer: HTTP/1.1 with a length. Anything else breaks the connection.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from servers.web.limits import MAX_ANSWER_BYTES, MAX_HEAD_LINE_BYTES

if TYPE_CHECKING:
    from collections.abc import Mapping

_HEAD_END = b"\r\n\r\n"
_MAX_HEAD_BYTES = 2 * MAX_HEAD_LINE_BYTES
_NO_BODY = (204, 304)


@dataclass(frozen=True, slots=True)
class HopAnswer:
    """What another server answered; the names of ``headers`` are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Connection(asyncio.Protocol):
    """A connection that is ``free`` for a request, or has one under way, or is closed."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[HopAnswer] | None = None
        self._data = b""
        self._head: tuple[int, dict[str, str]] | None = None
        self._length = 0

    @property
    def free(self) -> bool:
        """Whether a request can be sent on it."""
        return self._transport is not None and self._waiter is None

    async def ask(self, request: bytes, timeout_s: float) -> HopAnswer:
        """Send a request and return its answer.

        Raises TimeoutError, and ConnectionError where the connection broke or what came is
        not an answer of ours; the connection is closed then.
        """
        if self._transport is None:
            raise ConnectionError("the connection is closed")
        self._waiter = self._loop.create_future()
        timer = self._loop.call_later(timeout_s, self._give_up, TimeoutError())
        self._transport.write(request)
        try:
            return await self._waiter
        except asyncio.CancelledError:
            self.close()
            raise
        finally:
            timer.cancel()
            self._waiter = None

    def close(self) -> None:
        """Close the connection; whoever waits on it is told so."""
        self._give_up(ConnectionError("the connection was closed"))

    # What the transport calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by type

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell who waits."""
        self._transport = None
        self._fail(exc or ConnectionError("the connection ended"))

    def data_received(self, data: bytes) -> None:
        """Collect an answer until it is whole."""
        self._data += data
        try:
            if self._head is None and not self._read_head():
                return
        except (ValueError, LookupError):
            self._give_up(ConnectionError("what came is not an answer"))
            return
        if len(self._data) >= self._length and self._head is not None:
            self._finish(*self._head)

    # Inside

    def _read_head(self) -> bool:
        """Read status and headers, if all of them are there. Raises ValueError, LookupError."""
        end = self._data.find(_HEAD_END)
        if end < 0:
            if len(self._data) > _MAX_HEAD_BYTES:
                raise ValueError
            return False
        first, *lines = self._data[:end].decode("latin-1").split("\r\n")
        version, status, *_ = first.split(" ", 2)
        headers = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        length = "0" if int(status) in _NO_BODY else headers["content-length"]
        self._length = int(length)
        if version != "HTTP/1.1" or not 0 <= self._length <= MAX_ANSWER_BYTES:
            raise ValueError
        self._head = int(status), headers
        self._data = self._data[end + len(_HEAD_END) :]
        return True

    def _finish(self, status: int, headers: dict[str, str]) -> None:
        body, rest = self._data[: self._length], self._data[self._length :]
        self._data, self._head = b"", None
        waiter = self._waiter
        if rest or headers.get("connection", "").lower() == "close":
            self._hang_up()
        if waiter is None:
            # Nobody asked: the other side is out of step with us.
            self._hang_up()
        elif not waiter.done():
            waiter.set_result(HopAnswer(status, headers, body))

    def _give_up(self, error: Exception) -> None:
        self._hang_up()
        self._fail(error)

    def _hang_up(self) -> None:
        if self._transport is not None:
            self._transport.abort()
            self._transport = None

    def _fail(self, error: Exception) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(error)
