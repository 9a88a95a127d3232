"""Watching another server: what is said to it, and how often it is asked."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from servers.domain.errors import LedgerBehind
from servers.web.connection import HopAnswer
from servers.web.health import Peer

if TYPE_CHECKING:
    from servers.web.hop import Hop

NOT_READY = HopAnswer(503, {}, b'{"detail": "Not ready: ledger: it is behind."}')
READY = HopAnswer(200, {}, b"{}")


class FakeHop:
    """A hop to a server whose readiness the test decides."""

    name = "catalog"
    down: str | None = None

    def __init__(self, said: HopAnswer) -> None:
        self.said = said
        self.asked = 0

    async def call(self, *_: object, **__: object) -> HopAnswer:
        """Answer as the test wants it."""
        self.asked += 1
        return self.said


async def test_a_server_is_greeted_until_it_is_ready() -> None:
    """What it was told before may be why it is not ready, and may not be true any more."""
    hop = FakeHop(NOT_READY)
    words: list[str] = []

    async def greet() -> None:
        words.append("hello")
        if hop.said is NOT_READY:
            raise LedgerBehind("it is behind")

    peer = Peer(cast("Hop", hop), greet)
    for _ in range(2):
        await peer.ask()
        assert (peer.ready, peer.wrong) == (False, "ledger: it is behind")
    hop.said = READY
    await peer.ask()
    assert (peer.ready, len(words)) == (True, 3)
    await peer.ask()
    assert len(words) == 3


async def test_a_server_that_stays_not_ready_is_asked_ever_more_rarely() -> None:
    """At first twenty times a second; each pause is a tenth of the time before it, or more."""
    hop = FakeHop(NOT_READY)
    waiting = asyncio.create_task(Peer(cast("Hop", hop)).until_ready())
    await asyncio.sleep(1.5)
    asked = hop.asked
    hop.said = READY
    await waiting
    assert 5 <= asked <= 25
