"""A change by staff written down: the book as it is now, and its entry in the ledger.

Inside the transaction that makes the change. Sales write theirs in ``selling``, many together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from servers.catalog import store
from servers.domain.ledger import entry_of_change

if TYPE_CHECKING:
    from servers.domain.book import Book
    from servers.domain.ledger import Kind
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
