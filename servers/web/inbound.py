"""One connection from a client: what it may cost, and what it is told when it costs more.

aiohttp parses and answers; here are the limits around that. A head has to come in time and
stay small, an answer has to be taken, a request is stamped when it arrives, and one that
comes to a full server is refused before anything is done about it. What a request means is
not known here.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Protocol, cast

from aiohttp import HttpVersion11, web
from aiohttp.http_exceptions import BadHttpMessage, LineTooLong
from aiohttp.streams import EMPTY_PAYLOAD

# aiohttp's own mark in its queue for what is no request; there is no public one.
from aiohttp.web_protocol import _ErrInfo

from servers.domain.errors import (
    HeadTooLarge,
    Internal,
    InvalidRequest,
    RequestTimeout,
    ShopError,
    UriTooLong,
)
from servers.web.limits import HEAD_S, MAX_HEAD_BYTES, MAX_HEAD_LINE_BYTES, MAX_HEADERS, STALL_S

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from aiohttp.http import RawRequestMessage

    from servers.web.app import App

_MAX_UNREAD_HEAD_BYTES = MAX_HEAD_BYTES + MAX_HEAD_LINE_BYTES


class Request(web.BaseRequest):
    """A request that knows when its head had arrived, and whether it came by a spare connection."""

    arrived_s: float
    spare: bool
    timer: Callable[[], float]

    def age_s(self) -> float:
        """Return the seconds since its head had arrived."""
        return self.timer() - self.arrived_s


class Room(Protocol):
    """What a connection asks of the server that it belongs to."""

    def admit(self, connection: Inbound, transport: asyncio.Transport) -> bool:
        """Take the connection in, or send it away; it may become a spare one."""

    def head_begun(self, connection: Inbound) -> None:
        """Call `Inbound.head_is_late` unless `head_ended` comes in time."""

    def head_ended(self, connection: Inbound) -> None:
        """Stop waiting for a head."""


class Inbound(web.RequestHandler):
    """aiohttp's connection within the shop's limits, and with its answer to what is no HTTP."""

    __slots__ = ("_app", "_arrivals", "_head_bytes", "_in_head", "_room", "_stalled", "spare")

    def __init__(self, manager: web.Server, app: App, room: Room, **options: Any) -> None:
        super().__init__(manager, **options)
        self.spare = False
        self._app = app
        self._room = room
        self._arrivals: deque[float] = deque()
        self._in_head = False
        self._head_bytes = 0
        self._stalled: asyncio.TimerHandle | None = None

    def arrival_s(self) -> float:
        """Return when the request that is begun now had arrived, on the application's timer."""
        if not self._arrivals:
            return self._app.timer()
        self._app.waiting -= 1
        return self._arrivals.popleft()

    # What the transport calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, if there is room, with waiting for a first head."""
        if self._room.admit(self, cast("asyncio.Transport", transport)):
            super().connection_made(transport)
            self._await_head()

    def connection_lost(self, exc: BaseException | None) -> None:
        """End, and let go of what waits."""
        self._head_came()
        self._taken_again()
        self._app.waiting -= len(self._arrivals)
        self._arrivals.clear()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes; that a head has begun or is whole is noted."""
        known = self._request_count
        app = self._app
        # Those that arrived in this turn of the loop are not under way yet, but soon will be.
        if self.spare or app.in_flight + app.waiting >= app.max_in_flight:
            self._take_when_full(data)
        else:
            super().data_received(data)
        if self._request_count != known:
            while len(self._arrivals) < len(self._messages):
                self._note_arrival()
            if self._in_head:
                self._head_came()
        elif data and (self._in_head or (self._idle() and not data.isspace())):
            self._take_part_of_head(len(data))

    def pause_writing(self) -> None:
        """Note that the client has too much of an answer to take."""
        super().pause_writing()
        self._watch_taking()

    def resume_writing(self) -> None:
        """Note that the client has taken it."""
        self._taken_again()
        super().resume_writing()

    # What aiohttp calls

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer problem+json where no application was asked; the connection closes."""
        del message  # aiohttp's text repeats what the client sent.
        if request.writer.output_size > 0:
            raise ConnectionError("an answer was begun already")
        return self._app.refuse(cast("Request", request), _refusal(status, exc))

    # Heads

    def head_is_late(self) -> None:
        """Close; with an answer, if there is a part of a request that it can be for."""
        if self._head_bytes:
            detail = f"The head of the request did not arrive within {HEAD_S:.0f} s."
            self._refuse(RequestTimeout(detail))
        else:
            self.force_close()

    def _await_head(self) -> None:
        self._in_head = True
        self._room.head_begun(self)

    def _head_came(self) -> None:
        if self._in_head:
            self._in_head = False
            self._head_bytes = 0
            self._room.head_ended(self)

    def _take_part_of_head(self, size: int) -> None:
        if not self._in_head:
            self._await_head()
        self._head_bytes += size
        if self._head_bytes > _MAX_UNREAD_HEAD_BYTES:
            # The parser counts lines, not all of them together, before it has the last.
            self._refuse(HeadTooLarge(f"The headers may have {MAX_HEAD_BYTES} bytes at most."))

    def _refuse(self, error: ShopError) -> None:
        """Let aiohttp answer an error in the place of a request, and close."""
        self._head_came()
        self._messages.append((_ErrInfo(error.status, error, ""), EMPTY_PAYLOAD))
        self._note_arrival()
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def _note_arrival(self) -> None:
        self._arrivals.append(self._app.timer())
        self._app.waiting += 1

    def _idle(self) -> bool:
        """Say whether the next bytes begin a head: no request is under way."""
        return self._waiter is not None and not self._waiter.done()

    # A full server

    def _take_when_full(self, data: bytes) -> None:
        """Parse, and refuse at once what can be refused without a task and a request object.

        Requests with a body, and whatever else is not plain, go the ordinary way and are
        refused there: only the parser knows where they end.
        """
        idle, waiter = self._idle(), self._waiter
        self._waiter = None  # So that nobody is woken for what is refused here.
        super().data_received(data)
        self._waiter = waiter
        if waiter is None or not idle or waiter.done():
            return
        while self._messages and self._refuse_plain(*self._messages[0]):
            self._messages.popleft()
            if self._parser is not None:
                self._parser.message_consumed()
        if self._messages and not waiter.done():
            waiter.set_result(None)

    def _refuse_plain(self, message: RawRequestMessage | _ErrInfo, payload: object) -> bool:
        """Answer a request of one head and nothing else; return whether it was one."""
        if (
            isinstance(message, _ErrInfo)
            or payload is not EMPTY_PAYLOAD
            or message.version != HttpVersion11
            or message.method == "HEAD"
            or message.upgrade
            or self._paused
            or self.transport is None
        ):
            return False
        refusal = self._app.shed(message, close=self.spare or message.should_close)
        if refusal is None:
            return False
        self.transport.write(refusal)
        self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
        if self.spare or message.should_close:
            self.force_close()
        return True

    # Answers that are not taken

    def _watch_taking(self, before_bytes: int | None = None) -> None:
        """Look from time to time whether the client takes anything; if not, be done with it."""
        transport = self.transport
        if transport is None:
            return
        waiting_bytes = transport.get_write_buffer_size()
        if before_bytes is not None and waiting_bytes >= before_bytes:
            transport.abort()
        else:
            self._stalled = self._loop.call_later(STALL_S, self._watch_taking, waiting_bytes)

    def _taken_again(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None


def _refusal(status: int, exc: BaseException | None) -> ShopError:
    """Return what aiohttp, or this module, found wrong as one of the shop's errors."""
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
