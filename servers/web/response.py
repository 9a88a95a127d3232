"""An answer on its way out: head and body made as bytes, to be written in one go.

aiohttp's own response keeps headers in a dictionary for a handler to change, and writes
them through several layers. Here the answer is complete when it is made.
"""

from __future__ import annotations

from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

from aiohttp import HttpVersion10

from servers.web.answers import JSON, PROBLEM

if TYPE_CHECKING:
    from aiohttp.http import RawRequestMessage

    from servers.web.answers import Answer

_NO_LENGTH = frozenset({204, 304})
"""These have no body and say nothing of its length (RFC 9110 §8.6)."""


class Response(NamedTuple):
    """A whole answer, and whether the connection stays open after it."""

    data: bytes
    keep_alive: bool


def response_of(
    answer: Answer, request_id: str, now_s: int, to: RawRequestMessage | None, *, close: bool
) -> Response:
    """Return what is written to answer a request, or to what was none.

    The headers of ``answer`` are without line breaks. The connection stays open if the
    client wants it to and ``close`` does not forbid it. The version is ours, not the
    client's (RFC 9110 §6.2).
    """
    # What follows a wish for another protocol the parser may have dropped.
    keep_alive = to is not None and not (to.should_close or to.upgrade or close)
    body = bytes(answer.body)
    lines = [_status_line(answer.status), f"X-Request-Id: {request_id}\r\nServer: bookstore\r\n"]
    for name, value in answer.headers.items():
        lines.append(f"{name}: {value}\r\n")
    if body:
        content_type = answer.content_type or (JSON if answer.status < 400 else PROBLEM)
        lines.append(f"Content-Type: {content_type}\r\n")
    if answer.status not in _NO_LENGTH:
        lines.append(f"Content-Length: {len(body)}\r\n")
    lines.append(_date_line(now_s))
    if not keep_alive:
        lines.append("Connection: close\r\n")
    elif to is not None and to.version == HttpVersion10:
        lines.append("Connection: keep-alive\r\n")
    lines.append("\r\n")
    head = "".join(lines).encode("latin-1", "replace")
    return Response(head if to is not None and to.method == "HEAD" else head + body, keep_alive)


@lru_cache(maxsize=4)
def _date_line(now_s: int) -> str:
    return f"Date: {formatdate(now_s, usegmt=True)}\r\n"


@lru_cache(maxsize=64)
def _status_line(status: int) -> str:
    return f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n"
