"""What may happen in a storm: calls to the catalog fail, disks are slow, the order server dies.

All is seeded. The catalog behind the wire and the database behind the gate are the real ones.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

from servers.domain.errors import OutcomeUnknown, Unavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from random import Random

    from servers.catalog.service import CatalogService
    from servers.domain.ledger import Entry
    from servers.domain.sale import Purchase, SaleBatch, Seen
    from servers.durable import ShopDatabase
    from servers.storage.database import Unit

T = TypeVar("T")

_LONGEST_LATE_S = 0.4
_SLOW_WRITES = 0.25
_LONGEST_WRITE_S = (0.02, 0.2, 0.5)


class Wire:
    """The way from order to catalog: calls are lost, late, doubled, or their answers are."""

    def __init__(self, catalog: CatalogService, random: Random) -> None:
        self.healed = False
        self.copies: dict[asyncio.Task[None], None] = {}
        self._catalog = catalog
        self._random = random
        self._longest_write_s = random.choice(_LONGEST_WRITE_S)

    async def through(self, call: Callable[[], Awaitable[T]]) -> T:
        """Make a call, if it arrives, and return its answer, if that arrives."""
        dice = 1.0 if self.healed else self._random.random()
        if dice < 0.08:
            raise Unavailable("The catalog refuses the connection.")
        if dice < 0.16:
            raise OutcomeUnknown("The call is lost.")
        if dice < 0.30:
            self._copy(call)
        if dice < 0.23:
            raise OutcomeUnknown("The call is late.")
        await asyncio.sleep(self._random.random() * 0.01)
        answer = await call()
        if 0.30 <= dice < 0.42:
            raise OutcomeUnknown("The answer is lost.")
        return answer

    async def slow(self) -> None:
        """Take a while now and then, as a busy disk does."""
        if not self.healed and self._random.random() < _SLOW_WRITES:
            await asyncio.sleep(self._random.random() * self._longest_write_s)

    def _copy(self, call: Callable[[], Awaitable[Any]]) -> None:
        task = asyncio.get_running_loop().create_task(self._late(call))
        self.copies[task] = None

    async def _late(self, call: Callable[[], Awaitable[Any]]) -> None:
        await asyncio.sleep(self._random.random() * _LONGEST_LATE_S)
        await call()

    def catalog_of(self, life: Life) -> Any:
        """Return the catalog as one life of the order server reaches it."""
        return _Reached(self._catalog, self, life)


class Life:
    """One life of the order server: after so many steps nothing that it has begun goes on."""

    def __init__(self, steps: float) -> None:
        self.ended = asyncio.Event()
        self._steps = steps

    async def step(self) -> None:
        """Pass, or never come back."""
        self._steps -= 1
        if self._steps <= 0:
            self.ended.set()
        if self.ended.is_set():
            await asyncio.get_running_loop().create_future()


class Gate:
    """A database that is slow, and that its process can lose before or after it was written to."""

    def __init__(self, database: ShopDatabase, life: Life, wire: Wire) -> None:
        self._database = database
        self._life = life
        self._wire = wire

    async def write(self, unit: Unit[T]) -> T:
        await self._life.step()
        await self._wire.slow()
        done = await self._database.write(unit)
        await self._life.step()
        return done

    async def read(self, unit: Unit[T], *, heavy: bool = False) -> T:
        await self._life.step()
        return await self._database.read(unit, heavy=heavy)


class _Reached:
    """The three calls that an order server makes."""

    def __init__(self, catalog: CatalogService, wire: Wire, life: Life) -> None:
        self._catalog = catalog
        self._wire = wire
        self._life = life

    async def sell(self, batch: SaleBatch) -> Any:
        return await self._call(lambda: self._catalog.sell(batch))

    async def void(self, purchase: Purchase, ledger_seen: Seen) -> Entry:
        return await self._call(lambda: self._catalog.void(purchase, ledger_seen))

    async def take_back(self, purchase: Purchase, ledger_seen: Seen) -> Entry:
        return await self._call(lambda: self._catalog.take_back(purchase, ledger_seen))

    async def _call(self, call: Callable[[], Awaitable[T]]) -> T:
        await self._life.step()
        answer = await self._wire.through(call)
        await self._life.step()
        return answer
