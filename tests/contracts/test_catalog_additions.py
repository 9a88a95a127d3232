"""What every catalog promises of many books at once: each is decided by itself."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from servers.domain.errors import BookDeleted, IsbnExists, KeyReused
from servers.domain.ledger import Kind
from servers.domain.protocols import Addition, AdminKey, Change, TopicCount, TopicPage
from tests.support.services import add_book, draft

if TYPE_CHECKING:
    from servers.domain.book import Draft
    from servers.domain.protocols import Catalog

ISBN = "9780306406157"
OTHER_ISBN = "9780804429573"


def keyed(number: int, new: Draft) -> Addition:
    """Return an addition under a key of its own; over HTTP the fingerprint is made anew."""
    return Addition(new, AdminKey(f"a-key-of-a-row-{number:03}", f"{number:064x}"))


async def test_all_go_in_with_all_that_belongs_to_them(catalog: Catalog) -> None:
    """Each new book has an id, in order, an entry in the ledger, and is found by its topic."""
    drafts = [draft(title=f"Book {number}", topics=("many",)) for number in range(40)]
    changes = await catalog.add_all([Addition(each) for each in drafts])
    books = [each.book for each in changes if isinstance(each, Change)]
    assert [book.title for book in books] == [each.title for each in drafts]
    assert sorted(book.id for book in books) == [book.id for book in books]
    assert await catalog.books([book.id for book in books]) == books
    entries = await catalog.ledger(0, 100)
    assert [(each.kind, each.book_id) for each in entries] == [
        (Kind.ADDED, book.id) for book in books
    ]
    assert await catalog.topics() == [TopicCount("many", 40)]
    (page,) = await catalog.search([TopicPage("many", 100)])
    assert [each.id for each in page] == [book.id for book in books]
    assert await catalog.add_all([]) == []


async def test_a_bad_one_spoils_nothing(catalog: Catalog) -> None:
    """An ISBN of a living book, or of a book before it, is refused; the others go in."""
    first = await add_book(catalog, isbn=ISBN)
    gone = await add_book(catalog, isbn=OTHER_ISBN)
    await catalog.delete(gone, None)
    changes = await catalog.add_all(
        [
            Addition(draft(title="1")),
            Addition(draft(title="2", isbn=ISBN)),
            Addition(draft(title="3", isbn=OTHER_ISBN)),
            Addition(draft(title="4", isbn=OTHER_ISBN)),
            Addition(draft(title="5")),
        ]
    )
    assert [type(each) for each in changes] == [Change, IsbnExists, Change, IsbnExists, Change]
    assert isinstance(changes[1], IsbnExists)
    assert changes[1].members == {"isbn": ISBN, "book_id": first}
    assert isinstance(changes[3], IsbnExists)
    assert changes[3].members == {"isbn": OTHER_ISBN}
    shelf = await catalog.shelf(0, 10)
    assert [book.title for book in shelf] == ["A test book", "1", "3", "5"]


async def test_a_key_adds_once(catalog: Catalog) -> None:
    """The same again is told again, as the book is now; something else under a key is refused."""
    rows = [keyed(number, draft(title=str(number), isbn=None)) for number in range(3)]
    first = await catalog.add_all(rows)
    assert [isinstance(each, Change) and each.replayed for each in first] == [False] * 3
    other = replace(rows[1].draft, stock=99)
    fingerprint = AdminKey(rows[1].key.key if rows[1].key else "", "f" * 64)
    again = await catalog.add_all(
        [rows[0], Addition(other, fingerprint), rows[2], keyed(9, draft(title="9"))]
    )
    assert [type(each) for each in again] == [Change, KeyReused, Change, Change]
    assert [isinstance(each, Change) and each.replayed for each in again] == [
        *(True, False, True, False)
    ]
    assert len(await catalog.shelf(0, 10)) == 4


async def test_a_key_twice_among_them(catalog: Catalog) -> None:
    """Of two with one key the first goes in; the second is the same again, or refused."""
    row, other = keyed(1, draft(title="1")), draft(title="2")
    second = Addition(other, AdminKey("a-key-of-a-row-001", "f" * 64))
    changes = await catalog.add_all([row, row, second])
    one, again, refused = changes
    assert isinstance(one, Change)
    assert isinstance(again, Change)
    assert (one.replayed, again.replayed, one.book) == (False, True, again.book)
    assert isinstance(refused, KeyReused)
    assert len(await catalog.shelf(0, 10)) == 1


async def test_what_a_key_added_may_be_gone(catalog: Catalog) -> None:
    """A book that was deleted since does not come back by its row."""
    row = keyed(1, draft(isbn=ISBN))
    (added,) = await catalog.add_all([row])
    assert isinstance(added, Change)
    await catalog.delete(added.book.id, None)
    (again,) = await catalog.add_all([row])
    assert isinstance(again, BookDeleted)
    assert again.members == {"book_id": added.book.id}
