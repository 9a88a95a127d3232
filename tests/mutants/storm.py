"""A storm: the real catalog and order server on real databases, a failing wire, deaths, people.

Everything that chance decides comes from the seed; how tasks take turns does not, so a storm is
not repeated exactly. It lasts a second or two, nearly all of it waiting, so that many go on at
once. In the end the checker compares what everybody saw with what was written down.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING

import msgspec

from servers.catalog.service import CatalogService
from servers.domain.accounts import Violation
from servers.domain.book import Edit, Restock
from servers.domain.errors import ShopError
from servers.domain.invariants import Up
from servers.domain.order import State
from servers.domain.protocols import OrderPage
from servers.domain.sale import Purchase, order_id_of_key
from servers.order import store
from servers.order.mapping import OrderMapping
from servers.order.resolver import Resolver
from servers.order.service import OrderService, Timing
from servers.web.answers import problem
from tests.checker.check import check
from tests.checker.history import History, Kind, Operation, Records, Told
from tests.mutants.weather import Gate, Life, Wire
from tests.support.services import TestClock, draft, open_database

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable
    from pathlib import Path

    from servers.domain.book import Book

_DRIVE_S = 0.3
_RESOLVE_AFTER_S = 0.02
_VOID_AFTER_S = (0.04, 0.2, 0.8)
_CUSTOMERS = 8
_ERRANDS = 4
_CHANGES = 25
_ASKS = 60
_LONGEST_S = 60.0
_LONGEST_SETTLING_S = 12.0
_LATER = Up(now_ms=2**52, since_ms=0)
"""All is over: whatever is unfinished now was left so."""


async def storm(seed: int, folder: Path) -> list[Violation]:
    """Live through a storm and return what is wrong afterwards."""
    async with open_database(folder, "catalog") as database:
        catalog = CatalogService(database, TestClock())
        run = _Storm(seed, folder, catalog)
        try:
            async with asyncio.timeout(_LONGEST_S):
                return await run.whole()
        except TimeoutError:
            return [Violation("I15", "a request", "is never answered")]


class _Storm:
    def __init__(self, seed: int, folder: Path, catalog: CatalogService) -> None:
        self.history = History()
        self.random = Random(seed)
        self.timing = Timing(_DRIVE_S, _RESOLVE_AFTER_S, self.random.choice(_VOID_AFTER_S))
        self.seed = seed
        self.folder = folder
        self.catalog = catalog
        self.wire = Wire(catalog, self.random)
        self.up = asyncio.Event()
        self.orders: OrderService
        self.mapping = OrderMapping("USD")
        self.asked_s: dict[str, float] = {}
        self.first: set[str] = set()
        self.bugs: list[Violation] = []
        self.over = False

    async def whole(self) -> list[Violation]:
        """Let everybody live, heal, settle, read and judge."""
        for stock in (6, 2, 0):
            await self._made(self.catalog.add(draft(stock=stock)))
        async with asyncio.TaskGroup() as server:
            lives = server.create_task(self._lives())
            async with asyncio.TaskGroup() as people:
                people.create_task(self._survived(self._staff()))
                for number in range(_CUSTOMERS):
                    people.create_task(self._survived(self._customer(number)))
            self.wire.healed = True
            await self._settled()
            # A late copy is one more driver of its order; nothing may come of it now.
            await asyncio.gather(*self.wire.copies, return_exceptions=True)
            self.over = True
            lives.cancel()
        records = await self._records()
        return [*self.bugs, *check(self.history, records, deadline_s=_LONGEST_S, up=_LATER)]

    async def _survived(self, life: Awaitable[None]) -> None:
        """Note an error that nobody expects, as the status 500 that it would be."""
        try:
            await life
        except Exception as error:  # noqa: BLE001  # whatever it is, it is a finding
            self.bugs.append(Violation("500", "a request", repr(error)))

    # The order server

    async def _lives(self) -> None:
        """Let the order server live, die and live again."""
        while True:
            # Half of all lives end early; once all has healed none does.
            mortal = self.random.random() < 0.6 and not self.wire.healed
            life = Life(self.random.randrange(5, 150) if mortal else float("inf"))
            async with open_database(self.folder, "orders") as database:
                reached = self.wire.catalog_of(life)
                self.orders = OrderService(
                    Gate(database, life, self.wire),  # type: ignore[arg-type]  # as much of it as is used
                    reached,
                    TestClock(),
                    self.random,
                    self.timing,
                )
                # As its start does; to die there would be to begin again.
                self.orders.seller.ledger_seen = await database.read(store.newest_known)
                self.up.set()
                resolving = asyncio.create_task(self._resolve(self.orders))
                try:
                    await life.ended.wait()
                finally:
                    resolving.cancel()
                    self.up.clear()
            await asyncio.sleep(self.random.random() * 0.05)

    async def _resolve(self, orders: OrderService) -> None:
        resolver = Resolver(orders)
        while True:
            with contextlib.suppress(ShopError):
                await resolver.step()
            await asyncio.sleep(0.03)

    async def _settled(self) -> None:
        """Wait until nothing is unfinished; what never ends is found by the audit."""
        end_s = _now_s() + _LONGEST_SETTLING_S
        while _now_s() < end_s:
            await self.up.wait()
            with contextlib.suppress(TimeoutError, ShopError):
                async with asyncio.timeout(1.0):
                    if not await self.orders.unfinished(1):
                        return
            await asyncio.sleep(0.05)

    # People

    async def _staff(self) -> None:
        for _ in range(_CHANGES):
            await asyncio.sleep(self.random.random() * 0.04)
            book = await self._look(self.random.randint(1, 3))
            if book is None:
                continue
            dice = self.random.random()
            with contextlib.suppress(ShopError):
                if dice < 0.6:
                    parcel = Restock("a parcel", change=self.random.randint(1, 3))
                    await self._made(self.catalog.restock(book.id, parcel, None))
                elif dice < 0.9:
                    price = Edit({"price_minor": self.random.choice((500, 1000, 1500))})
                    await self._made(self.catalog.edit(book.id, price, book.version))
                elif dice < 0.96:
                    await self._made(self.catalog.delete(book.id, None))

    async def _made(self, change: Awaitable[object]) -> None:
        began_s = _now_s()
        made = await change
        self._note(began_s, Kind.EFFECT, getattr(made, "book", made))

    async def _look(self, book_id: int) -> Book | None:
        began_s = _now_s()
        (book,) = await self.catalog.books([book_id])
        if book is not None:
            self._note(began_s, Kind.READ, book)
        return None if book is None or book.deleted else book

    def _note(self, began_s: float, kind: Kind, book: object) -> None:
        saw = [getattr(book, name) for name in ("id", "version", "stock")]
        self.history.operations.append(Operation(began_s, _now_s(), kind, *saw))

    async def _customer(self, number: int) -> None:
        for errand in range(_ERRANDS):
            await asyncio.sleep(self.random.random() * 0.1)
            key = f"storm {self.seed}, customer {number}, errand {errand}"
            wish = Purchase("", self.random.choice((1, 1, 2, 3)), self.random.choice((1, 1, 2)))
            book = await self._look(wish.book_id)
            if book is not None and self.random.random() < 0.2:
                wish = replace(wish, version=book.version)
            elif book is not None and self.random.random() < 0.2:
                wish = replace(wish, max_price_minor=book.price_minor)
            await self._errand(key, wish)

    async def _errand(self, key: str, wish: Purchase) -> None:
        dice = self.random.random()
        if dice < 0.1:
            await self._ask(key, wish, self.random.random() * 0.02)
            return
        for _ in range(_ASKS):
            told = await self._ask(key, wish)
            if told is not None:
                break
            await asyncio.sleep(self.random.random() * 0.05)
        else:
            self.bugs.append(Violation("I15", key, f"asked {_ASKS} times, never decided"))
            return
        if dice < 0.2:
            await self._ask(key, replace(wish, quantity=7))
        elif dice < 0.4:
            await self._ask(key, wish)
        elif told.confirmed and dice < 0.8:
            both = 2 if dice > 0.7 else 1
            asks = 1 if self.random.random() < 0.4 else _ASKS
            await asyncio.gather(*[self._cancel(told.order_id, asks) for _ in range(both)])
            if dice < 0.5:
                await self._ask(key, wish)

    async def _ask(self, key: str, wish: Purchase, patience_s: float = 0.5) -> Told | None:
        """Ask once; return the final answer, or None where there was none."""
        await self.up.wait()
        began_s = _now_s()
        asked = replace(wish, order_id=order_id_of_key(key))
        self.asked_s.setdefault(asked.order_id, began_s)
        try:
            async with asyncio.timeout(patience_s + 0.1):
                (outcome,) = await self.orders.place([asked], patience_s)
        except TimeoutError:
            return None
        if isinstance(outcome, ShopError):
            if outcome.code != "key_reused":
                return None
            return self._hear(began_s, key, asked, 422, "key_reused", b"")
        order = outcome.order
        if order.state is State.PENDING:
            return None
        if order.state is State.REJECTED:
            refusal = order.refusal()
            body = bytes(problem(refusal).body)
            return self._hear(began_s, key, asked, 409, refusal.code, body)
        body = msgspec.json.encode(self.mapping.confirmed(order))
        if order.id not in self.first:
            self.first.add(order.id)
            saw = (order.purchase.book_id, order.version_after or 0, order.stock_after, order.id)
            self.history.operations.append(
                Operation(self.asked_s[order.id], _now_s(), Kind.EFFECT, *saw)
            )
        return self._hear(began_s, key, asked, 200, "", body)

    def _hear(
        self, began_s: float, key: str, asked: Purchase, status: int, code: str, body: bytes
    ) -> Told:
        who = (key, asked.order_id, asked.fingerprint)
        told = Told(began_s, _now_s(), *who, status, code, body)
        self.history.told.append(told)
        return told

    async def _cancel(self, order_id: str, asks: int) -> None:
        for _ in range(asks):
            await self.up.wait()
            with contextlib.suppress(TimeoutError, ShopError):
                async with asyncio.timeout(0.5):
                    if (await self.orders.cancel(order_id, 0.3)).state is State.CANCELLED:
                        return
            await asyncio.sleep(self.random.random() * 0.05)

    # The end

    async def _records(self) -> Records:
        async with open_database(self.folder, "orders") as database:
            orders = OrderService(database, self.catalog, TestClock(), self.random, self.timing)
            rows = await orders.orders(OrderPage(limit=1000))
        books = await self.catalog.shelf(0, 100, tombstones=True)
        return Records(books, rows, await self.catalog.ledger(0, 5000))


def _now_s() -> float:
    return asyncio.get_running_loop().time()


def invariants(found: Iterable[Violation]) -> list[str]:
    """Return the invariants that do not hold, each once."""
    return sorted({each.invariant for each in found})
