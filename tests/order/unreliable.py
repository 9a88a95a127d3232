"""A catalog that fails on the way to it or on the way back; between the two it is the real one."""

from __future__ import annotations

import asyncio
from collections import deque
from enum import Enum
from typing import TYPE_CHECKING, TypeVar

from servers.catalog.service import CatalogService
from servers.domain.book import Restock
from servers.domain.errors import OutcomeUnknown, Unavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from servers.domain.errors import KeyReused
    from servers.domain.ledger import Entry
    from servers.domain.sale import Purchase, SaleBatch, Seen, Stale

T = TypeVar("T")


class Fault(Enum):
    """What becomes of one call."""

    NONE = "it arrives and is answered"
    REFUSED = "it is refused a connection"
    REQUEST_LOST = "it never arrives, but that is not known"
    REPLY_LOST = "it is carried out, and nobody learns of it"
    BUG = "it is carried out, and the answer makes no sense"
    LATE = "it arrives once the test lets it go"
    STALE = "the book changes just before it arrives"


class UnreliableCatalog(CatalogService):
    """The catalog's service, with one fault for each call about an order, as long as they last."""

    faults: deque[Fault]
    always: Fault = Fault.NONE
    """What becomes of the calls for which no fault is left."""
    calls: list[str]
    release: asyncio.Event
    """Set it to let late calls arrive."""

    def __init__(self, *outside: object) -> None:
        super().__init__(*outside)  # type: ignore[arg-type]  # as the service takes them
        self.faults = deque()
        self.calls = []
        self.release = asyncio.Event()

    async def sell(self, batch: SaleBatch) -> list[list[Entry | Stale | KeyReused]]:
        ids = [book.book_id for book in batch.books]
        return await self._through("sell", ids, super().sell(batch))

    async def void(self, purchase: Purchase, ledger_seen: Seen) -> Entry:
        return await self._through("void", [purchase.book_id], super().void(purchase, ledger_seen))

    async def take_back(self, purchase: Purchase, ledger_seen: Seen) -> Entry:
        return await self._through(
            "take_back", [purchase.book_id], super().take_back(purchase, ledger_seen)
        )

    async def _through(self, name: str, ids: Sequence[int], call: Awaitable[T]) -> T:
        self.calls.append(name)
        fault = self.faults.popleft() if self.faults else self.always
        if fault in {Fault.REFUSED, Fault.REQUEST_LOST}:
            call.close()  # type: ignore[attr-defined]  # it is a coroutine that never runs
            error = Unavailable if fault is Fault.REFUSED else OutcomeUnknown
            raise error("The catalog does not answer.")
        if fault is Fault.LATE:
            try:
                await self.release.wait()
            except asyncio.CancelledError:
                call.close()  # type: ignore[attr-defined]  # as above
                raise
        if fault is Fault.STALE:
            for book_id in ids:
                await self.restock(book_id, Restock("moved on", change=0), None)
        answer = await call
        if fault is Fault.REPLY_LOST:
            raise OutcomeUnknown("The catalog does not answer.")
        if fault is Fault.BUG:
            raise RuntimeError("a bug between order and catalog")
        return answer
