"""Keeping what books are found by in step with the books: topics and words.

Inside the transaction that changes a book, so that a search is never behind. A sale changes
neither: stock and version are not searched for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from servers.catalog import search_store

if TYPE_CHECKING:
    from servers.domain.book import Book
    from servers.storage.database import Transaction


async def put(tx: Transaction, *added: Book) -> None:
    """Let new books be found."""
    await search_store.link_topics(tx, *added)
    await search_store.add_words(tx, *added)


async def move(tx: Transaction, before: Book, after: Book) -> None:
    """Let an edited book be found by what it is now."""
    if after.topics != before.topics:
        await search_store.unlink_topics(tx, before)
        await search_store.link_topics(tx, after)
    if _text(after) != _text(before):
        await search_store.remove_words(tx, after.id)
        await search_store.add_words(tx, after)


async def take(tx: Transaction, before: Book) -> None:
    """Let a book be found no more, which becomes a tombstone."""
    await search_store.unlink_topics(tx, before)
    await search_store.remove_words(tx, before.id)


def _text(book: Book) -> tuple[object, ...]:
    return book.title, book.authors, book.topics
