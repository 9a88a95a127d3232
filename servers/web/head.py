"""The head of a request: what of HTTP itself is refused before a route is looked for.

aiohttp's parser refuses most of what is malformed. Lives here: what it lets through.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import HttpVersion10, HttpVersion11

from servers.domain.errors import HeadTooLarge, InvalidRequest
from servers.web.limits import MAX_HEAD_BYTES

if TYPE_CHECKING:
    from aiohttp.web import BaseRequest

_VERSIONS = (HttpVersion11, HttpVersion10)
_BETWEEN = len(": \r\n")


def checked_path(raw: BaseRequest, path: str) -> str:
    """Return the path on this server that a request's target names, percent-encoded as it came.

    ``path`` is the target without its query. One in absolute form must name the host that
    ``Host`` names (RFC 9112 §3.2.2). Raises `InvalidRequest`, `HeadTooLarge`.
    """
    if raw.version not in _VERSIONS:
        raise InvalidRequest("This server speaks HTTP/1.1 and HTTP/1.0.")
    size = sum([len(name) + len(value) + _BETWEEN for name, value in raw.raw_headers])
    if size > MAX_HEAD_BYTES:
        raise HeadTooLarge(f"The headers may have {MAX_HEAD_BYTES} bytes at most.")
    if path.startswith("/") and raw.method != "CONNECT":
        return path
    scheme, _, rest = path.partition("://")
    host, slash, local = rest.partition("/")
    if scheme.lower() in {"http", "https"} and host.lower() == raw.headers.get("Host", "").lower():
        return slash + local
    raise InvalidRequest("The request must name a path on this server.")
