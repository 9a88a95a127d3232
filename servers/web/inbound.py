"""One connection from a client: what it may cost, and what it is told when it costs more.

aiohttp parses and `Conversation` answers; here are the limits around that. A head has to come
in time and stay small, an answer has to be taken, a request is stamped when it arrives, and
one that comes to a full server is refused before anything is done about it. What a request
means is not known here.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Protocol, cast

from aiohttp import HttpVersion11, web
from aiohttp.streams import EMPTY_PAYLOAD

# aiohttp's own mark in its queue for what is no request; there is no public one.
from aiohttp.web_protocol import _ErrInfo

from servers.domain.errors import HeadTooLarge, InvalidRequest, RequestTimeout
from servers.web.conversation import Conversation
from servers.web.limits import HEAD_S, MAX_HEAD_BYTES, MAX_HEAD_LINE_BYTES, STALL_S

if TYPE_CHECKING:
    import asyncio

    from aiohttp.http import RawRequestMessage

    from servers.domain.errors import ShopError
    from servers.web.app import App

_MAX_UNREAD_HEAD_BYTES = MAX_HEAD_BYTES + MAX_HEAD_LINE_BYTES


class Room(Protocol):
    """What a connection asks of the server that it belongs to."""

    def admit(self, connection: Inbound, transport: asyncio.Transport) -> bool:
        """Take the connection in, or send it away; it may become a spare one."""

    def head_begun(self, connection: Inbound) -> None:
        """Call `Inbound.head_is_late` unless `head_ended` comes in time."""

    def head_ended(self, connection: Inbound) -> None:
        """Stop waiting for a head."""

    def see_off(self, transport: asyncio.Transport) -> bool:
        """Close a connection after its last answer, once its client has hung up, if it can."""

    def leave_unread(self, transport: asyncio.Transport) -> None:
        """Read nothing of a connection for a moment."""


class Inbound(Conversation):
    """A conversation within the shop's limits.

    The parser does not tell all: a part of a head behind a whole request is not known of, nor
    its time begun, until more of it comes.
    """

    __slots__ = ("_arrivals", "_head_bytes", "_in_head", "_no_more", "_room", "_stalled")

    def __init__(self, manager: web.Server, app: App, room: Room, **options: Any) -> None:
        super().__init__(manager, app, **options)
        self._room = room
        self._arrivals: deque[float] = deque()
        self._in_head = False
        self._head_bytes = 0
        self._no_more = False
        self._stalled: asyncio.TimerHandle | None = None

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
        """Take bytes: what is a whole request now is begun, queued or refused."""
        known, idle = self._request_count, self._idle()
        waiter, self._waiter = self._waiter, None  # Whom aiohttp would wake is woken below.
        super().data_received(data)
        self._waiter = waiter
        if self._request_count > known:
            self._find_wrong_body()
        else:
            if data and (self._in_head or (idle and not data.isspace())):
                self._take_part_of_head(len(data))
            return
        if self._in_head:
            self._head_came()
        if idle and (self.spare or self._app.full):
            self._refuse_plain()
        while len(self._arrivals) < len(self._messages):
            self._note_arrival()
        if idle and self._messages:
            # So that aiohttp does not take it for idle while it waits for its turn.
            self._still_alive()
            self._app.turns.begin(self._wake)
        elif idle and self._request_count - known >= self._max_msg_queue_size:
            # The parser stops at so many, and all of them were refused: there may be more.
            self._loop.call_soon(self._read_more)

    def eof_received(self) -> bool | None:  # type: ignore[override]  # asyncio's type, not aiohttp's
        """Answer what came before the client ended its side, and then close.

        What it did not send to the end is refused, so that it is not waited for.
        """
        if self.transport is None or self.transport.get_extra_info("sslcontext") is not None:
            return None  # TLS knows no connection that is closed on one side.
        if self._in_head and self._head_bytes:
            self._refuse_head(InvalidRequest("The request broke off in its head."))
        elif self._idle():
            return None
        for content in (self._content, *[content for _, content in self._messages]):
            if not content.is_eof():
                content.set_exception(web.RequestPayloadError("the body broke off"))
                content.feed_eof()
        self._no_more = True
        self._close = not self._messages  # Else the last of them is not begun yet.
        return True

    def pause_writing(self) -> None:
        """Note that the client has too much of an answer to take."""
        super().pause_writing()
        if self.transport is not None:
            self._watch_taking(self.transport)

    def resume_writing(self) -> None:
        """Note that the client has taken it."""
        self._taken_again()
        super().resume_writing()

    # What the conversation calls

    def force_close(self) -> None:
        """Close; a client that does not take the last answer keeps the connection no longer."""
        transport = self.transport
        super().force_close()
        if transport is not None and self._stalled is None and transport.get_write_buffer_size():
            self._watch_taking(transport)

    def _begun(self) -> float:
        """Take note that a request is begun; return when it had arrived, on the timer."""
        if self._no_more and not self._messages:
            self._close = True  # This one is the last.
        if not self._arrivals:
            return self.timer()
        self._app.waiting -= 1
        return self._arrivals.popleft()

    def _see_off(self) -> None:
        transport = self.transport
        if transport is None or transport.is_closing() or transport.get_write_buffer_size():
            return  # The client is gone, or has yet to take an answer; that is waited for longer.
        if self._room.see_off(transport):
            self.transport = None
            self.connection_lost(None)

    # Heads

    def head_is_late(self) -> None:
        """Close; with an answer, if there is a part of a request that it can be for."""
        if self._head_bytes:
            detail = f"The head of the request did not arrive within {HEAD_S:.0f} s."
            self._refuse_head(RequestTimeout(detail))
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
            self._refuse_head(HeadTooLarge(f"The headers may have {MAX_HEAD_BYTES} bytes at most."))

    def _refuse_head(self, error: ShopError) -> None:
        """Let aiohttp answer an error in the place of a request, and close."""
        self._head_came()
        self._refuse(error)
        self._note_arrival()
        self._wake()

    def _note_arrival(self) -> None:
        self._arrivals.append(self.timer())
        self._app.waiting += 1

    def _find_wrong_body(self) -> None:
        """Where the parser found an error in a body, let the request that it is of be told so."""
        message, _ = self._messages[-1]
        body = self._messages[-2][1] if len(self._messages) > 1 else self._content
        if isinstance(message, _ErrInfo) and not body.is_eof():
            self._messages.pop()
            body.set_exception(web.RequestPayloadError("the body is not well formed"))
            self._no_more = True
            self._close = not self._messages

    def _idle(self) -> bool:
        """Say whether the next bytes begin a head: no request is under way or waits."""
        return self._waiter is not None and not self._waiter.done() and not self._messages

    def _wake(self) -> None:
        """Let aiohttp's task begin what is queued, unless the client is gone meanwhile."""
        waiter, transport = self._waiter, self.transport
        if waiter is None or waiter.done() or transport is None or transport.is_closing():
            return
        if self._messages:
            waiter.set_result(None)

    def _read_more(self) -> None:
        """Read what was not read because there was so much of it."""
        if self.transport is None:
            return
        if self._buffer_paused:
            self._resume_reading_if_drained()
        else:
            self.data_received(b"")

    # A full server

    def _refuse_plain(self) -> None:
        """Refuse at once what can be refused without a task and a request object.

        Requests with a body, and whatever else is not plain, go the ordinary way and are
        refused there: only the parser knows where they end.
        """
        while self._messages and self._shed(*self._messages[0]):
            self._messages.popleft()
            if self._parser is not None:
                self._parser.message_consumed()
        if self.transport is None:
            self._messages.clear()  # It is closed, and what was sent behind the last is dropped.
        elif not (self._messages or self._buffer_paused):
            self._room.leave_unread(self.transport)

    def _shed(self, message: RawRequestMessage | _ErrInfo, payload: object) -> bool:
        """Answer a request of one head and nothing else; return whether it was one."""
        if (
            isinstance(message, _ErrInfo)
            or payload is not EMPTY_PAYLOAD
            or "Content-Length" in message.headers
            or message.version != HttpVersion11
            or message.method == "HEAD"
            or message.upgrade
            or self._paused
            or self.transport is None
        ):
            return False
        close = self.spare or message.should_close
        refusal = self._app.shed(message, close=close)
        if refusal is None:
            return False
        self.transport.write(refusal)
        self._still_alive()
        if close:
            self._see_off()
            self.force_close()
        return True

    # Answers that are not taken

    def _watch_taking(self, transport: asyncio.Transport, before_bytes: int | None = None) -> None:
        """Look from time to time whether the client takes anything; if not, be done with it."""
        waiting_bytes = transport.get_write_buffer_size()
        if before_bytes is not None and waiting_bytes >= before_bytes:
            transport.abort()
        else:
            self._stalled = self._loop.call_later(
                STALL_S, self._watch_taking, transport, waiting_bytes
            )

    def _taken_again(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None
