"""Refusing requests at the least cost, while a server has as many under way as it takes.

At many times the load that a server can carry, saying no is most of its work. So it is said
without a route, a task, a request object or an exception: the answer is made once.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from servers.domain.errors import Overloaded
from servers.web.answers import PROBLEM, problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from aiohttp.http import RawRequestMessage

    from servers.domain.protocols import Clock
    from servers.web.log import AccessLog
    from servers.web.metrics import Metrics
    from servers.web.routes import Route

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")
"""What is kept of `X-Request-Id`; anything else is replaced."""

FULL = "Too many requests are under way; nothing was done. Try again in a second."


class Shedding:
    """Makes the refusals of one server; each is counted and logged like any answer."""

    def __init__(
        self,
        routes: Iterable[Route],
        clock: Clock,
        new_request_id: Callable[[], str],
        metrics: Metrics | None,
        access_log: AccessLog | None,
    ) -> None:
        self._always = frozenset(route.path for route in routes if route.health)
        self._clock = clock
        self._new_request_id = new_request_id
        self._metrics = metrics
        self._access_log = access_log
        body = bytes(problem(Overloaded(FULL)).body)
        self._size = len(body)
        self._body = b"\r\n\r\n" + body
        self._head = (
            "HTTP/1.1 503 Service Unavailable\r\nServer: bookstore\r\nRetry-After: 1\r\n"
            f"Content-Type: {PROBLEM}\r\nContent-Length: {len(body)}\r\n"
        )

    def is_exempt(self, path: str) -> bool:
        """Say whether a path is answered at any load."""
        return path in self._always

    def refusal(self, message: RawRequestMessage, *, close: bool) -> bytes | None:
        """Return the whole answer to a request, or None for one that is never refused."""
        path = message.path.partition("?")[0]
        if self.is_exempt(path):
            return None
        request_id = message.headers.get("X-Request-Id")
        if request_id is None or not REQUEST_ID.match(request_id):
            request_id = self._new_request_id()
        if self._metrics is not None:
            self._metrics.count("any", "none", Overloaded.status, 0.0)
        if self._access_log is not None:
            self._access_log.line(
                self._clock.now_ms(),
                message.method,
                path,
                Overloaded.status,
                0.0,
                self._size,
                request_id,
                ',"shed":true',
            )
        ending = "Connection: close\r\n" if close else ""
        return f"{self._head}{ending}X-Request-Id: {request_id}".encode() + self._body
