"""Making a big catalogue: many books at once, whose drafts are known to be right.

Each chunk is one transaction with everything that adding a book one by one would write: its
topics, its words, its entry in the ledger.
"""

from __future__ import annotations

from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from servers.catalog import shelving, store
from servers.domain.ledger import Kind, entry_of_change

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from servers.domain.book import Draft
    from servers.storage.database import Database, Transaction

CHUNK_BOOKS = 1000
"""How many books go into one transaction, which keeps the event loop for that long."""


async def fill(
    database: Database, drafts: Iterable[Draft], at_ms: int, chunk_books: int = CHUNK_BOOKS
) -> int:
    """Add books in chunks and return how many; those of a chunk go in together or not at all.

    Raises `UniqueViolation` where a living book has the ISBN of a new one.
    """
    left, added = iter(drafts), 0
    while chunk := list(islice(left, chunk_books)):
        await database.write(partial(_add, drafts=chunk, at_ms=at_ms))
        added += len(chunk)
    return added


async def fill_if_new(database: Database, drafts: Sequence[Draft], at_ms: int) -> int:
    """Add books, all or none, to a catalog in which nothing ever happened; return how many.

    Of several who do this at once only one adds them.
    """

    async def unit(tx: Transaction) -> int:
        if await store.last_number(tx) > 0:
            return 0
        await _add(tx, drafts, at_ms)
        return len(drafts)

    return await database.write(unit)


async def _add(tx: Transaction, drafts: Sequence[Draft], at_ms: int) -> None:
    ids = await store.insert_books(tx, [draft.as_book(0, at_ms) for draft in drafts])
    books = [draft.as_book(book_id, at_ms) for draft, book_id in zip(drafts, ids, strict=True)]
    await shelving.put(tx, *books)
    await store.append_all(tx, [entry_of_change(Kind.ADDED, None, book) for book in books])
