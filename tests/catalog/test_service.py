"""What the catalog's service does that its contract does not show."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import pytest

from servers.catalog.service import CatalogService
from servers.domain.book import Edit
from servers.domain.errors import IsbnExists, LedgerBehind, Unavailable
from servers.domain.ledger import Entry, Kind
from servers.domain.order import placed
from servers.domain.protocols import TopicCount
from servers.domain.sale import BookSales, SaleBatch, Seen
from tests.support.services import (
    TestClock,
    add_book,
    batch_of,
    draft,
    open_catalog_service,
    open_database,
    purchase,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from servers.durable import ShopDatabase
    from servers.storage.database import Row, Transaction, Unit, Value, WordIndexes

T = TypeVar("T")

ISBN = "9780140449334"


@dataclass
class Listening:
    """A database that keeps the statements which change something."""

    database: ShopDatabase
    changes: list[str] = field(default_factory=list)

    async def write(self, unit: Unit[T]) -> T:
        async def heard(tx: Transaction) -> T:
            return await unit(Overheard(tx, self.changes))

        return await self.database.write(heard)

    async def read(self, unit: Unit[T], *, heavy: bool = False) -> T:
        return await self.database.read(unit, heavy=heavy)

    async def ping(self) -> None:
        await self.database.ping()

    async def close(self) -> None:
        """Left to whoever opened it."""


@dataclass
class Overheard:
    """A transaction that is listened to."""

    tx: Transaction
    changes: list[str]

    async def fetch_all(self, sql: str, *args: Value) -> list[Row]:
        return await self.tx.fetch_all(sql, *args)

    async def fetch_one(self, sql: str, *args: Value) -> Row | None:
        return await self.tx.fetch_one(sql, *args)

    async def fetch_many(self, sql: str, rows: Iterable[Sequence[Value]]) -> list[Row]:
        rows = [*rows]
        if sql.startswith("UPDATE"):
            self.changes += [" ".join(sql.split())] * len(rows)
        return await self.tx.fetch_many(sql, rows)

    async def execute(self, sql: str, *args: Value) -> int:
        self.changes.append(" ".join(sql.split()))
        return await self.tx.execute(sql, *args)

    @property
    def words(self) -> WordIndexes:
        return self.tx.words


async def test_one_update_a_book(tmp_path: Path) -> None:
    """However many purchases of a book are in a batch, its row is written once, by its version."""
    async with open_database(tmp_path, "catalog") as database:
        heard = Listening(database)
        service = CatalogService(heard, TestClock())
        one, two = await add_book(service, stock=100), await add_book(service, stock=100)
        heard.changes.clear()
        sales = {book_id: tuple(purchase(book_id) for _ in range(50)) for book_id in (one, two)}
        books = tuple(BookSales(book_id, 1, each) for book_id, each in sales.items())
        await service.sell(SaleBatch(Seen(), books))
        (update, other) = heard.changes
        assert update == other
        assert update.startswith("UPDATE books SET stock = stock + $3")
        assert update.endswith("WHERE id = $1 AND version = $2")
        assert [book.stock for book in await service.shelf(0, 10)] == [50, 50]


async def test_nothing_sold_nothing_written(tmp_path: Path) -> None:
    """A batch of refusals alone leaves the row of the book untouched."""
    async with open_database(tmp_path, "catalog") as database:
        heard = Listening(database)
        service = CatalogService(heard, TestClock())
        book_id = await add_book(service, stock=0)
        heard.changes.clear()
        await service.sell(batch_of(1, purchase(book_id), purchase(book_id)))
        assert heard.changes == []


async def test_a_restart_keeps_everything(tmp_path: Path) -> None:
    """After a restart books, tombstones, decisions and numbers are what they were."""
    async with open_catalog_service(tmp_path) as service:
        kept, deleted = await add_book(service), await add_book(service)
        await service.delete(deleted, None)
        sale, refused = purchase(kept), purchase(kept, quantity=99)
        await service.sell(batch_of(1, sale, refused))
        before = await service.shelf(0, 10, tombstones=True), await service.ledger(0, 10)
    async with open_catalog_service(tmp_path) as service:
        after = await service.shelf(0, 10, tombstones=True), await service.ledger(0, 10)
        assert after == before
        ((again,),) = await service.sell(batch_of(9, refused))
        assert isinstance(again, Entry)
        assert again.kind is Kind.REFUSED
        assert await add_book(service) == deleted + 1
        assert await service.last_number() == 6


async def test_a_ledger_that_is_behind_is_not_ready(tmp_path: Path) -> None:
    """A catalog whose ledger is older than the orders says so until the sales are entered."""
    async with open_catalog_service(tmp_path) as service:
        book_id = await add_book(service)
        assert await service.ledger_wrong() is None
        with pytest.raises(LedgerBehind):
            await service.sell(batch_of(1, purchase(book_id), ledger_seen=9))
        wrong = await service.ledger_wrong()
        assert wrong is not None
        assert "reconcile" in wrong
        lost = Entry(
            number=9, kind=Kind.SOLD, book_id=book_id, at_ms=0, unit_price_minor=1, version_after=2
        )
        await service.reenter([placed(purchase(book_id), 0).decided(lost)])
        assert await service.ledger_wrong() is None
        ((sold,),) = await service.sell(batch_of(2, purchase(book_id), ledger_seen=2))
        assert isinstance(sold, Entry)


async def test_a_database_that_cannot_serve(tmp_path: Path) -> None:
    """Where the disk does not serve, reading and writing are unavailable."""
    async with open_database(tmp_path, "catalog") as database:
        service = CatalogService(database, TestClock())
        await database.close()
        for call in (
            service.books([1]),
            service.shelf(0, 1),
            service.add(draft()),
            service.sell(batch_of(1, purchase(1))),
        ):
            with pytest.raises(Unavailable):
                await call


class DeletedMeanwhile(Listening):
    """A database of which somebody deletes book 1 before each read."""

    async def read(self, unit: Unit[T], *, heavy: bool = False) -> T:
        await CatalogService(self.database, TestClock()).delete(1, None)
        return await super().read(unit, heavy=heavy)


async def test_an_isbn_that_was_just_given_up(tmp_path: Path) -> None:
    """Where the book with the ISBN is deleted before it can be named, another try is advised."""
    async with open_database(tmp_path, "catalog") as database:
        await add_book(CatalogService(database, TestClock()), isbn=ISBN)
        other_id = await add_book(CatalogService(database, TestClock()))
        service = CatalogService(DeletedMeanwhile(database), TestClock())
        edit = Edit({"isbn": ISBN})
        with pytest.raises(IsbnExists, match="Try again") as refused:
            await service.edit(other_id, edit, 1)
        assert refused.value.members == {"isbn": ISBN}
        assert (await service.edit(other_id, edit, 1)).isbn == ISBN


async def test_a_topic_twice(tmp_path: Path) -> None:
    """A topic that a book has in two spellings counts once, and goes as one."""
    async with open_catalog_service(tmp_path) as service:
        book_id = await add_book(service, topics=("Travel", "travel", "TRAVEL "))
        assert [each.count for each in await service.topics()] == [1]
        await service.edit(book_id, Edit({"topics": ("a",)}), 1)
        assert await service.topics() == [TopicCount("a", 1)]
