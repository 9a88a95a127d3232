"""The head of a request: what of HTTP itself is refused before a route is looked for.

aiohttp's parser refuses most of what is malformed. Lives here: what it lets through, and what
of our errors its own are.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from aiohttp import HttpVersion10, HttpVersion11
from aiohttp.http_exceptions import BadHttpMessage, BadHttpMethod, LineTooLong

from servers.domain.errors import (
    BodyTooLarge,
    HeadTooLarge,
    Internal,
    InvalidRequest,
    ShopError,
    UriTooLong,
    VersionOfHttp,
)
from servers.web.limits import MAX_HEAD_BYTES, MAX_HEAD_LINE_BYTES, MAX_HEADERS

if TYPE_CHECKING:
    from servers.web.request import Request

HEAD_END = b"\r\n\r\n"
LINE_ENDS = (b"\r", b"\n")
_BLANK = re.compile(rb"[\r\n]+")
_VERSIONS = (HttpVersion11, HttpVersion10)
_BETWEEN = len(": \r\n")
_PORTS = {"http": ":80", "https": ":443"}
_HOST = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=%-]*|\[[0-9A-Fa-f:.]+\])(?::[0-9]*)?")
"""A name or an address, and a port (RFC 3986 §3.2.2); it may be empty."""


def end_of_part(data: bytes, begin: int) -> int:
    """Return where a part of what came ends that is parsed by itself: no later than a head does."""
    if data.startswith(LINE_ENDS, begin) and (blank := _BLANK.match(data, begin)):
        return blank.end()  # It may be the last of a head that began in other bytes.
    end = data.find(HEAD_END, begin)
    return len(data) if end < 0 else end + len(HEAD_END)


def checked_path(raw: Request) -> str:
    """Return the path on this server that a request's target names, percent-encoded as it came.

    ``Host`` must be a host, and a target in absolute form must name the same (RFC 9112 §3.2,
    RFC 9110 §4.2.3).
    Raises `InvalidRequest`, `HeadTooLarge`, `BodyTooLarge`, `VersionOfHttp`.
    """
    message = raw.message
    if message.version not in _VERSIONS:
        raise VersionOfHttp("This server speaks HTTP/1.1 and HTTP/1.0.")
    size = sum([len(name) + len(value) + _BETWEEN for name, value in message.raw_headers])
    if size > MAX_HEAD_BYTES:
        raise HeadTooLarge(f"The headers may have {MAX_HEAD_BYTES} bytes at most.")
    if "Transfer-Encoding" in raw.headers:
        _check_codings(raw)
    if not raw.has_body and raw.content_length:
        # The parser takes 2^64 - 1 for no length, and what follows for that body all the same.
        raise BodyTooLarge("No body may be as long as Content-Length says.")
    host = raw.headers.get("Host", "")
    if not _is_host(host):
        raise InvalidRequest("The header Host must name a host.", header="Host")
    if raw.path.startswith("/") and raw.method != "CONNECT":
        return raw.path
    scheme, _, rest = raw.path.partition("://")
    named, slash, local = rest.partition("/")
    # The port that goes without saying may be said.
    port = _PORTS.get(scheme.lower())
    if port and named.lower().removesuffix(port) == host.lower().removesuffix(port):
        return slash + local
    raise InvalidRequest("The request must name a path on this server.")


def _check_codings(raw: Request) -> None:
    """Refuse what two readers might end at different places (RFC 9112 §6.1)."""
    if raw.message.version == HttpVersion10:
        raise InvalidRequest("HTTP/1.0 has no Transfer-Encoding.", header="Transfer-Encoding")
    if not all(map(str.strip, raw.headers.getall("Transfer-Encoding"))):
        # To the parser an empty one is none.
        detail = "The header Transfer-Encoding must name a coding."
        raise InvalidRequest(detail, header="Transfer-Encoding")


@lru_cache(maxsize=64)
def _is_host(text: str) -> bool:
    return _HOST.fullmatch(text) is not None


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
        if isinstance(exc, BadHttpMethod):
            what = "This begins with no method of HTTP/1.1 that this server knows."
        else:
            what = "This is not well-formed HTTP/1.1."
        return InvalidRequest(what)
    return Internal("The shop made a mistake.")
