"""The databases as the services use them: with the shop's own errors.

``servers.storage`` knows nothing of the shop, and the services know nothing of engines;
what goes wrong with a database becomes one of ``servers.domain.errors`` here.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, TypeVar

from servers.domain.errors import OutcomeUnknown, Unavailable
from servers.storage.database import CommitUnknown, StorageInUse, StorageUnavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from servers.storage.database import Database, Unit

T = TypeVar("T")

_ASK_AGAIN_S = 0.05

_log = logging.getLogger(__name__)


async def let_go(opening: Callable[[], Awaitable[T]], patience_s: float) -> T:
    """Return what ``opening`` opens, once a process that is about to end has let go of it.

    A killed supervisor leaves servers behind that still finish what they have begun. Raises
    what ``opening`` raises; `StorageInUse` after ``patience_s``.
    """
    loop = asyncio.get_running_loop()
    until_s, said = loop.time() + patience_s, False
    while True:
        try:
            return await opening()
        except StorageInUse as error:
            if loop.time() >= until_s:
                raise
            if not said:
                _log.warning("%s Waiting up to %g s for it to end.", error, patience_s)
                said = True
        await asyncio.sleep(_ASK_AGAIN_S)


class ShopDatabase:
    """A database that raises `Unavailable` and `OutcomeUnknown`, where it is the engine's fault."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def write(self, unit: Unit[T]) -> T:
        """Run a unit; what it returns is durable. Raises `Unavailable`, `OutcomeUnknown`."""
        try:
            return await self._database.write(unit)
        except StorageUnavailable as error:
            detail = "The shop cannot write to its disk now; nothing was done. Try again."
            raise Unavailable(detail) from error
        except CommitUnknown as error:
            detail = "The disk failed while this was being written. Ask again to learn."
            raise OutcomeUnknown(detail) from error

    async def read(self, unit: Unit[T], *, heavy: bool = False) -> T:
        """Run a unit on one snapshot. Raises `Unavailable`."""
        try:
            return await self._database.read(unit, heavy=heavy)
        except StorageUnavailable as error:
            raise Unavailable("The shop cannot read its disk now. Try again.") from error

    async def ping(self) -> None:
        """Write and read for real. Raises `StorageUnavailable`, which is not a customer's."""
        await self._database.ping()

    async def close(self) -> None:
        """Close the database."""
        await self._database.close()

    async def wrong(self) -> str | None:
        """Return what is wrong with the database, or None; a check for ``/readyz``."""
        try:
            await self._database.ping()
        except (StorageUnavailable, CommitUnknown) as error:
            return str(error)
        return None
