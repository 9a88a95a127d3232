"""One request as it came: its head, its body as a stream, and when its head had arrived.

Nothing is decoded here. What the route table makes of a request is ``call``'s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from aiohttp.streams import EMPTY_PAYLOAD
from aiohttp.web import RequestPayloadError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from aiohttp.http import RawRequestMessage
    from aiohttp.streams import StreamReader


class Connection(Protocol):
    """What a request asks of the connection that it came by."""

    spare: bool
    """Whether there was no room for the connection, but for health and refusals."""

    timer: Callable[[], float]

    @property
    def peername(self) -> Any:
        """The address of the other side."""

    def say(self, data: bytes) -> None:
        """Write something. Raises ConnectionResetError where the client is gone."""


class Request:
    """A request; ``path`` and ``query`` are percent-encoded as they came.

    ``request_id`` is the caller's own where it sent one that can be kept, else made by us.
    ``arrived_s`` is on the connection's timer.
    """

    __slots__ = (
        *("arrived_s", "connection", "content", "headers", "message", "method"),
        *("path", "query", "request_id"),
    )

    def __init__(
        self,
        message: RawRequestMessage,
        content: StreamReader,
        connection: Connection,
        arrived_s: float,
    ) -> None:
        self.message = message
        self.method = message.method
        self.headers = message.headers
        self.path, _, self.query = message.path.partition("?")
        self.content = content
        self.connection = connection
        self.arrived_s = arrived_s
        self.request_id = ""

    @property
    def has_body(self) -> bool:
        """Whether a body follows the head, were it of no bytes."""
        return self.content is not EMPTY_PAYLOAD

    @property
    def content_length(self) -> int | None:
        """How long its body is, where it says so; the parser has checked that it is a number."""
        length = self.headers.get("Content-Length")
        # Zeros before it are allowed, and Python reads no number of thousands of digits.
        return None if length is None else int(length.lstrip("0") or "0")

    @property
    def remote(self) -> str:
        """The address that it came from; nothing where there is none, as on a Unix socket."""
        name = self.connection.peername
        return str(name[0]) if isinstance(name, tuple) else ""

    def age_s(self) -> float:
        """Return the seconds since its head had arrived."""
        return self.connection.timer() - self.arrived_s

    def _cancel(self, exc: BaseException) -> None:
        """Wake whoever waits for the body; aiohttp calls this when the client is gone."""
        del exc
        self.content.set_exception(RequestPayloadError("the client is gone"))
