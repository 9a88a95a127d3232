"""A database that does all that its seam allows and that SQLite never does.

Other engines run a unit again whose transaction met another one, leave out the numbers that it
was given, and take their time for a read. So here each unit of a write is run, undone and run
again, with room for others between and other numbers, and what a read has found comes later. A
service that minds relies on SQLite.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from servers.storage.database import Database, Transaction, Unit

T = TypeVar("T")

LATER_S = 0.002
"""How long what was read is under way."""


class _Undone(Exception):
    """What is raised at a unit's end, so that nothing of it is kept."""


@dataclass
class ReluctantDatabase:
    """Another database, which it leaves to whoever opened it."""

    database: Database

    async def write(self, unit: Unit[T]) -> T:
        """Run a unit twice; return what the second one returned, of which alone all is kept."""

        async def undone(tx: Transaction) -> None:
            await unit(tx)
            raise _Undone

        with suppress(_Undone):
            await self.database.write(undone)
        await self.database.write(_leave_numbers_out)
        return await self.database.write(unit)

    async def read(self, unit: Unit[T], *, heavy: bool = False) -> T:
        """Run a unit on one snapshot, and keep what it returned for a while."""
        await asyncio.sleep(0)
        found = await self.database.read(unit, heavy=heavy)
        await asyncio.sleep(LATER_S)
        return found

    async def ping(self) -> None:
        """Write and read for real."""
        await self.database.ping()

    async def close(self) -> None:
        """Do nothing: it is closed by whoever opened it."""


async def _leave_numbers_out(tx: Transaction) -> None:
    # SQLite takes numbers back with what is undone; this is where it counts them.
    await tx.execute("UPDATE sqlite_sequence SET seq = seq + 1")
