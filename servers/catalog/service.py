"""The catalog's use cases, each one transaction: fetch, rule, save.

Fulfils `servers.domain.protocols.Catalog` on a database. The rules are in
``servers.domain``, the SQL in ``store``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from servers.catalog import (
    adding,
    recording,
    reentry,
    search_store,
    searching,
    selling,
    shelving,
    store,
)
from servers.domain.errors import KeyReused, OrderNotFound, ShopError
from servers.domain.ledger import Kind
from servers.domain.protocols import Addition, Change, TopicCount
from servers.storage.database import UniqueViolation

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from servers.domain.book import Book, Draft, Edit, Restock
    from servers.domain.errors import IsbnExists, LedgerBehind
    from servers.domain.ledger import Entry
    from servers.domain.order import Order
    from servers.domain.protocols import AdminKey, Clock, TopicPage
    from servers.domain.sale import Purchase, SaleBatch, Seen, Stale
    from servers.domain.search import BookPage, BookSearch, Found
    from servers.storage.database import Database, Transaction, Unit

    Deciding = Callable[[Transaction, Purchase, int], Awaitable[Entry]]

T = TypeVar("T")

MAX_ORDERS_DATABASES = 16
"""Of how many databases of orders it is kept what they know of the ledger."""


class CatalogService:
    """The catalog on a database of its own.

    Every method raises `Unavailable` where the database cannot serve, and every change
    `LedgerBehind` while the ledger is known to be older than the orders.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._newest_seen: dict[str | None, Seen] = {}
        """What each database of orders knows of the ledger."""
        self._searchers = searching.Searchers()

    # Reading

    async def books(self, ids: Sequence[int]) -> list[Book | None]:
        """Return the books of these ids, in order; see the protocol."""
        books = await self._database.read(lambda tx: store.books(tx, ids))
        return [books.get(book_id) for book_id in ids]

    async def search(self, pages: Sequence[TopicPage]) -> list[list[Found]]:
        """Return a page of books for each page asked for; see the protocol."""

        async def unit(tx: Transaction) -> list[list[Found]]:
            return [await store.search(tx, page) for page in pages]

        return await self._database.read(unit)

    async def find(self, search: BookSearch) -> BookPage:
        """Return a page of books; see the protocol."""
        async with self._searchers.turn():
            return await self._database.read(lambda tx: searching.find(tx, search), heavy=True)

    async def shelf(self, after_id: int, limit: int, *, tombstones: bool = False) -> list[Book]:
        """Return books sorted by id; see the protocol."""
        return await self._database.read(
            lambda tx: store.shelf(tx, after_id, limit, tombstones=tombstones), heavy=True
        )

    async def topics(self) -> list[TopicCount]:
        """Return the topics of living books; see the protocol."""
        rows = await self._database.read(search_store.topics, heavy=True)
        return [TopicCount(name, books) for name, books in rows]

    async def sale(self, order_id: str) -> list[Entry]:
        """Return the entries of an order; see the protocol."""

        async def unit(tx: Transaction) -> list[Entry]:
            found = await store.decision(tx, order_id), await store.return_of(tx, order_id)
            return [entry for entry in found if entry is not None]

        entries = await self._database.read(unit)
        if not entries:
            raise OrderNotFound(f"The ledger has no order {order_id}.", order_id=order_id)
        return entries

    async def book_ledger(self, book_id: int, before: int, limit: int) -> list[Entry]:
        """Return a book's entries, newest first; see the protocol."""

        async def unit(tx: Transaction) -> list[Entry]:
            if await store.book(tx, book_id) is None:
                raise recording.no_book(book_id)
            return await store.book_ledger(tx, book_id, before, limit)

        return await self._database.read(unit, heavy=True)

    async def ledger(self, after: int, limit: int) -> list[Entry]:
        """Return entries, oldest first; see the protocol."""
        return await self._database.read(lambda tx: store.ledger(tx, after, limit), heavy=True)

    async def last_number(self) -> int:
        """Return the ledger's highest number."""
        return await self._database.read(store.last_number)

    async def ledger_wrong(self) -> str | None:
        """Return what is wrong with the ledger, or None; a check for ``/readyz``."""
        lacking = await self._database.read(self._lacking)
        return lacking.detail if lacking is not None else None

    # Changes by staff

    async def add(self, draft: Draft, key: AdminKey | None = None) -> Change:
        """Add a book; see the protocol."""
        (change,) = await self.add_all([Addition(draft, key)])
        if isinstance(change, ShopError):
            raise change
        return change

    async def add_all(self, additions: Sequence[Addition]) -> list[Change | ShopError]:
        """Add books, each decided by itself; see the protocol."""
        at_ms = self._clock.now_ms()

        async def unit(tx: Transaction) -> list[Change | ShopError]:
            await self._current(tx)
            return await adding.add_all(tx, additions, at_ms)

        return await self._write(unit)

    async def edit(self, book_id: int, edit: Edit, version: int) -> Book:
        """Change fields of a book; see the protocol."""
        at_ms = self._clock.now_ms()

        async def unit(tx: Transaction) -> Book:
            before = await self._living(tx, book_id, version)
            after = before.edited(edit, at_ms)
            await recording.save(tx, before, after)
            await shelving.move(tx, before, after)
            await recording.record(tx, Kind.EDITED, before, after)
            return after

        return await self._write(unit, edit.fields.get("isbn"))

    async def restock(
        self, book_id: int, restock: Restock, version: int | None, key: AdminKey | None = None
    ) -> Change:
        """Change the stock; see the protocol."""
        at_ms = self._clock.now_ms()

        async def unit(tx: Transaction) -> Change:
            await self._current(tx)
            made = await recording.made_before(tx, key)
            if made is not None:
                return made
            before = await self._living(tx, book_id, version)
            after = before.restocked(restock, at_ms)
            await recording.save(tx, before, after)
            await recording.record(tx, Kind.RECEIVED, before, after, reason=restock.reason, key=key)
            return Change(after)

        return await self._write(unit)

    async def delete(self, book_id: int, version: int | None) -> Book:
        """Leave a tombstone; see the protocol."""
        at_ms = self._clock.now_ms()

        async def unit(tx: Transaction) -> Book:
            before = await self._living(tx, book_id, version)
            after = before.as_tombstone(at_ms)
            await recording.save(tx, before, after)
            await shelving.take(tx, before)
            await recording.record(tx, Kind.DELETED, before, after)
            return after

        return await self._write(unit)

    # Orders

    async def sell(self, batch: SaleBatch) -> list[list[Entry | Stale | KeyReused]]:
        """Decide a batch, each order once and for ever; see the protocol."""
        self._note(batch.ledger_seen, introduced=not batch.books)
        at_ms = self._clock.now_ms()

        async def unit(tx: Transaction) -> list[list[Entry | Stale | KeyReused]]:
            await self._current(tx)
            return await selling.sell(tx, batch.books, at_ms)

        return await self._write(unit)

    async def void(self, purchase: Purchase, ledger_seen: Seen) -> Entry:
        """Decide that an order will never be sold; see the protocol."""
        return await self._decide(selling.void, purchase, ledger_seen)

    async def take_back(self, purchase: Purchase, ledger_seen: Seen) -> Entry:
        """Put the copies of a sold order back on the shelf; see the protocol."""
        return await self._decide(selling.take_back, purchase, ledger_seen)

    async def _decide(self, deciding: Deciding, purchase: Purchase, ledger_seen: Seen) -> Entry:
        """Make an entry of an order, or find it in the ledger, in one transaction."""
        self._note(ledger_seen)
        at_ms = self._clock.now_ms()

        async def unit(tx: Transaction) -> Entry:
            await self._current(tx)
            return await deciding(tx, purchase, at_ms)

        return await self._write(unit)

    async def reenter(self, orders: Sequence[Order]) -> list[Entry]:
        """Enter sales that the ledger has lost; see the protocol."""
        at_ms = self._clock.now_ms()

        async def unit(tx: Transaction) -> list[Entry]:
            return [await reentry.reenter(tx, order, at_ms) for order in orders]

        entries = await self._database.write(unit)
        # The orders tell their highest number anew with the next batch.
        self._newest_seen.clear()
        return entries

    # Inside

    async def _write(self, unit: Unit[T], isbn: object = None) -> T:
        try:
            return await self._database.write(unit)
        except UniqueViolation as error:
            if "isbn" in error.constraint:
                raise await self._isbn_exists(str(isbn)) from error
            raise

    async def _isbn_exists(self, isbn: str) -> IsbnExists:
        """Return the refusal of an ISBN that a living book has; it names the book."""
        living = await self._database.read(lambda tx: store.living_with_isbns(tx, [isbn]))
        return adding.isbn_exists(isbn, living.get(isbn))

    def _note(self, ledger_seen: Seen, *, introduced: bool = False) -> None:
        # A sale may come late with an old word. After a repair, introductions say lower numbers.
        newest = self._newest_seen.get(ledger_seen.orders, ledger_seen)
        if ledger_seen.number >= newest.number or introduced:
            self._newest_seen[ledger_seen.orders] = ledger_seen
        if len(self._newest_seen) > MAX_ORDERS_DATABASES:
            del self._newest_seen[next(iter(self._newest_seen))]

    async def _current(self, tx: Transaction) -> None:
        """Raise `LedgerBehind` where the orders know of an entry that the ledger lacks."""
        lacking = await self._lacking(tx)
        if lacking is not None:
            raise lacking

    async def _lacking(self, tx: Transaction) -> LedgerBehind | None:
        for seen in [*self._newest_seen.values()]:
            lacking = await reentry.lacking(tx, seen)
            if lacking is not None:
                return lacking
        return None

    async def _living(self, tx: Transaction, book_id: int, version: int | None) -> Book:
        await self._current(tx)
        book = await store.book(tx, book_id)
        if book is None:
            raise recording.no_book(book_id)
        return book.living().expect(version)
