"""One request as a handler sees it: parameters, query and body decoded, deadline running."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from servers.domain.errors import Overloaded
from servers.web.codec import parse_if_match, parse_key

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from servers.web.auth import Role
    from servers.web.request import Request
    from servers.web.routes import Route


class Call:
    """A request that has passed the door, the route table and the codec.

    ``path``, ``query`` and ``body`` are typed as the route declares. ``deadline_s`` is
    when the answer is due, on the event loop's clock. ``note`` is what the access log
    adds to this request's line.
    """

    __slots__ = (
        "body",
        "deadline_s",
        "note",
        "path",
        "query",
        "raw",
        "request_id",
        "role",
        "route",
    )

    def __init__(
        self,
        raw: Request,
        route: Route,
        path: Mapping[str, Any],
        request_id: str,
        deadline_s: float,
        role: Role,
    ) -> None:
        self.raw = raw
        self.route = route
        self.path = path
        self.request_id = request_id
        self.deadline_s = deadline_s
        self.role = role
        self.query: Any = None
        self.body: Any = None
        self.note = ""

    def if_match(self, *, any_allowed: bool = False) -> int | None:
        """Return the version this change was made against; see `parse_if_match`."""
        return parse_if_match(self.raw.headers.getall("If-Match", ()), any_allowed=any_allowed)

    def idempotency_key(self) -> str | None:
        """Return the request's idempotency key; see `parse_key`."""
        return parse_key(self.raw.headers.getall("Idempotency-Key", ()))

    @asynccontextmanager
    async def in_time(self) -> AsyncIterator[None]:
        """End a read in the block when the answer is due. Raises `Overloaded` then."""
        try:
            async with asyncio.timeout_at(self.deadline_s):
                yield
        except TimeoutError:
            raise Overloaded("This could not be read in time. Try again in a second.") from None
