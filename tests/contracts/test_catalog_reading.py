"""What every catalog promises to those who read: topics, pages, the ledger."""

from __future__ import annotations

import pytest

from servers.domain.book import Edit, Restock
from servers.domain.errors import BookNotFound
from servers.domain.ledger import Kind
from servers.domain.limits import MAX_ID
from servers.domain.protocols import Catalog, TopicCount, TopicPage
from servers.domain.sale import Seen
from tests.support.services import add_book, batch_of, purchase


async def test_topics_are_counted_by_name(catalog: Catalog) -> None:
    """The topics of living books come by name, each with its number of books."""
    await add_book(catalog, topics=("travel", "art"))
    await add_book(catalog, topics=("Travel",))
    await add_book(catalog, topics=())
    assert await catalog.topics() == [TopicCount("art", 1), TopicCount("travel", 2)]


async def test_topics_follow_their_books(catalog: Catalog) -> None:
    """A topic loses the books that are edited away from it or deleted, and goes with the last."""
    one = await add_book(catalog, topics=("a", "b"))
    two = await add_book(catalog, topics=("b",))
    await catalog.edit(one, Edit({"topics": ("c", "b")}), 1)
    assert await catalog.topics() == [TopicCount("b", 2), TopicCount("c", 1)]
    await catalog.delete(two, None)
    assert await catalog.topics() == [TopicCount("b", 1), TopicCount("c", 1)]
    await catalog.edit(one, Edit({"title": "The same topics"}), 2)
    assert await catalog.topics() == [TopicCount("b", 1), TopicCount("c", 1)]
    await catalog.delete(one, None)
    assert await catalog.topics() == []
    await add_book(catalog, topics=("a",))
    assert await catalog.topics() == [TopicCount("a", 1)]


@pytest.mark.parametrize(
    "asked", ["Distributed Systems", " distributed  SYSTEMS ", "distributed\u00a0systems"]
)
async def test_a_search_folds_its_topic(catalog: Catalog, asked: str) -> None:
    """A topic is found whatever its case and its blanks."""
    book_id = await add_book(catalog, topics=("distributed systems",))
    ((book,),) = await catalog.search([TopicPage(asked)])
    assert book.id == book_id


@pytest.mark.parametrize("asked", ["distributed", "%", "_" * 7, "*", "'", '"', "tests' OR 1=1 --"])
async def test_a_search_matches_whole_topics(catalog: Catalog, asked: str) -> None:
    """No character of a topic stands for another, and a part of one is not one."""
    await add_book(catalog, topics=("distributed systems",))
    assert await catalog.search([TopicPage(asked)]) == [[]]


async def test_a_search_in_pages(catalog: Catalog) -> None:
    """Each page begins after the last id of the one before, whatever happens in between."""
    ids = [await add_book(catalog, topics=("t",) if n % 2 else ("u",)) for n in range(10)]
    wanted = ids[1::2]
    found: list[int] = []
    after_id = 0
    while True:
        (page,) = await catalog.search([TopicPage("t", 2, after_id)])
        if not page:
            break
        found += [book.id for book in page]
        after_id = page[-1].id
        if len(found) == 2:
            await catalog.delete(ids[1], None)
            await catalog.delete(ids[5], None)
            wanted.remove(ids[5])
    assert found == wanted


async def test_several_searches_at_once(catalog: Catalog) -> None:
    """Each page asked for is answered by itself, in order."""
    one, two = await add_book(catalog, topics=("t",)), await add_book(catalog, topics=("t",))
    pages = [TopicPage("t", 1), TopicPage("none"), TopicPage("t", 5, one), TopicPage("t", 5, two)]
    found = await catalog.search(pages)
    assert [[book.id for book in page] for page in found] == [[one], [], [two], []]


async def test_the_shelf_in_pages(catalog: Catalog) -> None:
    """The shelf has every living book by id, with tombstones where they are asked for."""
    ids = [await add_book(catalog) for _ in range(5)]
    await catalog.delete(ids[2], None)
    assert [book.id for book in await catalog.shelf(ids[0], 2)] == [ids[1], ids[3]]
    with_dead = await catalog.shelf(ids[0], 3, tombstones=True)
    assert [(book.id, book.deleted) for book in with_dead] == [
        (ids[1], False),
        (ids[2], True),
        (ids[3], False),
    ]


async def test_the_ledger_has_every_change(catalog: Catalog) -> None:
    """Each change of a book is one entry with the version and stock that it left."""
    book_id = await add_book(catalog, stock=3)
    await catalog.edit(book_id, Edit({"price_minor": 500}), 1)
    await catalog.restock(book_id, Restock("delivery", change=2), None)
    sale = purchase(book_id, quantity=4)
    await catalog.sell(batch_of(3, sale))
    await catalog.take_back(sale, Seen())
    await catalog.delete(book_id, None)
    entries = await catalog.ledger(0, 10)
    assert [(each.kind, each.change, each.version_after, each.stock_after) for each in entries] == [
        (Kind.ADDED, 3, 1, 3),
        (Kind.EDITED, 0, 2, 3),
        (Kind.RECEIVED, 2, 3, 5),
        (Kind.SOLD, -4, 4, 1),
        (Kind.RETURNED, 4, 5, 5),
        (Kind.DELETED, 0, 6, 5),
    ]
    numbers = [each.number for each in entries]
    assert numbers == sorted(set(numbers))
    assert await catalog.last_number() == numbers[-1]
    assert [each.unit_price_minor for each in entries] == [1000, 500, 500, 500, 500, 500]
    assert {each.book_id for each in entries} == {book_id}


async def test_the_ledger_in_pages(catalog: Catalog) -> None:
    """The whole ledger is read oldest first, from after a number on."""
    assert (await catalog.ledger(0, 10), await catalog.last_number()) == ([], 0)
    ids = [await add_book(catalog) for _ in range(5)]
    entries = await catalog.ledger(0, 10)
    assert [each.book_id for each in entries] == ids
    assert await catalog.ledger(entries[0].number, 3) == entries[1:4]
    assert await catalog.ledger(entries[3].number, 3) == entries[4:]
    assert await catalog.ledger(await catalog.last_number(), 3) == []


async def test_the_ledger_of_a_book(catalog: Catalog) -> None:
    """A book's own ledger is read newest first, from before a number on, also once deleted."""
    book_id = await add_book(catalog)
    await add_book(catalog)
    await catalog.delete(book_id, None)
    entries = await catalog.book_ledger(book_id, MAX_ID, 10)
    assert [each.kind for each in entries] == [Kind.DELETED, Kind.ADDED]
    assert await catalog.book_ledger(book_id, entries[0].number, 10) == entries[1:]
    assert await catalog.book_ledger(book_id, MAX_ID, 1) == entries[:1]


async def test_the_ledger_of_no_book(catalog: Catalog) -> None:
    """A book that never was has no ledger, also where a purchase of it was refused."""
    await catalog.sell(batch_of(1, purchase(7)))
    assert (await catalog.ledger(0, 10))[0].book_id == 7
    with pytest.raises(BookNotFound):
        await catalog.book_ledger(7, MAX_ID, 10)
