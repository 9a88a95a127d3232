"""What every catalog promises to those who search: words, orders, pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from servers.domain.book import Edit, Restock
from servers.domain.errors import InvalidRequest
from servers.domain.search import BookSearch, Sort
from tests.support.services import add_book, batch_of, purchase

if TYPE_CHECKING:
    from servers.domain.protocols import Catalog


async def found(catalog: Catalog, **asked: object) -> list[int]:
    """Return the ids of all pages of a search."""
    ids: list[int] = []
    after: str | None = None
    while True:
        page = await catalog.find(BookSearch(**asked, after=after))  # type: ignore[arg-type]  # as named
        ids += [book.id for book in page.books]
        after = page.following
        if after is None:
            return ids


@pytest.fixture
async def cooking(catalog: Catalog) -> int:
    """A book to be found, among others."""
    await add_book(catalog, title="Something else", authors=("Nobody",), topics=("other",))
    return await add_book(
        catalog,
        title="Cooking for the Impatient Undergrad: “Crème brûlée”",
        authors=("Zoë O'Neill", "Jürgen Groß"),
        topics=("Undergraduate School",),
    )


@pytest.mark.parametrize(
    "text",
    [
        *("cooking", "cook", "COOK", "cooking impati", "impatient COOKING", "creme", "crème BRU"),
        *("zoe", "groß", "GROSS cooking", "school", "undergraduate cooking", "o'neill", "c"),
        *("cooking cooking", "for the", 'cook"', "cooking*", "-cooking", "cooking - school"),
        *("(cooking)", "^cooking", "{cooking}", "cooking+creme", "brûlée."),
    ],
)
async def test_found_by_words(catalog: Catalog, cooking: int, text: str) -> None:
    """All words in title, authors or topics, the last as a beginning; the rest is ornament."""
    assert await found(catalog, text=text) == [cooking]


@pytest.mark.parametrize(
    "text",
    [
        *(
            "ooking",
            "cook the",
            "cook impati",
            "cooking nobody",
            "cooking OR nobody",
            "cooking NOT other",
        ),
        *("title:cook", "NEAR(cooking the)", '"', "''", "*", "%", "_", "!!!", "\u2764\ufe0f", "zz"),
        "x" * 256,
    ],
)
async def test_not_found_by_words(catalog: Catalog, cooking: int, text: str) -> None:
    """No part of a word but its beginning, no operator and no pattern finds anything."""
    assert await found(catalog, text=text) == []


async def test_scripts_without_blanks(catalog: Catalog) -> None:
    """A title without blanks is found by any of its characters, in Han and kana."""
    dream = await add_book(catalog, title="红楼梦", topics=())
    harry = await add_book(catalog, title="ハリー・ポッター", topics=())
    assert await found(catalog, text="楼梦") == [dream]
    assert await found(catalog, text="ポッター") == [harry]
    assert await found(catalog, text="楼ポ") == []


async def test_a_search_follows_the_books(catalog: Catalog, cooking: int) -> None:
    """An edit is found by its new words alone, a tombstone by none, at once."""
    await catalog.edit(cooking, Edit({"title": "Baking"}), 1)
    assert await found(catalog, text="cooking") == []
    assert await found(catalog, text="baking") == [cooking]
    await catalog.edit(cooking, Edit({"topics": ("bread",)}), 2)
    assert await found(catalog, text="school") == []
    assert await found(catalog, text="bread") == [cooking]
    await catalog.edit(cooking, Edit({"authors": ("Somebody",)}), 3)
    assert await found(catalog, text="zoe") == []
    await catalog.edit(cooking, Edit({"price_minor": 1}), 4)
    await catalog.restock(cooking, Restock("delivery", change=1), None)
    await catalog.sell(batch_of(6, purchase(cooking)))
    assert await found(catalog, text="somebody bak") == [cooking]
    await catalog.delete(cooking, None)
    assert await found(catalog, text="baking") == []
    assert cooking not in await found(catalog)


async def test_what_fits_best_comes_first(catalog: Catalog) -> None:
    """Titles before authors before topics, whole words before beginnings, short before long."""
    topic = await add_book(catalog, title="A", authors=("B",), topics=("emma",))
    author = await add_book(catalog, title="A", authors=("Emma B",), topics=())
    beginning = await add_book(catalog, title="On Emmanuel", authors=("B",), topics=())
    inside = await add_book(catalog, title="Reading Emma", authors=("B",), topics=())
    longer = await add_book(catalog, title="Emma, a novel", authors=("B",), topics=())
    itself = await add_book(catalog, title="Emma", authors=("B",), topics=())
    first = await add_book(catalog, title="Emma", authors=("B",), topics=())
    wanted = [itself, first, longer, inside, beginning, author, topic]
    for limit in (1, 2, 3, 50):
        assert await found(catalog, text="emma", limit=limit) == wanted
    assert await found(catalog, text="emma", sort=Sort.ID, limit=2) == sorted(wanted)


async def test_lists_in_order(catalog: Catalog) -> None:
    """Without words all living books are listed: by id, title or price, equals by id."""
    one = await add_book(catalog, title="b", price_minor=200)
    two = await add_book(catalog, title="A", price_minor=300)
    three = await add_book(catalog, title="B", price_minor=200)
    gone = await add_book(catalog, title="a", price_minor=1)
    four = await add_book(catalog, title="Ω" * 500, price_minor=0)
    five = await add_book(catalog, title="Ω" * 500, price_minor=10**11)
    await catalog.delete(gone, None)
    for limit in (1, 2, 5, 50):
        assert await found(catalog, limit=limit) == [one, two, three, four, five]
        assert await found(catalog, sort=Sort.TITLE, limit=limit) == [two, one, three, four, five]
        assert await found(catalog, sort=Sort.PRICE, limit=limit) == [four, one, three, two, five]


async def test_of_a_topic_and_in_stock(catalog: Catalog) -> None:
    """A topic matches whole and folded; books without copies are left out where asked for."""
    art = await add_book(catalog, title="x one", topics=("Modern Art",))
    sold = await add_book(catalog, title="x two", topics=("Modern Art", "b"), stock=0)
    other = await add_book(catalog, title="x modern art", topics=("b",))
    assert await found(catalog, topic="modern  ART") == [art, sold]
    assert await found(catalog, topic="modern") == []
    assert await found(catalog, topic="!!!", text="x") == []
    assert await found(catalog, topic="modern art", text="x") == [art, sold]
    assert await found(catalog, topic="modern art", in_stock=True) == [art]
    assert await found(catalog, in_stock=True, limit=1) == [art, other]
    assert await found(catalog, text="x", in_stock=True) == [art, other]
    assert await found(catalog, in_stock=True, sort=Sort.PRICE, limit=1) == [art, other]


async def test_pages_while_books_change(catalog: Catalog) -> None:
    """Each page goes on where the one before ended, whatever is added or deleted meanwhile."""
    ids = [await add_book(catalog, title="same") for _ in range(7)]
    for asked in (BookSearch(limit=2), BookSearch("same", limit=2), BookSearch(limit=2)):
        page = await catalog.find(asked)
        assert [book.id for book in page.books] == ids[:2]
        await catalog.delete(ids[1], None)
        ids += [await add_book(catalog, title="same")]
        following = BookSearch(asked.text, limit=2, after=page.following)
        assert [book.id for book in (await catalog.find(following)).books] == ids[2:4]
        del ids[1]


@pytest.mark.parametrize(
    "asked",
    [
        BookSearch(sort=Sort.RELEVANCE),
        BookSearch("a", sort=Sort.TITLE),
        BookSearch("a", sort=Sort.PRICE),
        BookSearch(topic="a", sort=Sort.TITLE),
        BookSearch(topic="a", sort=Sort.PRICE),
    ],
)
async def test_orders_that_no_index_has(catalog: Catalog, asked: BookSearch) -> None:
    """An order that would have to look at every book found is refused, not answered slowly."""
    with pytest.raises(InvalidRequest) as refused:
        await catalog.find(asked)
    assert refused.value.members == {"field": "sort"}


@pytest.mark.parametrize("sort", [Sort.ID, Sort.TITLE, Sort.PRICE, Sort.RELEVANCE])
@pytest.mark.parametrize(
    "position",
    [
        *("x", "{}", "[]", "null", "7", '["7"]', "[-1]", "[1.5]", "[true]", "[1,2,3,4]", "[[1]]"),
        *("[9223372036854775808]", "[null,1]", '["a",1]', "[1,-2,3]", "[99]]", "[" * 5000),
    ],
)
async def test_positions_that_are_none(catalog: Catalog, sort: Sort, position: str) -> None:
    """A position that no page gave is refused, whatever it looks like."""
    text = "a" if sort is Sort.RELEVANCE else None
    with pytest.raises(InvalidRequest) as refused:
        await catalog.find(BookSearch(text, sort=sort, after=position))
    assert refused.value.members == {"field": "cursor"}
