"""A body that its handler reads as it comes: how long it may be, and how long it may be silent.

It has no deadline of its own. A server that stops ends it, and so does a client that goes.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiohttp.web import RequestPayloadError

from servers.domain.errors import (
    BodyTooLarge,
    InvalidRequest,
    RequestTimeout,
    Unavailable,
    UnsupportedMedia,
)
from servers.web.body import BROKEN, accept_head
from servers.web.codec import is_media_type
from servers.web.limits import STREAM_IDLE_S

if TYPE_CHECKING:
    from servers.web.request import Request
    from servers.web.routes import Streamed


class BodyStream:
    """The body of one request, read in the parts that it comes in."""

    def __init__(self, raw: Request, form: Streamed, due_s: float) -> None:
        self._content = raw.content
        self._max_bytes = form.max_bytes
        self._due_s = due_s
        self._read_bytes = 0
        self._silence: asyncio.Timeout | None = None
        self._stopping = False

    async def read(self) -> bytes:
        """Return what has come; nothing at the end.

        Raises `BodyTooLarge`, `InvalidRequest` where it breaks off, `RequestTimeout` where
        nothing comes, and `Unavailable` where the server stops.
        """
        now_s = asyncio.get_running_loop().time()
        if self._stopping:
            raise _stopped()
        try:
            async with asyncio.timeout_at(min(now_s + STREAM_IDLE_S, self._due_s)) as self._silence:
                data = await self._content.readany()
        except RequestPayloadError:
            raise InvalidRequest(BROKEN) from None
        except TimeoutError:
            if self._stopping:
                raise _stopped() from None
            raise RequestTimeout("Nothing more of the body came in time.") from None
        finally:
            self._silence = None
        self._read_bytes += len(data)
        if self._read_bytes > self._max_bytes:
            raise _too_large(self._max_bytes)
        return data

    def stop(self) -> None:
        """Let the next read, or the one that waits, end with `Unavailable`."""
        self._stopping = True
        if self._silence is not None:
            self._silence.reschedule(asyncio.get_running_loop().time())


def open_stream(raw: Request, form: Streamed, due_s: float) -> BodyStream:
    """Return the body of a request as a stream, its head checked.

    Raises `BodyTooLarge`, `UnsupportedMedia` and `InvalidRequest`.
    """
    if raw.has_body and not is_media_type(raw.headers.getall("Content-Type", ()), form.media_type):
        raise UnsupportedMedia(f"Send the body as Content-Type: {form.media_type}.")
    accept_head(raw, form.max_bytes)
    return BodyStream(raw, form, due_s)


def _too_large(max_bytes: int) -> BodyTooLarge:
    return BodyTooLarge(f"The body may have {max_bytes} bytes at most.")


def _stopped() -> Unavailable:
    return Unavailable("The server stops. Try again in a moment.")
