"""Selling: the purchases of one book gathered into one versioned sale.

One versioned decrement per purchase makes the buyers of a hot book refuse each other:
all but one find the version moved on. So whatever waits for one book goes out as one
sale, made against one version, and while that is away the next one gathers. A book is in
one call at a time; a call carries many books.

The catalog's answers are final and the same for whoever asks again, so anything doubtful
is simply asked again: under the same id, until the drive's time is out. Then the order
is left pending, and the resolver goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

from servers.domain.errors import KeyReused, ShopError
from servers.domain.ledger import Entry
from servers.domain.limits import MAX_BATCH_ITEMS
from servers.domain.sale import BookSales, SaleBatch, Seen, Stale

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator
    from random import Random

    from servers.domain.order import Order
    from servers.domain.protocols import Catalog

    Outcome = Order | KeyReused

_log = logging.getLogger(__name__)

_FIRST_GUESS = 1
"""The version of a book never heard of; a wrong guess is corrected by the catalog."""

_MAX_CALLS = 2
_MAX_STALE = 20
_MAX_VERSIONS_KNOWN = 100_000
_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 0.5
_STALE_PAUSE_S = 0.005

KEY_REUSED = (
    "This idempotency key was used before for another purchase. Nothing was bought; use a new key."
)


class Drive:
    """An order being sold.

    ``outcome`` is None until the drive ends. Then it is the decided order; or the same
    pending order where the time was out first; or the error that its key was reused.
    """

    __slots__ = ("order", "outcome", "pause_s", "stale", "until_s", "watchers")

    def __init__(self, order: Order, until_s: float) -> None:
        self.order = order
        self.until_s = until_s
        self.outcome: Outcome | None = None
        self.watchers: list[_Watcher] = []
        self.pause_s = _FIRST_PAUSE_S
        self.stale = 0


class _Watcher:
    """Somebody who waits until all of some drives have ended; one wake-up for all of them."""

    __slots__ = ("_left", "all_ended")

    def __init__(self, drives: list[Drive], all_ended: asyncio.Future[None]) -> None:
        self._left = len(drives)
        self.all_ended = all_ended
        for drive in drives:
            drive.watchers.append(self)

    def one_ended(self) -> None:
        """Note that one of the drives has ended."""
        self._left -= 1
        if not self._left and not self.all_ended.done():
            self.all_ended.set_result(None)


class Seller:
    """Drives pending orders to the catalog's decision.

    ``settle`` writes what the ledger decided to the orders' database, all in one
    transaction, and returns the orders as decided; ``forget`` removes pending rows whose id
    stands for another request.
    """

    def __init__(
        self,
        catalog: Catalog,
        settle: Callable[[list[tuple[Order, Entry]]], Awaitable[list[Order]]],
        forget: Callable[[list[Order]], Awaitable[None]],
        random: Random,
    ) -> None:
        self.ledger_seen = Seen()
        self._catalog = catalog
        self._settle = settle
        self._forget = forget
        self._random = random
        self._loop = asyncio.get_running_loop()
        self._drives: dict[str, Drive] = {}
        self._waiting: dict[int, list[Drive]] = {}
        self._away: dict[int, None] = {}
        self._versions: dict[int, int] = {}
        self._calls: dict[asyncio.Task[None], None] = {}
        self._call_count = 0
        self._flush_due = False

    @property
    def under_way(self) -> int:
        """How many orders are being driven."""
        return len(self._drives)

    def sell(self, order: Order, until_s: float) -> Drive:
        """Drive a pending order until it is decided, or join who drives it already.

        It ends by itself, at ``until_s`` (the event loop's clock) at the latest but for the
        call that is under way then.
        """
        order_id = order.id
        drive = self._drives.get(order_id)
        if drive is None:
            drive = self._drives[order_id] = Drive(order, until_s)
            self._enqueue(drive)
        else:
            drive.until_s = max(drive.until_s, until_s)
        return drive

    async def wait(self, drives: Iterable[Drive], patience_s: float | None = None) -> None:
        """Return when all of the drives have ended, or after ``patience_s``."""
        open_drives = [drive for drive in drives if drive.outcome is None]
        if open_drives:
            watcher = _Watcher(open_drives, self._loop.create_future())
            await asyncio.wait([watcher.all_ended], timeout=patience_s)

    def _enqueue(self, drive: Drive) -> None:
        self._waiting.setdefault(drive.order.purchase.book_id, []).append(drive)
        if not self._flush_due:
            # Whoever else asks in this turn of the loop joins the same sale.
            self._flush_due = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_due = False
        while self._call_count < _MAX_CALLS:
            books = self._gather()
            if not books:
                return
            self._call_count += 1
            task = self._loop.create_task(self._call(books))
            self._calls[task] = None
            task.add_done_callback(self._calls.pop)

    def _gather(self) -> dict[int, list[Drive]]:
        """Take what waits, as much as one call carries, for books that are not away."""
        books: dict[int, list[Drive]] = {}
        room = MAX_BATCH_ITEMS
        for book_id in list(self._waiting):
            if room == 0:
                break
            if book_id in self._away:
                continue
            drives = self._waiting.pop(book_id)
            books[book_id], rest = drives[:room], drives[room:]
            room -= len(books[book_id])
            if rest:
                self._waiting[book_id] = rest
            self._away[book_id] = None
        return books

    async def _call(self, books: dict[int, list[Drive]]) -> None:
        batch = SaleBatch(
            self.ledger_seen,
            tuple(
                BookSales(
                    book_id,
                    self._versions.get(book_id, _FIRST_GUESS),
                    tuple(drive.order.purchase for drive in drives),
                )
                for book_id, drives in books.items()
            ),
        )
        try:
            answers = await self._catalog.sell(batch)
            outcomes = [
                outcome
                for drives, told in zip(books.values(), answers, strict=True)
                for outcome in zip(drives, told, strict=True)
            ]
        except Exception as error:  # noqa: BLE001  # a bug must not strand the orders either
            # Whatever it was, the ledger knows or will decide: the same ids are asked again.
            if not isinstance(error, ShopError):
                _log.exception("a call to the catalog failed")
            for drives in books.values():
                for drive in drives:
                    self._later(drive)
            return
        finally:
            self._back(books)
        decided: list[tuple[Drive, Entry]] = []
        reused: list[Drive] = []
        for drive, outcome in outcomes:
            if isinstance(outcome, Entry):
                self._learn(outcome.book_id, outcome.version_after or outcome.version_seen)
                decided.append((drive, outcome))
            elif isinstance(outcome, Stale):
                self._again(drive, outcome)
            else:
                reused.append(drive)
        await self._finish(decided, reused)

    def _back(self, books: dict[int, list[Drive]]) -> None:
        for book_id in books:
            self._away.pop(book_id, None)
        self._call_count -= 1
        if self._waiting and not self._flush_due:
            self._flush_due = True
            self._loop.call_soon(self._flush)

    async def _finish(self, decided: list[tuple[Drive, Entry]], reused: list[Drive]) -> None:
        """Write the decisions, then tell those who wait; a failure leaves orders pending."""
        if decided:
            orders = [drive.order for drive, _ in decided]
            with _survived("writing what was decided"):
                orders = await self._settle([(drive.order, entry) for drive, entry in decided])
            for (drive, _), order in zip(decided, orders, strict=True):
                self._end(drive, order)
        if reused:
            told: list[Outcome] = [drive.order for drive in reused]
            with _survived("removing orders whose key was reused"):
                await self._forget([drive.order for drive in reused])
                told = [KeyReused(KEY_REUSED, order_id=drive.order.id) for drive in reused]
            for drive, outcome in zip(reused, told, strict=True):
                self._end(drive, outcome)

    def _again(self, drive: Drive, stale: Stale) -> None:
        """Try at the version in the answer: at once, and after a pause if it keeps moving."""
        self._learn(stale.current.id, None)
        self._versions[stale.current.id] = stale.current.version
        drive.stale += 1
        if drive.stale > _MAX_STALE or self._loop.time() >= drive.until_s:
            self._end(drive, drive.order)
        elif drive.stale == 1:
            self._enqueue(drive)
        else:
            pause_s = _STALE_PAUSE_S * drive.stale * self._random.uniform(0.5, 1.5)
            self._loop.call_later(pause_s, self._enqueue, drive)

    def _later(self, drive: Drive) -> None:
        pause_s = drive.pause_s * self._random.uniform(0.5, 1.5)
        drive.pause_s = min(drive.pause_s * 2, _LONGEST_PAUSE_S)
        if self._loop.time() + pause_s >= drive.until_s:
            self._end(drive, drive.order)
        else:
            self._loop.call_later(pause_s, self._enqueue, drive)

    def _end(self, drive: Drive, outcome: Outcome) -> None:
        self._drives.pop(drive.order.id, None)
        drive.outcome = outcome
        for watcher in drive.watchers:
            watcher.one_ended()

    def _learn(self, book_id: int, version: int | None) -> None:
        if len(self._versions) >= _MAX_VERSIONS_KNOWN and book_id not in self._versions:
            self._versions.pop(next(iter(self._versions)))
        if version is not None and version > self._versions.get(book_id, 0):
            self._versions[book_id] = version


@contextlib.contextmanager
def _survived(what: str) -> Iterator[None]:
    """Go on after any failure: a drive that never ended could never be begun again."""
    try:
        yield
    except ShopError as error:
        _log.warning("%s failed: %s", what, error.detail)
    except Exception:  # noqa: BLE001  # as above, a bug must not strand the orders either
        _log.exception("%s failed", what)
