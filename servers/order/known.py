"""What the orders know of the catalog's ledger, and whether it still has that.

A catalog that was restored from an old backup has lost entries that the orders tell of.
Selling on would sell copies a second time, so it is to be found out before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from servers.domain.errors import LedgerBehind
from servers.domain.sale import SaleBatch
from servers.order import store

if TYPE_CHECKING:
    from servers.domain.ledger import Entry
    from servers.domain.protocols import Catalog
    from servers.storage.database import Database


class KnownLedger:
    """The newest ledger entry that any order of a database tells of; ``number`` 0: none."""

    def __init__(self) -> None:
        self.number = 0
        self._order_id: str | None = None

    async def start(self, database: Database) -> None:
        """Learn it from the database: at first, and after a repair made numbers lower."""
        self.number, self._order_id = await database.read(store.newest_known, heavy=True)

    def learn(self, entry: Entry) -> None:
        """Take note of an entry that the orders tell of from now on."""
        if entry.number > self.number:
            self.number, self._order_id = entry.number, entry.order_id

    async def introduce_to(self, catalog: Catalog) -> None:
        """Tell the catalog the number, and look whether its entry is the one known here.

        A ledger that is shorter is behind, which the catalog learns by this. One that has grown
        past the number again, by what staff did since, has another entry there. Raises
        `LedgerBehind`, and whatever else the catalog answers.
        """
        number, order_id = self.number, self._order_id
        await catalog.sell(SaleBatch(number, ()))
        if order_id is None:
            return
        entries = await catalog.ledger(number - 1, 1)
        if [(entry.number, entry.order_id) for entry in entries] != [(number, order_id)]:
            detail = (
                f"entry {number} of the ledger is not the one that the orders know: the catalog "
                f"was restored from an old backup. Nothing is sold until `bookstore reconcile` "
                f"has run"
            )
            raise LedgerBehind(detail)
