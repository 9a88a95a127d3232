"""Customers for tests: many purchases at once over kept-alive connections, and their stories.

A `Customer` does what the shop asks of its customers: every purchase has a key, and what is
not answered for good is asked for again with the same key.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import aiohttp

from tests.support.shop import PATIENCE_S, Reply

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

UNDECIDED: Final = frozenset({202, 503, 504})
"""Answers after which the same key is sent again."""

_PAUSE_S = 0.05


class Customer:
    """Sends requests to one frontend; any number of them at once."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self.url = url

    async def request(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Make one request; raises what aiohttp raises where no answer comes."""
        data = None if body is None else json.dumps(body).encode()
        sent = {} if data is None else {"Content-Type": "application/json"}
        async with self._session.request(
            method, self.url + path, data=data, headers=sent | dict(headers or {})
        ) as response:
            named = {name.lower(): value for name, value in response.headers.items()}
            return Reply(response.status, named, await response.read())

    async def purchase(self, book_id: int, key: str | None = None, **wishes: Any) -> Reply:
        """Ask once for a purchase."""
        headers = {} if key is None else {"Idempotency-Key": key}
        return await self.request("POST", f"/purchase/{book_id}", wishes or None, headers)

    async def insist(self, wanted: Wanted) -> Story:
        """Ask with one key until the answer is final, whatever happens to the shop."""
        story = Story(wanted)
        loop = asyncio.get_running_loop()
        end_s = loop.time() + 3 * PATIENCE_S
        while True:
            try:
                said = await self.purchase(wanted.book_id, wanted.key, quantity=wanted.quantity)
            except (aiohttp.ClientError, OSError):
                story.lost += 1
            else:
                story.seen.append(said)
                if said.status not in UNDECIDED:
                    return story
            assert loop.time() < end_s, f"never decided: {story}"
            await asyncio.sleep(_PAUSE_S)

    async def look(self, path: str) -> Reply:
        """Read something until it is answered: a shop that is busy says 503."""
        end_s = asyncio.get_running_loop().time() + PATIENCE_S
        while True:
            said = await self.request("GET", path)
            if said.status not in UNDECIDED:
                return said
            assert asyncio.get_running_loop().time() < end_s, f"never answered: {said}"
            await asyncio.sleep(_PAUSE_S)


@dataclass(frozen=True)
class Wanted:
    """A purchase that a customer will not let go of."""

    book_id: int
    quantity: int = 1
    key: str = field(default_factory=lambda: uuid.uuid4().hex)


@dataclass
class Story:
    """What a customer was told about one purchase: every answer, and how many were lost."""

    wanted: Wanted
    seen: list[Reply] = field(default_factory=list)
    lost: int = 0

    @property
    def end(self) -> Reply:
        """The final answer."""
        return self.seen[-1]

    @property
    def bought(self) -> bool:
        """Whether the customer has the copies."""
        return self.end.status in {200, 201}


async def until(holds: Callable[[], bool], *, within_s: float = PATIENCE_S) -> None:
    """Wait for a fact without keeping the event loop from what makes it true."""
    async with asyncio.timeout(within_s):
        while not holds():  # noqa: ASYNC110  # the fact may lie outside this process
            await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def customers(url: str, *, at_once: int = 64) -> AsyncIterator[Customer]:
    """Open a client that holds up to ``at_once`` connections to one frontend."""
    connector = aiohttp.TCPConnector(limit=at_once)
    timeout = aiohttp.ClientTimeout(total=PATIENCE_S)
    async with aiohttp.ClientSession(
        connector=connector, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()
    ) as session:
        yield Customer(session, url)
