"""How many connections a server takes, and how those end for which there is no room, or no more.

Lives here: the count, the spare ones, the clock on heads that do not come, the last second of
a connection. What one connection may do is ``inbound``'s.
"""

from __future__ import annotations

import asyncio
import logging
import resource
from typing import TYPE_CHECKING

from servers.domain.errors import Overloaded
from servers.web.answers import PROBLEM, problem
from servers.web.limits import (
    HANG_UP_S,
    HEAD_S,
    MAX_GOING,
    SPARE_CONNECTIONS,
    SPARE_FILES,
    UNREAD_S,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from servers.web.inbound import Inbound

_LOOK_AGAIN_S = 0.25
_SAY_AGAIN_S = 10.0
_WANTED_FILES = 16_384

_log = logging.getLogger(__name__)


class ConnectionRoom:
    """The connections of one server; ``count`` says how many it has."""

    def __init__(self, max_connections: int, count: Callable[[], int]) -> None:
        self.turned_away = 0
        self._max = max_connections
        self._count = count
        self._going: set[_Going] = set()
        self._unread: list[asyncio.Transport] = []
        self._loop = asyncio.get_running_loop()
        self._heads: dict[Inbound, float] = {}
        """Connections that owe a head, the one that owes it longest first."""
        self._look: asyncio.TimerHandle | None = None
        self._said_s = float("-inf")

    def admit(self, connection: Inbound, transport: asyncio.Transport) -> bool:
        """Take the connection in, or send it away; it may become a spare one."""
        count = self._count()
        if count < self._max:
            return True
        if count < self._max + SPARE_CONNECTIONS:
            connection.spare = True
            return True
        self._turn_away(transport)
        return False

    def head_begun(self, connection: Inbound) -> None:
        """Call `Inbound.head_is_late` unless `head_ended` comes in time."""
        self._heads[connection] = self._loop.time() + HEAD_S
        if self._look is None:
            self._look = self._loop.call_later(_LOOK_AGAIN_S, self._look_for_late)

    def head_ended(self, connection: Inbound) -> None:
        """Stop waiting for a head."""
        self._heads.pop(connection, None)

    def see_off(self, transport: asyncio.Transport) -> bool:
        """Close a connection after its last answer, once its client has hung up.

        Were it closed with something unread, the answer could be lost (RFC 9112 §9.6). False
        where so many are going already that it is not closed.
        """
        if len(self._going) >= MAX_GOING:
            return False
        transport.set_protocol(_Going(self._going, transport))
        if transport.can_write_eof():
            transport.write_eof()
            transport.resume_reading()
        else:  # TLS, whose end has to be answered by the client, too.
            transport.close()
        return True

    def leave_unread(self, transport: asyncio.Transport) -> None:
        """Read nothing more of a connection for a moment.

        It was refused and told to come back in a second. Whoever asks again at once is not to
        keep the server from what it has under way.
        """
        if transport.is_closing():
            return
        transport.pause_reading()
        if not self._unread:
            self._loop.call_later(UNREAD_S, self._read_again)
        self._unread.append(transport)

    def _read_again(self) -> None:
        unread, self._unread = self._unread, []
        for transport in unread:
            if not transport.is_closing():
                transport.resume_reading()

    def close(self) -> None:
        """Wait for none of those that are going."""
        for each in self._going.copy():
            each.abort()

    def _look_for_late(self) -> None:
        # One timer for all: a timer for each head would cost every new connection.
        now_s = self._loop.time()
        late = []
        for connection, due_s in self._heads.items():
            if due_s > now_s:
                break
            late.append(connection)
        for connection in late:
            self._heads.pop(connection, None)
            connection.head_is_late()
        again = bool(self._heads)
        self._look = self._loop.call_later(_LOOK_AGAIN_S, self._look_for_late) if again else None

    def _turn_away(self, transport: asyncio.Transport) -> None:
        self.turned_away += 1
        now_s = self._loop.time()
        if now_s >= self._said_s + _SAY_AGAIN_S:
            self._said_s = now_s
            _log.warning(
                "no room: %d connections are open, %d were turned away since the start",
                self._count(),
                self.turned_away,
            )
        if len(self._going) >= MAX_GOING:
            transport.abort()
            return
        transport.write(_no_room())
        self.see_off(transport)


class _Going(asyncio.Protocol):
    """A connection that had its last answer. What its client still sends is not looked at."""

    def __init__(self, going: set[_Going], transport: asyncio.Transport) -> None:
        self.abort = transport.abort
        self._going = going
        self._timer = asyncio.get_running_loop().call_later(HANG_UP_S, self.abort)
        going.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Make room for the next; the client has hung up, or its time is over."""
        del exc
        self._going.discard(self)
        self._timer.cancel()


def _no_room() -> bytes:
    """Return the answer to a connection for which there is no room."""
    detail = "Too many connections are open; nothing was done. Try again in a second."
    body = bytes(problem(Overloaded(detail)).body)
    return (
        "HTTP/1.1 503 Service Unavailable\r\nServer: bookstore\r\nRetry-After: 1\r\n"
        f"Content-Type: {PROBLEM}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    ).encode() + body


def raise_file_limit() -> None:
    """Let this process have as many open files as the system allows it, up to what it may need."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _WANTED_FILES if hard == resource.RLIM_INFINITY else min(hard, _WANTED_FILES)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def connections_within_files(wanted: int) -> int:
    """Return how many connections the limit on open files leaves room for, ``wanted`` at most.

    A server that runs out of files can neither call another nor open its database.
    """
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return wanted
    possible = max(soft - SPARE_FILES - SPARE_CONNECTIONS - MAX_GOING, soft // 4)
    if possible < wanted:
        _log.warning(
            "only %d connections instead of %d: this process may open no more than %d files"
            " (see ulimit -n)",
            possible,
            wanted,
            soft,
        )
    return min(wanted, possible)
