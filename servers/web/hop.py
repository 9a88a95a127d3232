"""A hop: calls from one server to another, and which of them may have had an effect.

aiohttp's client sends GET, PUT and DELETE again by itself on a dropped connection, so
every change is a POST; no redirect is followed and no proxy is taken from outside.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import aiohttp
from yarl import URL

from servers.web.limits import MAX_ANSWER_BYTES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

_CONNECTIONS = 64


class HopError(Exception):
    """A call to another server brought no answer; its text says why."""


class NotSentError(HopError):
    """The request provably did not reach the other server's work."""


class NoAnswerError(HopError):
    """The request may have been carried out."""


@dataclass(frozen=True, slots=True)
class HopAnswer:
    """What another server answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Hop:
    """Calls one other server, by its name, at one address, with the service token."""

    def __init__(self, session: aiohttp.ClientSession, name: str, url: str) -> None:
        self.name = name
        self.url = url
        self._session = session
        self._urls: dict[str, URL] = {}

    async def call(
        self,
        method: str,
        path: str,
        *,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        timeout_s: float,
    ) -> HopAnswer:
        """Send one request. Raises `NotSentError` or `NoAnswerError`.

        ``path`` is percent-encoded and made by us, never taken from a client's text.
        """
        if self._session.closed:  # Whoever asks so late will be answered after a restart.
            raise NotSentError(f"the hop to the {self.name} server is closed")
        timeout = aiohttp.ClientTimeout(total=max(timeout_s, 0.001))
        try:
            async with self._session.request(
                method,
                self._url(path),
                data=body or None,
                headers=headers,
                timeout=timeout,
                allow_redirects=False,
            ) as response:
                data = await response.content.read(MAX_ANSWER_BYTES + 1)
                while data and not response.content.at_eof():
                    if len(data) > MAX_ANSWER_BYTES:
                        raise NoAnswerError(f"the answer of the {self.name} server is too long")
                    data += await response.content.read(MAX_ANSWER_BYTES + 1 - len(data))
                return HopAnswer(response.status, response.headers, data)
        except aiohttp.ClientConnectorError as error:
            raise NotSentError(f"the {self.name} server cannot be reached") from error
        except TimeoutError as error:
            raise NoAnswerError(f"the {self.name} server did not answer in time") from error
        except (aiohttp.ClientError, OSError) as error:
            raise NoAnswerError(f"the connection to the {self.name} server broke") from error

    def _url(self, path: str) -> URL:
        url = self._urls.get(path)
        if url is None:
            url = URL(self.url + path, encoded=True)
            if len(self._urls) < 64:
                self._urls[path] = url
        return url


@contextlib.asynccontextmanager
async def open_hop(name: str, url: str, token: str) -> AsyncIterator[Hop]:
    """Open a hop to the server of this name; its connections close with the block."""
    connector = aiohttp.TCPConnector(limit=_CONNECTIONS, keepalive_timeout=30)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    async with aiohttp.ClientSession(
        connector=connector,
        headers=headers,
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
        skip_auto_headers=("User-Agent", "Accept-Encoding", "Accept"),
    ) as session:
        yield Hop(session, name, url.rstrip("/"))
