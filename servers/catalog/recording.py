"""A change by staff written down: the book as it is now, and its entry in the ledger.

Inside the transaction that makes the change; what was written under the same key before is told
again instead. Sales write theirs in ``selling``, many together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from servers.catalog import selling, store
from servers.domain.errors import BookNotFound, KeyReused
from servers.domain.ledger import entry_of_change
from servers.domain.protocols import Change

if TYPE_CHECKING:
    from servers.domain.book import Book
    from servers.domain.ledger import Entry, Kind
    from servers.domain.protocols import AdminKey
    from servers.storage.database import Transaction


async def save(tx: Transaction, before: Book, after: Book) -> None:
    """Write a book that this transaction has read. Raises `UniqueViolation` for its ISBN."""
    saved = await store.save(tx, before, after)
    assert saved  # noqa: S101  # the transaction holds the book that it read


async def record(  # an entry's parts
    tx: Transaction,
    kind: Kind,
    before: Book | None,
    after: Book,
    *,
    reason: str | None = None,
    key: AdminKey | None = None,
) -> None:
    """Append the entry of a change; ``before`` None means that the book is new.

    Raises `UniqueViolation` for a second use of a key.
    """
    fingerprint = key.fingerprint if key is not None else None
    entry = entry_of_change(kind, before, after, reason=reason, fingerprint=fingerprint)
    await store.append(tx, entry, key.key if key is not None else None)


async def made_before(tx: Transaction, key: AdminKey | None) -> Change | None:
    """Return what an earlier change with this key made, if there was one; see `told_again`."""
    entry = (await store.by_keys(tx, [key.key])).get(key.key) if key is not None else None
    if key is None or entry is None:
        return None
    return told_again(key, entry, await store.book(tx, entry.book_id))


def told_again(key: AdminKey, entry: Entry, book: Book | None) -> Change:
    """Return what the change of an entry made, as its book stands now.

    Raises `KeyReused` where the key stands for another change, and `BookNotFound`, `BookDeleted`.
    """
    if entry.fingerprint != key.fingerprint:
        raise KeyReused(selling.KEY_REUSED)
    if book is None:
        raise no_book(entry.book_id)
    return Change(book.living(), replayed=True)


def no_book(book_id: int) -> BookNotFound:
    """Return the refusal of an id that no book ever had."""
    return BookNotFound(f"There is no book {book_id}. Search for a topic.", book_id=book_id)
