"""The body of a request: how much of it is read, for how long, and what it must be.

What is refused is refused before it is read, where its head tells. Decoding is ``codec``'s.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiohttp import HttpVersion10
from aiohttp.web import RequestPayloadError

from servers.domain.errors import BodyTooLarge, InvalidRequest, RequestTimeout, UnsupportedMedia
from servers.web.answers import JSON
from servers.web.codec import decode_body, is_json
from servers.web.limits import BODY_S, MAX_BODY_BYTES

if TYPE_CHECKING:
    from aiohttp.streams import StreamReader

    from servers.web.request import Request
    from servers.web.routes import Route

BROKEN = "The body broke off or was not well formed."


async def read_body(raw: Request, route: Route, due_s: float) -> object:
    """Return the body as the route declares it: a struct, bytes, or None.

    ``due_s`` is when the answer is due, on the loop's clock: no body is awaited longer.

    Raises `BodyTooLarge`, `UnsupportedMedia`, `RequestTimeout` and `InvalidRequest`.
    """
    data = await _read(raw, route.raw_body_bytes or MAX_BODY_BYTES, due_s)
    if route.raw_body_bytes:
        if data and not is_json(raw.headers.getall("Content-Type", ())):
            raise UnsupportedMedia(f"Send the body as Content-Type: {JSON}.")
        return data
    if route.body is None:
        if data.strip() not in {b"", b"{}"}:
            raise InvalidRequest("This path takes no body.")
        return None
    if not data:
        if route.body_optional:
            return route.body()
        raise InvalidRequest("A JSON body is needed.")
    if not is_json(raw.headers.getall("Content-Type", ())):
        raise UnsupportedMedia(f"Send the body as Content-Type: {JSON}.")
    return decode_body(data, route.body)


async def _read(raw: Request, limit_bytes: int, due_s: float) -> bytes:
    """Return the body, which must not be encoded nor longer than ``limit_bytes``."""
    if not accept_head(raw, limit_bytes):
        return b""
    try:
        if raw.content.is_eof():  # All of it is there, as mostly: there is no wait to limit.
            data = raw.content.read_nowait()
        else:
            async with asyncio.timeout_at(min(asyncio.get_running_loop().time() + BODY_S, due_s)):
                data = await _awaited(raw.content, limit_bytes)
    except RequestPayloadError:
        raise InvalidRequest(BROKEN) from None
    except TimeoutError:
        raise RequestTimeout("The body did not arrive in time.") from None
    if len(data) > limit_bytes:
        raise BodyTooLarge(f"The body may have {limit_bytes} bytes at most.")
    return data


def accept_head(raw: Request, limit_bytes: int) -> bool:
    """Return whether a body follows, and let it come, where its head says nothing against it.

    Raises `BodyTooLarge`, `UnsupportedMedia` and `InvalidRequest`.
    """
    length = raw.content_length
    if length is not None and length > limit_bytes:
        raise BodyTooLarge(f"The body may have {limit_bytes} bytes at most.")
    if not raw.has_body:
        return False
    if any(each.lower() != "identity" for each in raw.headers.getall("Content-Encoding", ())):
        raise UnsupportedMedia("Send the body as it is, without Content-Encoding.")
    coding = raw.headers.get("Transfer-Encoding")
    if coding is not None and coding.strip().lower() != "chunked":
        raise UnsupportedMedia("Send the body with no Transfer-Encoding but chunked.")
    if "Expect" in raw.headers:
        _meet_expectation(raw)
    return True


async def _awaited(content: StreamReader, limit_bytes: int) -> bytes:
    """Return a body as it comes, up to its end or to what is too much."""
    parts: list[bytes] = []
    size = 0
    while size <= limit_bytes and (chunk := await content.readany()):
        parts.append(chunk)
        size += len(chunk)
    return b"".join(parts)


def _meet_expectation(raw: Request) -> None:
    """Tell a client that waits with its body to go on (RFC 9110 §10.1.1)."""
    if raw.headers["Expect"].lower() != "100-continue":
        detail = "The only expectation that is met is 100-continue."
        raise InvalidRequest(detail, header="Expect")
    if raw.message.version != HttpVersion10:
        try:
            raw.connection.say(b"HTTP/1.1 100 Continue\r\n\r\n")
        except ConnectionError:
            raise InvalidRequest(BROKEN) from None
