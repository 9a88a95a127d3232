"""The requests of one connection, answered one after the other.

aiohttp reads and parses, and keeps its connections' times; what it would make for each
request, an object with a cookie jar in reach, a writer and a task, this shop does not need.
What a connection may cost is ``inbound``'s.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from aiohttp import web
from aiohttp.streams import EMPTY_PAYLOAD

# aiohttp's own mark in its queue for what is no request; there is no public one.
from aiohttp.web_protocol import _ErrInfo

from servers.web.head import HEAD_END, LINE_ENDS, end_of_part, refusal_of
from servers.web.limits import LINGER_S
from servers.web.request import Request

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp.http import RawRequestMessage
    from aiohttp.streams import StreamReader

    from servers.domain.errors import ShopError
    from servers.web.app import App
    from servers.web.response import Response


_MAX_BARREN = 4
"""How often what looked like the end of a head may have been none, before that is not asked."""


class Conversation(web.RequestHandler):
    """aiohttp's connection, its requests answered by an `App`."""

    __slots__ = ("_app", "_content", "_unparsed", "spare", "timer")

    def __init__(self, manager: web.Server, app: App, **options: Any) -> None:
        super().__init__(manager, **options)
        self.spare = False
        self.timer: Callable[[], float] = app.timer
        self._app = app
        self._content: StreamReader = EMPTY_PAYLOAD
        """The body of the request under way."""
        self._unparsed = b""
        """What came behind as many requests as may wait."""

    def data_received(self, data: bytes) -> None:
        """Have bytes parsed, nothing together with a head that ends before it.

        Where the parser fails it forgets the requests that it has found in the same bytes. So
        those before stand for themselves: they are answered, and then what was wrong.
        """
        data, self._unparsed = self._unparsed + data, b""
        if data.find(HEAD_END) + len(HEAD_END) == len(data) and not data.startswith(LINE_ENDS):
            super().data_received(data)  # One head, as most of what comes.
        else:
            self._parse_in_parts(data)

    def _parse_in_parts(self, data: bytes) -> None:
        """Have one part parsed after the other.

        What comes behind as many requests as may wait is kept for later, what comes behind a
        mistake is dropped: the parser would find nothing in it.
        """
        end = barren = 0
        while True:
            known, begin = self._request_count, end
            # In a body there may be thousands of what looks like an end of a head.
            end = end_of_part(data, begin) if barren < _MAX_BARREN else len(data)
            super().data_received(data[begin:end])
            if end == len(data) or (self._messages and isinstance(self._messages[-1][0], _ErrInfo)):
                return
            if len(self._messages) >= self._max_msg_queue_size:
                self._unparsed = data[end:]
                return
            barren = 0 if self._request_count > known else barren + 1

    async def start(self) -> None:
        """Answer what comes until one side has enough; aiohttp runs this as a task."""
        try:
            await self._converse()
        except ConnectionError:
            pass  # The client is gone, and with it whoever would read an answer.
        except asyncio.CancelledError:
            self.force_close()
            raise
        finally:
            self._ended()
            self._task_handler = None
            self.force_close()

    def say(self, data: bytes) -> None:
        """Write something. Raises ConnectionResetError where the client is gone."""
        transport = self.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the client is gone")
        transport.write(data)

    async def _converse(self) -> None:
        # The flags are those that aiohttp's `shutdown` and `connection_lost` go by.
        while not self._force_close:
            if not self._messages:
                if self._close:
                    break  # The client ended its side before it had asked anything.
                await self._something()
            message, self._content = self._messages.popleft()
            self._request_in_progress = True
            late = not self._content.is_eof()
            response = await self._answer(message, self._begun())
            self.say(response.data)
            if self._paused:
                await self._drain_helper()
            if not self._content.is_eof():
                await self._drop_rest()
            if self._close or not response.keep_alive:
                if not (self._close and self._content.is_eof()):
                    self._see_off()
                break
            self._ended()
            if late and self._parser is not None:
                # The parser counts a request only once its body is whole.
                self._parser.message_consumed()
                self.data_received(b"")
            self._go_on()
            if self._messages:
                await asyncio.sleep(0)  # Whoever sends many requests ahead waits for the others.

    def _begun(self) -> float:
        """Take note that a request is begun; return when it had arrived, on the timer."""
        return self.timer()

    def _refuse(self, error: ShopError) -> None:
        """Have an error answered in the place of a request."""
        self._messages.append((_ErrInfo(error.status, error, ""), EMPTY_PAYLOAD))

    def _see_off(self) -> None:
        """Close, although the client may still be sending what nobody reads."""
        self.force_close()

    async def _something(self) -> None:
        """Wait for a request, or for what is none."""
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    async def _answer(self, message: RawRequestMessage | _ErrInfo, arrived_s: float) -> Response:
        self._read_on()
        if isinstance(message, _ErrInfo):
            return self._app.refuse(refusal_of(message.status, message.exc), arrived_s)
        request = Request(message, self._content, self, arrived_s)
        self._current_request = request  # type: ignore[assignment]  # aiohttp cancels it, no more
        return await self._app(request)

    def _read_on(self) -> None:
        """Let the parser go on if it stopped because so many requests were waiting."""
        if self._parser is not None and self._content.is_eof():
            self._parser.message_consumed()
        if self._buffer_paused and len(self._messages) <= self._msg_queue_resume_size:
            self._resume_reading_if_drained()

    async def _drop_rest(self) -> None:
        """Read and ignore what is left of a body that was refused.

        Were the connection closed at once, the answer could be lost with what is unread.
        """
        try:
            async with asyncio.timeout(LINGER_S):
                while not self._content.is_eof():
                    await self._content.readany()
        except (TimeoutError, web.RequestPayloadError):
            self._close = True

    def _ended(self) -> None:
        """Take note that no request is under way."""
        self._content = EMPTY_PAYLOAD
        self._current_request = None
        self._request_in_progress = False
        if self._handler_waiter is not None and not self._handler_waiter.done():
            self._handler_waiter.set_result(None)

    def _go_on(self) -> None:
        """Be ready for the next request."""
        self._still_alive()
        if self._keepalive_handle is None:
            self._keepalive_handle = self._loop.call_at(
                self._next_keepalive_close_time, self._process_keepalive
            )

    def _still_alive(self) -> None:
        """Begin anew to count how long the connection is idle."""
        self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
