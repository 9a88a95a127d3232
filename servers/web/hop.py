"""A hop: calls from one server to another, and which of them may have had an effect.

Nothing is ever sent twice by itself, no redirect is followed, no proxy is taken from
outside: whether a call may be repeated is known to its caller alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from servers.web.connection import Connection, HopAnswer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

_MAX_FREE_CONNECTIONS = 64
_PORTS = {"http": 80, "https": 443}


class HopError(Exception):
    """A call to another server brought no answer; its text says why."""


class NotSentError(HopError):
    """The request provably did not reach the other server's work."""


class NoAnswerError(HopError):
    """The request may have been carried out."""


class Hop:
    """Calls one other server, by its name, at one address, with a token.

    ``url`` is a scheme, a host and a port. Connections are kept for the next call. ``tls``
    says whose certificates are trusted; else it is the system that does.
    """

    def __init__(self, name: str, url: str, token: str, tls: ssl.SSLContext | None = None) -> None:
        parts = urlsplit(url)
        self.name = name
        self.url = url.rstrip("/")
        self._host = parts.hostname or ""
        self._port = parts.port or _PORTS[parts.scheme]
        self._tls = None
        if parts.scheme == "https":
            self._tls = tls or ssl.create_default_context()
        self._netloc = parts.netloc
        self.use_token(token)
        self.down: str | None = None
        """Why the other server is known not to answer: nothing is sent to it then."""
        self._free: list[Connection] = []
        self._busy: set[Connection] = set()
        self.closed = False

    def use_token(self, token: str) -> None:
        """Send this token from the next call on."""
        self._head = (
            f"Host: {self._netloc}\r\nAuthorization: Bearer {token}\r\n"
            "Content-Type: application/json\r\n"
        )

    async def call(
        self,
        method: str,
        path: str,
        *,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        timeout_s: float,
        even_if_down: bool = False,
    ) -> HopAnswer:
        """Send one request. Raises `NotSentError` or `NoAnswerError`.

        ``path`` is percent-encoded and made by us, never taken from a client's text.
        """
        if self.down is not None and not even_if_down:
            raise NotSentError(self.down)
        due_s = asyncio.get_running_loop().time() + max(timeout_s, 0.001)
        connection = await self._connection(due_s)
        more = "".join([f"{name}: {value}\r\n" for name, value in (headers or {}).items()])
        head = (
            f"{method} {path} HTTP/1.1\r\n{self._head}{more}Content-Length: {len(body)}\r\n\r\n"
        ).encode("utf-8", "surrogateescape")
        left_s = due_s - asyncio.get_running_loop().time()
        self._busy.add(connection)
        try:
            answer = await connection.ask(head + body, max(left_s, 0.001))
        except TimeoutError as error:
            raise NoAnswerError(f"the {self.name} server did not answer in time") from error
        except OSError as error:
            raise NoAnswerError(f"the connection to the {self.name} server broke") from error
        finally:
            self._busy.discard(connection)
        if connection.free and not self.closed and len(self._free) < _MAX_FREE_CONNECTIONS:
            self._free.append(connection)
        else:
            connection.close()
        return answer

    def close(self) -> None:
        """Close the connections: a call under way gets no answer, a later one is not sent."""
        self.closed = True
        for connection in (*self._free, *self._busy):
            connection.close()
        self._free.clear()

    async def _connection(self, due_s: float) -> Connection:
        if self.closed:  # Whoever asks so late will be answered after a restart.
            raise NotSentError(f"the hop to the {self.name} server is closed")
        while self._free:
            connection = self._free.pop()
            if connection.free:
                return connection
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout_at(due_s):
                _, connection = await loop.create_connection(
                    Connection, self._host, self._port, ssl=self._tls
                )
        except ssl.SSLCertVerificationError as error:
            why = f"is not trusted ({error.verify_message})"
            raise NotSentError(f"the certificate of the {self.name} server {why}") from error
        except OSError as error:
            raise NotSentError(f"the {self.name} server cannot be reached") from error
        return connection


@contextlib.asynccontextmanager
async def open_hop(
    name: str, url: str, token: str, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Hop]:
    """Open a hop to the server of this name; its connections close with the block."""
    hop = Hop(name, url, token, tls)
    try:
        yield hop
    finally:
        hop.close()
