"""What every catalog promises about books: adding, editing, restocking, deleting."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from servers.domain.book import Edit, Restock
from servers.domain.errors import (
    BookDeleted,
    BookNotFound,
    IsbnExists,
    KeyReused,
    OutOfStock,
    ShopError,
    StaleVersion,
    StockLimit,
)
from servers.domain.ledger import Kind
from servers.domain.limits import MAX_ID, MAX_STOCK
from servers.domain.protocols import AdminKey, TopicCount, TopicPage
from tests.support.services import add_book, batch_of, draft, purchase

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from servers.domain.protocols import Catalog

ISBN = "9780306406157"
OTHER_ISBN = "9780804429573"
KEY = AdminKey("a-key-of-staff-01", "0" * 64)


async def delete(catalog: Catalog, book_id: int) -> None:
    """Delete a book, whatever its version."""
    await catalog.delete(book_id, None)


async def test_an_added_book_is_as_it_was_drafted(catalog: Catalog) -> None:
    """A new book has the fields of its draft at version 1, and is found by its id."""
    new = draft(title="Xen", authors=("A", "B"), isbn=ISBN, topics=("t", "u"), price_minor=1)
    change = await catalog.add(new)
    assert change.book == new.as_book(change.book.id, change.book.updated_at_ms)
    assert not change.replayed
    assert await catalog.books([change.book.id]) == [change.book]


async def test_books_in_the_order_asked(catalog: Catalog) -> None:
    """Books come in the order of the ids, twice where asked twice, None where none ever was."""
    one, two = await add_book(catalog, title="1"), await add_book(catalog, title="2")
    found = await catalog.books([two, MAX_ID, one, two])
    assert [book and book.title for book in found] == ["2", None, "1", "2"]
    assert await catalog.books([]) == []


async def test_ids_are_never_used_again(catalog: Catalog) -> None:
    """The id of a deleted book does not come back, even if it was the highest."""
    await add_book(catalog)
    last = await add_book(catalog)
    await delete(catalog, last)
    assert await add_book(catalog) > last


async def test_a_refused_addition_leaves_no_book(catalog: Catalog) -> None:
    """What is refused is not there, in the books nor in the ledger."""
    await add_book(catalog, isbn=ISBN)
    number = await catalog.last_number()
    with pytest.raises(IsbnExists):
        await catalog.add(draft(isbn=ISBN, topics=("new",)))
    assert len(await catalog.shelf(0, 10)) == 1
    assert await catalog.last_number() == number
    assert await catalog.topics() == [TopicCount("tests", 1)]


async def test_an_isbn_is_unique_among_the_living(catalog: Catalog) -> None:
    """A second living book cannot have an ISBN; once the first is deleted it can."""
    first = await add_book(catalog, isbn=ISBN)
    second = await add_book(catalog, isbn=OTHER_ISBN)
    for change in (catalog.add(draft(isbn=ISBN)), catalog.edit(second, Edit({"isbn": ISBN}), 1)):
        with pytest.raises(IsbnExists) as refused:
            await change
        assert refused.value.members == {"isbn": ISBN, "book_id": first}
        assert f"Book {first} has the ISBN {ISBN}" in refused.value.detail
    await delete(catalog, first)
    assert (await catalog.edit(second, Edit({"isbn": ISBN}), 1)).isbn == ISBN
    assert (await catalog.add(draft(isbn=OTHER_ISBN))).book.isbn == OTHER_ISBN


async def test_books_without_isbn(catalog: Catalog) -> None:
    """Any number of books may have no ISBN, and a book can lose its own."""
    await add_book(catalog, isbn=None)
    book_id = await add_book(catalog, isbn=ISBN)
    assert (await catalog.edit(book_id, Edit({"isbn": None}), 1)).isbn is None


@pytest.mark.parametrize(
    "fields",
    [
        {"title": "New"},
        {"authors": ("New", "Newer")},
        {"isbn": ISBN},
        {"topics": ("new",)},
        {"price_minor": 0},
        {"title": "New", "authors": ("N",), "isbn": None, "topics": (), "price_minor": 10**11},
    ],
)
async def test_an_edit(catalog: Catalog, fields: dict[str, Any]) -> None:
    """An edit replaces the fields that it names, and moves the version by one."""
    before = (await catalog.add(draft())).book
    after = await catalog.edit(before.id, Edit(fields), before.version)
    expected = before.edited(Edit(fields), after.updated_at_ms)
    assert after == expected
    assert after.updated_at_ms > before.updated_at_ms
    assert await catalog.books([before.id]) == [expected]


@pytest.mark.parametrize(("change", "stock"), [(5, 15), (-10, 0), (0, 10)])
async def test_a_change_of_stock(catalog: Catalog, change: int, stock: int) -> None:
    """A change is added to the stock, at a version or at any."""
    book_id = await add_book(catalog, stock=10)
    made = await catalog.restock(book_id, Restock("r", change=change), 1)
    assert (made.book.stock, made.book.version) == (stock, 2)
    made = await catalog.restock(book_id, Restock("r", change=1), None)
    assert (made.book.stock, made.book.version) == (stock + 1, 3)


async def test_a_count_of_stock(catalog: Catalog) -> None:
    """A count takes the place of the stock; the ledger has the difference and the reason."""
    book_id = await add_book(catalog, stock=10)
    assert (await catalog.restock(book_id, Restock("counted", count=3), 1)).book.stock == 3
    entry = (await catalog.book_ledger(book_id, MAX_ID, 1))[0]
    assert (entry.kind, entry.change, entry.reason) == (Kind.RECEIVED, -7, "counted")
    assert (entry.stock_after, entry.version_after) == (3, 2)


async def test_a_restock_beyond_its_bounds(catalog: Catalog) -> None:
    """Below zero and above the limit the stock stays what it was."""
    book_id = await add_book(catalog, stock=10)
    with pytest.raises(OutOfStock) as below:
        await catalog.restock(book_id, Restock("r", change=-11), None)
    assert below.value.members["available"] == 10
    with pytest.raises(StockLimit):
        await catalog.restock(book_id, Restock("r", change=MAX_STOCK - 9), None)
    (book,) = await catalog.books([book_id])
    assert book is not None
    assert (book.stock, book.version) == (10, 1)


CHANGES: dict[str, Callable[[Catalog, int], Awaitable[object]]] = {
    "edit": lambda catalog, book_id: catalog.edit(book_id, Edit({"title": "New"}), 1),
    "restock": lambda catalog, book_id: catalog.restock(book_id, Restock("r", change=1), 1),
    "count": lambda catalog, book_id: catalog.restock(book_id, Restock("r", count=1), 1),
    "delete": lambda catalog, book_id: catalog.delete(book_id, 1),
}
MOVES: dict[str, Callable[[Catalog, int], Awaitable[object]]] = {
    "edited": lambda catalog, book_id: catalog.edit(book_id, Edit({"price_minor": 1}), 1),
    "restocked": lambda catalog, book_id: catalog.restock(book_id, Restock("r", change=1), None),
    "sold": lambda catalog, book_id: catalog.sell(batch_of(1, purchase(book_id))),
}


@pytest.mark.parametrize("moved", MOVES)
@pytest.mark.parametrize("change", CHANGES)
async def test_a_change_against_an_old_version(catalog: Catalog, change: str, moved: str) -> None:
    """A change made against a version that has passed is refused, whatever moved it."""
    book_id = await add_book(catalog)
    await MOVES[moved](catalog, book_id)
    (current,) = await catalog.books([book_id])
    with pytest.raises(StaleVersion) as refused:
        await CHANGES[change](catalog, book_id)
    assert refused.value.members["current"] == current
    assert await catalog.books([book_id]) == [current]


@pytest.mark.parametrize("change", CHANGES)
async def test_a_change_of_what_is_not_there(catalog: Catalog, change: str) -> None:
    """A deleted book is gone for every change, and one that never was is not found."""
    book_id = await add_book(catalog)
    await delete(catalog, book_id)
    number = await catalog.last_number()
    errors: list[type[ShopError]] = [BookDeleted, BookNotFound]
    for error, missing_id in zip(errors, [book_id, book_id + 1], strict=True):
        with pytest.raises(error) as refused:
            await CHANGES[change](catalog, missing_id)
        assert refused.value.members["book_id"] == missing_id
    assert await catalog.last_number() == number


async def test_a_tombstone_stays(catalog: Catalog) -> None:
    """A deleted book is found as deleted by its id, and by nothing else."""
    book_id = await add_book(catalog)
    assert (await catalog.delete(book_id, 1)).deleted
    (found,) = await catalog.books([book_id])
    assert found is not None
    assert found.deleted
    assert await catalog.search([TopicPage("tests")]) == [[]]
    assert await catalog.shelf(0, 10) == []
    (tombstone,) = await catalog.shelf(0, 10, tombstones=True)
    assert (tombstone.deleted, tombstone.stock, tombstone.version) == (True, 10, 2)


async def test_of_changes_at_once_one_wins(catalog: Catalog) -> None:
    """Of many edits made against one version exactly one is made."""
    book_id = await add_book(catalog)
    edits = [catalog.edit(book_id, Edit({"title": f"{n}"}), 1) for n in range(8)]
    outcomes = await asyncio.gather(*edits, return_exceptions=True)
    assert sum(isinstance(outcome, StaleVersion) for outcome in outcomes) == 7
    (book,) = await catalog.books([book_id])
    assert book in outcomes


async def test_an_addition_is_replayed_by_its_key(catalog: Catalog) -> None:
    """The same addition under the same key adds one book, and answers it as it stands now."""
    first = await catalog.add(draft(), KEY)
    await catalog.restock(first.book.id, Restock("r", change=1), None)
    again = await catalog.add(draft(), KEY)
    assert (first.replayed, again.replayed) == (False, True)
    assert (again.book.id, again.book.stock) == (first.book.id, 11)
    assert len(await catalog.shelf(0, 10)) == 1


async def test_a_restock_is_replayed_by_its_key(catalog: Catalog) -> None:
    """The same restock under the same key is made once, also where its version has passed."""
    book_id = await add_book(catalog, stock=10)
    changes = [await catalog.restock(book_id, Restock("r", change=5), 1, KEY) for _ in range(2)]
    assert [change.replayed for change in changes] == [False, True]
    assert changes[1].book.stock == 15


async def test_a_key_at_once(catalog: Catalog) -> None:
    """However often a key comes at once, its change is made once."""
    changes = await asyncio.gather(*[catalog.add(draft(), KEY) for _ in range(8)])
    assert sorted(change.replayed for change in changes) == [False] + [True] * 7
    assert len({change.book.id for change in changes}) == 1


async def test_a_key_for_another_change(catalog: Catalog) -> None:
    """A key stands for one change; with another it is refused and nothing is done."""
    book_id = (await catalog.add(draft(), KEY)).book.id
    number = await catalog.last_number()
    other = AdminKey(KEY.key, "1" * 64)
    with pytest.raises(KeyReused):
        await catalog.add(draft(title="Another"), other)
    with pytest.raises(KeyReused):
        await catalog.restock(book_id, Restock("r", change=5), None, other)
    assert await catalog.last_number() == number


async def test_a_refused_change_does_not_use_up_its_key(catalog: Catalog) -> None:
    """A key whose change was refused can be sent again once the change is possible."""
    book_id = await add_book(catalog, stock=0)
    with pytest.raises(OutOfStock):
        await catalog.restock(book_id, Restock("r", change=-5), None, KEY)
    await catalog.restock(book_id, Restock("r", change=5), None)
    change = await catalog.restock(book_id, Restock("r", change=-5), None, KEY)
    assert (change.book.stock, change.replayed) == (0, False)
