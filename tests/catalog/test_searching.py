"""Searches against a model, at their bounds, and what keeps the index in step with the books."""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from servers.catalog import search_store, searching
from servers.catalog.searching import MAX_SEARCHERS
from servers.catalog.service import CatalogService
from servers.domain.book import Book, Edit
from servers.domain.errors import Overloaded
from servers.domain.sale import Seen
from servers.domain.search import BookSearch, Sort, relevance
from servers.domain.text import topic_key
from servers.storage.full_text import words_of
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
    from servers.domain.protocols import Catalog
    from servers.storage.database import Database, Row, Transaction, Unit, Value

WORDS = ("art", "Art", "arts", "État", "etat", "b", "war", "和", "平")
PHRASES = st.lists(st.sampled_from(WORDS), min_size=1, max_size=3).map(" ".join)
FIELDS = st.fixed_dictionaries(
    {
        "title": PHRASES,
        "authors": st.tuples(PHRASES),
        "topics": st.lists(st.sampled_from(WORDS), max_size=2, unique_by=topic_key).map(tuple),
        "price_minor": st.integers(0, 3),
    }
)
STOCKS = st.integers(0, 2)
SEARCHES = st.builds(
    BookSearch,
    text=st.none() | PHRASES,
    topic=st.none() | st.sampled_from(WORDS),
    in_stock=st.booleans(),
    sort=st.none() | st.sampled_from([Sort.ID, Sort.TITLE, Sort.PRICE]),
    limit=st.integers(1, 4),
)


@dataclass(frozen=True)
class Step:
    """A change of one of the books that are there: an edit, or without fields a delete."""

    place: int
    fields: dict[str, Any] | None


STEPS = st.builds(Step, st.integers(0, 50), st.none() | FIELDS)


def _can_be_asked(search: BookSearch) -> bool:
    sorted_by_fields = search.sort in {Sort.TITLE, Sort.PRICE}
    return not (sorted_by_fields and (search.text is not None or search.topic is not None))


def _wanted(books: list[Book], search: BookSearch, best_of: int) -> list[int]:
    """Return what a search finds, by looking at every book."""
    hits = [book for book in books if _fits(book, search)]
    if search.order is Sort.TITLE:
        hits.sort(key=lambda book: (_without_ascii_case(book.title), book.id))
    elif search.order is Sort.PRICE:
        hits.sort(key=lambda book: (book.price_minor, book.id))
    elif search.order is Sort.RELEVANCE:
        asked = words_of(search.text or "")
        head = sorted(hits[:best_of], key=lambda book: (-_rank(asked, book), book.id))
        hits = [*head, *hits[best_of:]]
    return [book.id for book in hits]


def _fits(book: Book, search: BookSearch) -> bool:
    if book.deleted or (search.in_stock and not book.stock):
        return False
    keys = {topic_key(name) for name in book.topics}
    if search.topic is not None and topic_key(search.topic) not in keys:
        return False
    if search.text is None:
        return True
    *whole, last = words_of(search.text)
    words = words_of(" ".join((book.title, *book.authors, *book.topics)))
    return set(whole) <= set(words) and any(word.startswith(last) for word in words)


def _rank(asked: list[str], book: Book) -> int:
    return relevance(asked, words_of(book.title), words_of(" ".join(book.authors)))


def _without_ascii_case(title: str) -> str:
    return "".join(each.lower() if each.isascii() else each for each in title)


async def _pages(catalog: Catalog, search: BookSearch) -> list[list[int]]:
    pages = []
    while True:
        page = await catalog.find(search)
        assert len(page.books) <= search.limit
        pages.append([book.id for book in page.books])
        if page.following is None:
            return pages
        search = _following(search, page.following)


def _joined(pages: list[list[int]]) -> list[int]:
    return [book_id for page in pages for book_id in page]


def _following(search: BookSearch, position: str) -> BookSearch:
    return BookSearch(
        search.text, search.topic, search.in_stock, search.sort, search.limit, position
    )


async def _take_steps(catalog: Catalog, steps: list[Step]) -> set[int]:
    """Carry steps out and return which books they have changed."""
    living = await catalog.shelf(0, 1000)
    changed = set()
    for step in steps:
        if not living:
            break
        book = living.pop(step.place % len(living))
        changed.add(book.id)
        if step.fields is None:
            await catalog.delete(book.id, book.version)
        else:
            await catalog.edit(book.id, Edit(step.fields), book.version)
    return changed


async def _is_whole(database: Database) -> None:
    """Let FTS5 compare the index with itself; it raises where they differ."""

    async def unit(tx: Transaction) -> None:
        await tx.execute("INSERT INTO book_words (book_words) VALUES ('integrity-check')")

    await database.write(unit)


@given(
    st.lists(st.tuples(FIELDS, STOCKS), max_size=12),
    st.lists(STEPS, max_size=6),
    st.lists(SEARCHES.filter(_can_be_asked), min_size=1, max_size=8),
)
@settings(max_examples=60, deadline=None)
def test_as_if_every_book_were_looked_at(
    books: list[tuple[dict[str, Any], int]], steps: list[Step], searches: list[BookSearch]
) -> None:
    """After any changes every search finds what the books say, in order, in pages of any size."""

    async def run(folder: Path) -> None:
        async with open_database(folder, "catalog") as database:
            catalog = CatalogService(database, TestClock())
            for fields, stock in books:
                await catalog.add(draft(**fields, stock=stock))
            await _take_steps(catalog, steps)
            every = await catalog.shelf(0, 1000, tombstones=True)
            for search in searches:
                found = _joined(await _pages(catalog, search))
                assert found == _wanted(every, search, searching.BEST_OF), search
            await _is_whole(database)

    with ExitStack() as stack:
        stack.enter_context(patch.object(searching, "BEST_OF", 3))
        stack.enter_context(patch.object(searching, "MAX_LOOKED_AT", 5))
        asyncio.run(run(Path(stack.enter_context(tempfile.TemporaryDirectory()))))


@given(
    st.lists(FIELDS, min_size=4, max_size=12),
    st.lists(STEPS, max_size=6),
    SEARCHES.filter(_can_be_asked),
)
@settings(max_examples=40, deadline=None)
def test_what_does_not_change_is_shown(
    books: list[dict[str, Any]], steps: list[Step], search: BookSearch
) -> None:
    """Books that stay as they are are all shown, however others change between the pages."""

    async def run(folder: Path) -> None:
        async with open_catalog_service(folder) as catalog:
            for fields in books:
                await catalog.add(draft(**fields))
            every = await catalog.shelf(0, 1000)
            page = await catalog.find(search)
            shown = [book.id for book in page.books]
            changed = await _take_steps(catalog, steps)
            if page.following is not None:
                shown += _joined(await _pages(catalog, _following(search, page.following)))
            # A title that changes takes the place with it from which the list goes on.
            last_moved = search.order is Sort.TITLE and bool({*shown[: search.limit]} & changed)
            assert last_moved or {*_wanted(every, search, 0)} - changed <= {*shown}

    with ExitStack() as stack:
        stack.enter_context(patch.object(searching, "BEST_OF", 3))
        asyncio.run(run(Path(stack.enter_context(tempfile.TemporaryDirectory()))))


async def test_a_page_ends_where_little_is_shown(tmp_path: Path) -> None:
    """A page looks at so many books and no more; the next one goes on from there."""
    async with open_catalog_service(tmp_path) as catalog:
        ids = [await add_book(catalog, title="same", stock=int(n in {5, 9})) for n in range(10)]
        with patch.object(searching, "MAX_LOOKED_AT", 4):
            for search in (BookSearch(in_stock=True), BookSearch("same", None, True, Sort.ID)):
                assert await _pages(catalog, search) == [[], [ids[5]], [ids[9]]]


async def test_a_sale_leaves_the_index_alone(tmp_path: Path) -> None:
    """Selling, taking back and restocking write nothing of what searches are answered from."""
    async with open_database(tmp_path, "catalog") as database:
        catalog = CatalogService(database, TestClock())
        book_id = await add_book(catalog, title="A book", stock=5)

        async def index(tx: Transaction) -> list[tuple[Any, ...]]:
            return await tx.fetch_all("SELECT id, block FROM book_words_data ORDER BY id")

        before = await database.read(index)
        sale = purchase(book_id)
        await catalog.sell(batch_of(1, sale))
        await catalog.take_back(sale, Seen())
        assert await database.read(index) == before
        await catalog.edit(book_id, Edit({"title": "Another"}), 3)
        assert await database.read(index) != before


async def test_a_sale_touches_no_index_of_lists(tmp_path: Path) -> None:
    """The statement that takes stock opens the table alone, and none of its indexes."""
    async with open_database(tmp_path, "catalog") as database:

        async def unit(tx: Transaction) -> tuple[set[int], set[int]]:
            roots = await tx.fetch_all(
                "SELECT rootpage FROM sqlite_schema WHERE name IN ('books_by_title', "
                "'books_by_price', 'book_words_data', 'book_words_idx')"
            )
            program = await tx.fetch_all(
                "EXPLAIN UPDATE books SET stock = stock + $1, version = version + $2, "
                "updated_at_ms = $3 WHERE id = $4 AND version = $5",
                *(1, 1, 1, 1, 1),
            )
            opened = {row[3] for row in program if row[1] == "OpenWrite"}
            return {root for (root,) in roots}, opened

        of_searches, opened = await database.read(unit)
        assert len(of_searches) == 4
        assert opened
        assert not of_searches & opened


@pytest.mark.parametrize(
    ("index", "look"),
    [
        ("books_by_title (<expr>>?)", lambda tx: search_store.by_title(tx, "a", 1, 20)),
        ("books_by_price (price_minor>?)", lambda tx: search_store.by_price(tx, 1, 1, 20)),
    ],
)
async def test_a_page_begins_in_its_index(tmp_path: Path, index: str, look: Unit[object]) -> None:
    """A list is read from where its page begins, and in no other order than its index has."""
    plans: list[list[str]] = []

    @dataclass
    class Explaining:
        tx: Transaction

        async def fetch_all(self, sql: str, *args: Value) -> list[Row]:
            steps = await self.tx.fetch_all(f"EXPLAIN QUERY PLAN {sql}", *args)
            plans.append([step[3] for step in steps])
            return []

    async with open_database(tmp_path, "catalog") as database:
        await database.read(lambda tx: look(cast("Transaction", Explaining(tx))))
        assert plans == [[f"SEARCH books USING INDEX {index}"]]


async def test_too_many_searchers(tmp_path: Path) -> None:
    """Who finds too many before him is refused at once; those who gave up count no more."""
    async with open_database(tmp_path, "catalog") as database:
        catalog = CatalogService(database, TestClock())
        await add_book(catalog, title="Xen")
        search = BookSearch("xen")
        waiting = [asyncio.ensure_future(catalog.find(search)) for _ in range(MAX_SEARCHERS)]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded):
            await catalog.find(search)
        for each in waiting[1:]:
            each.cancel()
        assert len((await waiting[0]).books) == 1
        assert len((await catalog.find(search)).books) == 1
