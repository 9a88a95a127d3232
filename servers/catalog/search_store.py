"""The SQL by which books are found: as lists in several orders, by words, by topic.

As in ``store``, inside a transaction of the caller's, and no rule is decided here.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from servers.catalog.store import BOOK, book_of
from servers.domain.text import topic_key
from servers.storage.full_text import search_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from servers.domain.book import Book
    from servers.storage.database import Transaction

_WORDS = "book_words"


async def topics(tx: Transaction) -> list[tuple[str, int]]:
    """Return the topics of living books with their counts, by name."""
    rows = await tx.fetch_all("SELECT name, books FROM topics WHERE books > 0 ORDER BY topic_key")
    return [(name, books) for name, books in rows]


async def with_words(tx: Transaction, words: Sequence[str], after_id: int, limit: int) -> list[int]:
    """Return ids above ``after_id`` of living books that have all of the words, by id."""
    return await tx.words.matching(_WORDS, words, after_id, limit)


async def books(tx: Transaction, ids: Sequence[int]) -> list[Book]:
    """Return the books of these ids, in order, as far as there are any."""
    rows = await tx.fetch_many(
        f"SELECT {BOOK} FROM books WHERE id = $1", [(book_id,) for book_id in ids]
    )
    return [book_of(row) for row in rows]


async def with_topic(tx: Transaction, topic: str, after_id: int, limit: int) -> list[Book]:
    """Return living books of a topic with ids above ``after_id``, by id."""
    rows = await tx.fetch_all(
        "SELECT book_id FROM book_topics WHERE topic_key = $1 AND book_id > $2 "
        "ORDER BY book_id LIMIT $3",
        topic_key(topic),
        after_id,
        limit,
    )
    return await books(tx, [book_id for (book_id,) in rows])


async def by_title(tx: Transaction, title: str, book_id: int, limit: int) -> list[Book]:
    """Return living books after this title and id, by title and id; ASCII case is ignored."""
    rows = await tx.fetch_all(
        # A comparison of pairs would not use the index, which is one of an expression.
        f"SELECT {BOOK} FROM books WHERE deleted = 0 AND lower(title) >= $1 AND "
        "(lower(title) > $1 OR id > $2) ORDER BY lower(title), id LIMIT $3",
        _without_ascii_case(title),
        book_id,
        limit,
    )
    return [book_of(row) for row in rows]


async def by_price(tx: Transaction, price_minor: int, book_id: int, limit: int) -> list[Book]:
    """Return living books after this price and id, by price and id."""
    rows = await tx.fetch_all(
        f"SELECT {BOOK} FROM books WHERE deleted = 0 AND (price_minor, id) > ($1, $2) "
        "ORDER BY price_minor, id LIMIT $3",
        price_minor,
        book_id,
        limit,
    )
    return [book_of(row) for row in rows]


async def add_words(tx: Transaction, *added: Book) -> None:
    """Let living books be found by their words."""
    rows = [(book.id, search_words(book.title, *book.authors, *book.topics)) for book in added]
    await tx.words.add(_WORDS, rows)


async def remove_words(tx: Transaction, book_id: int) -> None:
    """Let a book be found no more by words."""
    await tx.words.remove(_WORDS, book_id)


async def link_topics(tx: Transaction, *linked: Book) -> None:
    """Let living books be found under their topics."""
    names = {book.id: {topic_key(name): name for name in book.topics} for book in linked}
    links = [(key, book_id) for book_id, of_book in names.items() for key in of_book]
    await tx.fetch_many("INSERT INTO book_topics (topic_key, book_id) VALUES ($1, $2)", links)
    first = {key: name for of_book in reversed(names.values()) for key, name in of_book.items()}
    counts = Counter(key for key, _ in links)
    await tx.fetch_many(
        "INSERT INTO topics (topic_key, name, books) VALUES ($1, $2, $3) "
        "ON CONFLICT (topic_key) DO UPDATE SET books = topics.books + excluded.books",
        [(key, first[key], count) for key, count in counts.items()],
    )


async def unlink_topics(tx: Transaction, unlinked: Book) -> None:
    """Let a book be found no more under the topics that it has."""
    for key in {topic_key(name): name for name in unlinked.topics}:
        await tx.execute(
            "DELETE FROM book_topics WHERE topic_key = $1 AND book_id = $2", key, unlinked.id
        )
        await tx.execute("UPDATE topics SET books = books - 1 WHERE topic_key = $1", key)


def _without_ascii_case(title: str) -> str:
    """Return what lower() makes of a title in the database; of bytes, so it knows ASCII alone."""
    return title.encode().lower().decode()
