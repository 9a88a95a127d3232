"""An answer on its way out: head and body made as bytes and written in one go.

aiohttp's own response keeps headers in a dictionary for a handler to change, and writes
them through several layers. Here the answer is complete when it is made, so it goes
straight to the transport; keep-alive, HEAD and flow control stay aiohttp's.
"""

from __future__ import annotations

from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp.abc import AbstractStreamWriter

_HTTP_10 = (1, 0)
_NO_LENGTH = frozenset({204, 304})
"""These have no body and say nothing of its length (RFC 9110 §8.6)."""


class Response(web.StreamResponse):
    """A whole answer; ``headers`` are names and values without line breaks."""

    def __init__(  # aiohttp's own would build what is not needed here.
        self, status: int, headers: Mapping[str, str], body: bytes, now_s: int
    ) -> None:
        self._status = status
        self._text = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
        self._data = body
        self._now_s = now_s
        self._keep_alive: bool | None = None

    @property
    def keep_alive(self) -> bool | None:
        """Whether the connection stays open; None until it is decided."""
        return self._keep_alive

    def force_close(self) -> None:
        """Close the connection after this answer."""
        self._keep_alive = False

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Write the whole answer, and wait while a slow client has too much of it to take."""
        if self._keep_alive is None:
            self._keep_alive = request.keep_alive
        length = "" if self._status in _NO_LENGTH else f"Content-Length: {len(self._data)}\r\n"
        head = (
            f"HTTP/{request.version[0]}.{request.version[1]} {_status_line(self._status)}\r\n"
            f"{self._text}{length}Date: {_date(self._now_s)}\r\n{self._connection(request)}\r\n"
        ).encode("latin-1", "replace")
        data = head if request.method == "HEAD" else head + self._data
        writer = request.writer
        transport = writer.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the client is gone")
        transport.write(data)
        writer.output_size += len(data)
        await writer.drain()
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """Do nothing: all was written."""

    def _connection(self, request: web.BaseRequest) -> str:
        if not self._keep_alive:
            return "Connection: close\r\n"
        return "Connection: keep-alive\r\n" if request.version == _HTTP_10 else ""


@lru_cache(maxsize=4)
def _date(now_s: int) -> str:
    return formatdate(now_s, usegmt=True)


@lru_cache(maxsize=64)
def _status_line(status: int) -> str:
    return f"{status} {HTTPStatus(status).phrase}"
