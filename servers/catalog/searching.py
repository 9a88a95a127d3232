"""How a search is answered: page by page, at a cost that does not grow with the catalogue.

Each order has an index, and a page begins in it where the one before ended. Two things bound
what a page may cost:

- *Relevance* would have to look at every book that has the words. So the first `BEST_OF` of
  them, by id, are ranked, and the others follow by id. Most searches find fewer.
- Where few books are shown of those that are looked at (in stock, of a topic), a page ends
  after `MAX_LOOKED_AT` books, however few it has, and the next one goes on from there.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn, TypeAlias

from servers.catalog import search_store, store
from servers.domain.errors import InvalidRequest, Overloaded
from servers.domain.limits import MAX_ID
from servers.domain.search import BookPage, Found, Sort, relevance
from servers.storage.full_text import words_of

if TYPE_CHECKING:
    from servers.domain.book import Book
    from servers.domain.search import BookSearch
    from servers.storage.database import Transaction

BEST_OF = 200
"""How many of the books that have the words are ranked."""

MAX_SEARCHERS = 256
"""How many may search or wait for their turn: what they take together is a few seconds."""

MAX_LOOKED_AT = 1000
"""How many books a page looks at, at most; as many again where the ranked ones end on it."""

_Next: TypeAlias = Callable[["_Place", int], Awaitable[list["Book"]]]
"""Returns books after a place, in their order, so many at most."""


@dataclass(frozen=True, slots=True)
class _Place:
    """A place in a list: before the first book, or where a book stands."""

    book_id: int = 0
    title: str = ""
    price_minor: int = -1


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Books found one after the other; ``last`` is where looking ended, None at the end."""

    books: list[Book]
    last: _Place | None

    def found(self) -> list[Found]:
        """Return the books as a search shows them."""
        return [Found.of(book) for book in self.books]


class Searchers:
    """Lets one search at a time: threads that rank side by side keep the event loop waiting."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._count = 0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for the turn to search. Raises `Overloaded` where too many wait already."""
        if self._count >= MAX_SEARCHERS:
            raise Overloaded("Too many searches are waiting. Try again in a second.")
        self._count += 1
        try:
            async with self._turn:
                yield
        finally:
            self._count -= 1


async def find(tx: Transaction, search: BookSearch) -> BookPage:
    """Return a page of books. Raises `InvalidRequest` for an order or a position that is none."""
    order, position = search.order, _decoded(search.after)
    if order is Sort.RELEVANCE:
        return await _by_relevance(tx, search, position)
    after = await _place(tx, position, order)
    stretch = await _look(_source(tx, search, order), search, after, search.limit)
    return _page(stretch.found(), stretch, order)


async def _by_relevance(tx: Transaction, search: BookSearch, position: list[object]) -> BookPage:
    """Return a page of the ranked head, or of what follows it by id, or of both.

    A position in the head names the last id that belongs to it, so that the head stays the
    same books for all its pages, whatever is added meanwhile.
    """
    source = _source(tx, search, Sort.RELEVANCE)
    if len(position) == 1:
        rest = await _look(source, search, await _place(tx, position, Sort.ID), search.limit)
        return _page(rest.found(), rest, Sort.ID)
    rank, book_id, last_id = _numbers(position, 3) if position else (MAX_ID, 0, MAX_ID)
    head = await _look(source, search, _Place(), BEST_OF, last_id)
    asked = words_of(search.text or "")
    ranked = sorted((-_relevance(asked, book), book.id, book) for book in head.books)
    left = [each for each in ranked if each[:2] > (-rank, book_id)]
    books = [Found.of(book) for _, _, book in left[: search.limit]]
    last_id = head.last.book_id if head.last is not None else last_id
    if len(left) > search.limit:
        minus_rank, book_id, _ = left[search.limit - 1]
        return BookPage(books, _encoded(-minus_rank, book_id, last_id))
    if head.last is None:
        return BookPage(books)
    if len(books) == search.limit:
        return BookPage(books, _encoded(last_id))
    rest = await _look(source, search, head.last, search.limit - len(books))
    return _page(books + rest.found(), rest, Sort.ID)


async def _look(
    source: _Next, search: BookSearch, last: _Place, wanted: int, last_id: int = MAX_ID
) -> _Stretch:
    """Look at books in their order until there are as many as wanted, and one more."""
    found: list[Book] = []
    looked_at = 0
    while looked_at < MAX_LOOKED_AT:
        count = min(wanted - len(found) + 1, MAX_LOOKED_AT - looked_at)
        books = await source(last, count)
        before: Book | None = None
        for book in books:
            shown = search.shows(book)
            if book.id > last_id or (shown and len(found) == wanted):
                return _Stretch(found, last if before is None else _place_of(before))
            if shown:
                found.append(book)
            before = book
        if len(books) < count:
            return _Stretch(found, None)
        last = _place_of(books[-1])
        looked_at += count
    return _Stretch(found, last)


def _source(tx: Transaction, search: BookSearch, order: Sort) -> _Next:
    """Return what looks books up in the order that is wanted."""
    topic = search.topic
    if order is Sort.TITLE:
        return lambda last, count: search_store.by_title(tx, last.title, last.book_id, count)
    if order is Sort.PRICE:
        return lambda last, count: search_store.by_price(tx, last.price_minor, last.book_id, count)
    if search.text is not None:
        asked = words_of(search.text)
        # The words of topics are indexed too: nearly all books that have them have the topic.
        words = [*words_of(topic or ""), *asked] if asked else []

        async def with_words(last: _Place, count: int) -> list[Book]:
            ids = await search_store.with_words(tx, words, last.book_id, count)
            return await search_store.books(tx, ids)

        return with_words
    if topic is not None:
        return lambda last, count: search_store.with_topic(tx, topic, last.book_id, count)
    return lambda last, count: store.shelf(tx, last.book_id, count, tombstones=False)


def _relevance(asked: list[str], book: Book) -> int:
    title = words_of(book.title)
    if all(word in title for word in asked):
        return relevance(asked, title, ())  # The authors' words would not count.
    return relevance(asked, title, [word for name in book.authors for word in words_of(name)])


# Positions, as they travel: numbers in JSON, the id of a page's last book among them.


def _page(books: list[Found], stretch: _Stretch, order: Sort) -> BookPage:
    last = stretch.last
    if last is None:
        return BookPage(books)
    price = (last.price_minor,) if order is Sort.PRICE else ()
    return BookPage(books, _encoded(*price, last.book_id))


async def _place(tx: Transaction, position: list[object], order: Sort) -> _Place:
    if not position:
        return _Place()
    if order is Sort.PRICE:
        price_minor, book_id = _numbers(position, 2)
        return _Place(book_id, price_minor=price_minor)
    (book_id,) = _numbers(position, 1)
    if order is not Sort.TITLE:
        return _Place(book_id)
    # A title can be too long for a cursor. A tombstone keeps the place of its title.
    last = await store.book(tx, book_id)
    if last is None:
        _refuse()
    return _Place(book_id, last.title)


def _place_of(book: Book) -> _Place:
    return _Place(book.id, book.title, book.price_minor)


def _encoded(*keys: int) -> str:
    return json.dumps(keys, separators=(",", ":"))


def _decoded(position: str | None) -> list[object]:
    if position is None:
        return []
    try:
        keys = json.loads(position)
    except (ValueError, RecursionError):
        _refuse()
    if not isinstance(keys, list) or not keys:
        _refuse()
    return keys


def _numbers(position: list[object], count: int) -> list[int]:
    numbers = [key for key in position if type(key) is int and 0 <= key <= MAX_ID]
    if len(numbers) != count or len(position) != count:
        _refuse()
    return numbers


def _refuse() -> NoReturn:
    raise InvalidRequest("`cursor` must be one that this list gave.", field="cursor")
