"""Adding books inside a transaction: each decided by itself, those that may go in written together.

What the database would refuse a row for is asked before anything is written: a statement that
fails takes the whole transaction with it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from servers.catalog import recording, selling, shelving, store
from servers.domain.errors import IsbnExists, KeyReused, ShopError
from servers.domain.ledger import Kind, entry_of_change
from servers.domain.protocols import Change

if TYPE_CHECKING:
    from collections.abc import Sequence

    from servers.domain.book import Book
    from servers.domain.ledger import Entry
    from servers.domain.protocols import Addition, AdminKey
    from servers.storage.database import Transaction


async def add_all(
    tx: Transaction, additions: Sequence[Addition], at_ms: int
) -> list[Change | ShopError]:
    """Add books and return what became of each, in order; what is refused spoils nothing.

    What the same key has added before is told as it is now. Refusals are `KeyReused`,
    `IsbnExists`, and `BookDeleted` where what the key has added is gone.
    """
    keys = {each.key.key for each in additions if each.key is not None}
    isbns = {each.draft.isbn for each in additions if each.draft.isbn is not None}
    entries = await store.by_keys(tx, sorted(keys))
    books = await store.books(tx, {entry.book_id for entry in entries.values()})
    shelf = _Shelf(await store.living_with_isbns(tx, sorted(isbns)))
    verdicts = [
        _told_again(addition.key, entries[addition.key.key], books)
        if addition.key is not None and addition.key.key in entries
        else shelf.take(addition)
        for addition in additions
    ]
    added = await _insert(tx, shelf.new, at_ms)
    return [
        Change(added[verdict.place], replayed=verdict.again)
        if isinstance(verdict, _Place)
        else verdict
        for verdict in verdicts
    ]


def isbn_exists(isbn: str, book_id: int | None) -> IsbnExists:
    """Return the refusal of an ISBN that another living book has, or had until now."""
    if book_id is None:
        return IsbnExists(f"Another book had the ISBN {isbn} until now. Try again.", isbn=isbn)
    detail = f"Book {book_id} has the ISBN {isbn}. Look at it, or leave the ISBN out."
    return IsbnExists(detail, isbn=isbn, book_id=book_id)


@dataclass(frozen=True, slots=True)
class _Place:
    """Which of the new books an addition is; ``again`` if an earlier one of them was the same."""

    place: int
    again: bool = False


@dataclass(slots=True)
class _Shelf:
    """Which books go in, one after the other; ``taken`` are the ISBNs of books that are in."""

    taken: dict[str, int]
    new: list[Addition] = field(default_factory=list)
    _isbns: set[str] = field(default_factory=set)
    _keys: dict[str, int] = field(default_factory=dict)

    def take(self, addition: Addition) -> _Place | ShopError:
        """Return the place of a book that goes in, or why it does not."""
        key, isbn = addition.key, addition.draft.isbn
        if key is not None and key.key in self._keys:
            place = self._keys[key.key]
            same = self.new[place].key == key
            return _Place(place, again=True) if same else KeyReused(selling.KEY_REUSED)
        if isbn is not None and isbn in self.taken:
            return isbn_exists(isbn, self.taken[isbn])
        if isbn is not None and isbn in self._isbns:
            detail = f"A book before it has the ISBN {isbn}. Leave one of them out."
            return IsbnExists(detail, isbn=isbn)
        if key is not None:
            self._keys[key.key] = len(self.new)
        if isbn is not None:
            self._isbns.add(isbn)
        self.new.append(addition)
        return _Place(len(self.new) - 1)


def _told_again(key: AdminKey, entry: Entry, books: dict[int, Book]) -> Change | ShopError:
    try:
        return recording.told_again(key, entry, books.get(entry.book_id))
    except ShopError as refusal:
        return refusal


async def _insert(tx: Transaction, new: Sequence[Addition], at_ms: int) -> list[Book]:
    """Write new books with all that belongs to them."""
    if not new:
        return []
    ids = await store.insert_books(tx, [each.draft.as_book(0, at_ms) for each in new])
    books = [each.draft.as_book(its, at_ms) for its, each in zip(ids, new, strict=True)]
    await shelving.put(tx, *books)
    entries = [
        entry_of_change(
            Kind.ADDED, None, book, fingerprint=each.key.fingerprint if each.key else None
        )
        for book, each in zip(books, new, strict=True)
    ]
    await store.append_all(tx, entries, [each.key.key if each.key else None for each in new])
    return books
