"""The head of a request: what of HTTP itself is refused before a route is looked for.

aiohttp's parser refuses most of what is malformed. Lives here: what it lets through, and what
of our errors its own are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import HttpVersion10, HttpVersion11
from aiohttp.http_exceptions import BadHttpMessage, LineTooLong

from servers.domain.errors import HeadTooLarge, Internal, InvalidRequest, ShopError, UriTooLong
from servers.web.limits import MAX_HEAD_BYTES, MAX_HEAD_LINE_BYTES, MAX_HEADERS

if TYPE_CHECKING:
    from servers.web.request import Request

_VERSIONS = (HttpVersion11, HttpVersion10)
_BETWEEN = len(": \r\n")


def checked_path(raw: Request) -> str:
    """Return the path on this server that a request's target names, percent-encoded as it came.

    A target in absolute form must name the host that ``Host`` names (RFC 9112 §3.2.2).
    Raises `InvalidRequest`, `HeadTooLarge`.
    """
    message = raw.message
    if message.version not in _VERSIONS:
        raise InvalidRequest("This server speaks HTTP/1.1 and HTTP/1.0.")
    size = sum([len(name) + len(value) + _BETWEEN for name, value in message.raw_headers])
    if size > MAX_HEAD_BYTES:
        raise HeadTooLarge(f"The headers may have {MAX_HEAD_BYTES} bytes at most.")
    if raw.path.startswith("/") and raw.method != "CONNECT":
        return raw.path
    scheme, _, rest = raw.path.partition("://")
    host, slash, local = rest.partition("/")
    if scheme.lower() in {"http", "https"} and host.lower() == raw.headers.get("Host", "").lower():
        return slash + local
    raise InvalidRequest("The request must name a path on this server.")


def refusal_of(status: int, exc: BaseException | None) -> ShopError:
    """Return what aiohttp, or one of us, found wrong with a head, as one of the shop's errors."""
    if isinstance(exc, ShopError):
        return exc
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
