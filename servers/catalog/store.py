"""The catalog's SQL: books, topics and the ledger, inside a transaction of the caller's.

One function, one purpose. Rules are not decided here; what the database itself refuses
(a second decision on an order, a second living book with an ISBN) is its own word.
"""

from __future__ import annotations

import json
from itertools import repeat
from operator import attrgetter
from typing import TYPE_CHECKING

from servers.domain.book import Book
from servers.domain.ledger import Entry, Kind
from servers.domain.search import Found
from servers.domain.text import topic_key
from servers.storage.database import StorageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from servers.domain.protocols import TopicPage
    from servers.storage.database import Row, Transaction

BOOK = "id, title, authors, isbn, topics, price_minor, stock, version, updated_at_ms, deleted"
_read_json = json.JSONDecoder().raw_decode
_ENTRY_WITHOUT_NUMBER = (
    "kind, book_id, at_ms, change, version_after, stock_after, title, unit_price_minor, "
    "order_id, fingerprint, quantity, asked_version, asked_max_price_minor, reason, version_seen, "
    "stock_seen"
)
_ENTRY = f"number, {_ENTRY_WITHOUT_NUMBER}"
_ENTRY_FIELDS = attrgetter(*_ENTRY_WITHOUT_NUMBER.split(", "))


async def book(tx: Transaction, book_id: int) -> Book | None:
    """Return a book or its tombstone, or None where none ever had this id."""
    return (await books(tx, [book_id])).get(book_id)


async def books(tx: Transaction, ids: Iterable[int]) -> dict[int, Book]:
    """Return books and tombstones by id, as far as there are any with these ids."""
    rows = await tx.fetch_many(
        f"SELECT {BOOK} FROM books WHERE id = $1", [(book_id,) for book_id in ids]
    )
    return {row[0]: book_of(row) for row in rows}


async def living_with_isbns(tx: Transaction, isbns: Iterable[str]) -> dict[str, int]:
    """Return the ids of the living books that have these ISBNs, by ISBN."""
    rows = await tx.fetch_many(
        "SELECT isbn, id FROM books WHERE isbn = $1 AND deleted = 0", [(isbn,) for isbn in isbns]
    )
    return {row[0]: row[1] for row in rows}


async def shelf(tx: Transaction, after_id: int, limit: int, *, tombstones: bool) -> list[Book]:
    """Return books with ids above ``after_id``, sorted by id."""
    rows = await tx.fetch_all(
        f"SELECT {BOOK} FROM books WHERE id > $1 AND deleted <= $2 ORDER BY id LIMIT $3",
        after_id,
        int(tombstones),
        limit,
    )
    return [book_of(row) for row in rows]


async def search(tx: Transaction, page: TopicPage) -> list[Found]:
    """Return a page of the living books of a topic, sorted by id."""
    rows = await tx.fetch_all(
        "SELECT id, title, authors, price_minor, stock FROM book_topics "
        "JOIN books ON books.id = book_topics.book_id "
        "WHERE topic_key = $1 AND book_id > $2 ORDER BY book_id LIMIT $3",
        topic_key(page.topic),
        page.after_id,
        page.limit,
    )
    return [
        Found(book_id, title, _names(authors), price_minor, stock)
        for book_id, title, authors, price_minor, stock in rows
    ]


async def insert_books(tx: Transaction, drafts: Iterable[Book]) -> list[int]:
    """Add books under the next ids, which no book ever had, and return those ids, in order.

    Raises `UniqueViolation` where a living book has the ISBN of one.
    """
    rows = await tx.fetch_many(
        "INSERT INTO books (title, authors, isbn, topics, price_minor, stock, version, "
        "updated_at_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id",
        [
            (
                new.title,
                json.dumps(new.authors, ensure_ascii=False),
                new.isbn,
                json.dumps(new.topics, ensure_ascii=False),
                new.price_minor,
                new.stock,
                new.version,
                new.updated_at_ms,
            )
            for new in drafts
        ],
    )
    return [book_id for (book_id,) in rows]


async def insert_tombstone(tx: Transaction, tombstone: Book) -> None:
    """Put a tombstone where a book was lost, under the id that it had."""
    await tx.execute(
        "INSERT INTO books (id, title, authors, isbn, topics, price_minor, stock, version, "
        "updated_at_ms, deleted) VALUES ($1, $2, $3, NULL, $4, $5, $6, $7, $8, 1)",
        tombstone.id,
        tombstone.title,
        json.dumps(tombstone.authors),
        json.dumps(tombstone.topics),
        tombstone.price_minor,
        tombstone.stock,
        tombstone.version,
        tombstone.updated_at_ms,
    )


async def save(tx: Transaction, before: Book, after: Book) -> bool:
    """Write all of a changed book, if it still is at the version before.

    Raises `UniqueViolation` where another living book has its ISBN.
    """
    changed = await tx.execute(
        "UPDATE books SET title = $3, authors = $4, isbn = $5, topics = $6, price_minor = $7, "
        "stock = $8, version = $9, updated_at_ms = $10, deleted = $11 "
        "WHERE id = $1 AND version = $2",
        before.id,
        before.version,
        after.title,
        json.dumps(after.authors, ensure_ascii=False),
        after.isbn,
        json.dumps(after.topics, ensure_ascii=False),
        after.price_minor,
        after.stock,
        after.version,
        after.updated_at_ms,
        int(after.deleted),
    )
    return changed == 1


async def move_stock(tx: Transaction, moves: Iterable[tuple[Book, Book]]) -> int:
    """Write stock and version of books, each if it still is at the version before.

    Returns how many were. The difference is written, never the result: the statement is
    right by itself.
    """
    return sum(
        [
            await tx.execute(
                "UPDATE books SET stock = stock + $3, version = version + $4, updated_at_ms = $5 "
                "WHERE id = $1 AND version = $2",
                before.id,
                before.version,
                after.stock - before.stock,
                after.version - before.version,
                after.updated_at_ms,
            )
            for before, after in moves
        ]
    )


async def append(tx: Transaction, entry: Entry, key: str | None = None) -> Entry:
    """Append an entry to the ledger and return it with its number.

    ``key`` is the idempotency key of a change by staff. Raises `UniqueViolation` for a
    second decision on an order, a second return and a second use of a key.
    """
    (appended,) = await append_all(tx, [entry], [key])
    return appended


async def append_all(
    tx: Transaction, entries: Sequence[Entry], keys: Sequence[str | None] = ()
) -> list[Entry]:
    """Append entries to the ledger, in order, each with its key if there are any; see `append`."""
    rows = [_ENTRY_FIELDS(entry) for entry in entries]
    await tx.fetch_many(
        f"INSERT INTO ledger ({_ENTRY_WITHOUT_NUMBER}, idempotency_key) VALUES ($1, $2, $3, $4, "
        "$5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)",
        [(*row, key) for row, key in zip(rows, keys or repeat(None), strict=False)],
    )
    # One transaction writes at a time, so theirs are the last numbers, without a gap.
    first = await last_number(tx) - len(rows) + 1
    return [Entry(number, *row) for number, row in enumerate(rows, first)]


async def decision(tx: Transaction, order_id: str) -> Entry | None:
    """Return the one entry that decides an order, or None while it is undecided."""
    return (await decisions(tx, [order_id])).get(order_id)


async def decisions(tx: Transaction, order_ids: Iterable[str]) -> dict[str, Entry]:
    """Return the entries that decide these orders, by order id, as far as they are decided."""
    rows = await tx.fetch_many(
        f"SELECT order_id, {_ENTRY} FROM ledger "
        "WHERE order_id = $1 AND kind IN ('sold', 'refused', 'void')",
        [(order_id,) for order_id in order_ids],
    )
    return {row[0]: _entry(row[1:]) for row in rows}


async def return_of(tx: Transaction, order_id: str) -> Entry | None:
    """Return the one entry that gave an order's copies back, or None."""
    row = await tx.fetch_one(
        f"SELECT {_ENTRY} FROM ledger WHERE order_id = $1 AND kind = 'returned'", order_id
    )
    return _entry(row) if row is not None else None


async def order_ids(tx: Transaction, after: str, limit: int, *, returned: bool) -> list[str]:
    """Return the ids above ``after``, sorted, of orders that were decided, or ``returned``."""
    kinds = "kind = 'returned'" if returned else "kind IN ('sold', 'refused', 'void')"
    rows = await tx.fetch_all(
        f"SELECT order_id FROM ledger WHERE {kinds} AND order_id > $1 ORDER BY order_id LIMIT $2",
        after,
        limit,
    )
    return [order_id for (order_id,) in rows]


async def by_keys(tx: Transaction, keys: Iterable[str]) -> dict[str, Entry]:
    """Return the entries that staff's changes with these idempotency keys made, by key."""
    rows = await tx.fetch_many(
        f"SELECT idempotency_key, {_ENTRY} FROM ledger WHERE idempotency_key = $1",
        [(key,) for key in keys],
    )
    return {row[0]: _entry(row[1:]) for row in rows}


async def last_number(tx: Transaction) -> int:
    """Return the highest number in the ledger, 0 where it is empty."""
    row = await tx.fetch_one("SELECT max(number) FROM ledger")
    return (row[0] or 0) if row is not None else 0


async def has_entry(tx: Transaction, number: int, order_id: str | None) -> bool:
    """Say whether the ledger has an entry of this number, and of this order where one is named."""
    row = await tx.fetch_one("SELECT order_id FROM ledger WHERE number = $1", number)
    return row is not None and order_id in {None, row[0]}


async def ledger(tx: Transaction, after: int, limit: int) -> list[Entry]:
    """Return entries numbered above ``after``, oldest first."""
    rows = await tx.fetch_all(
        f"SELECT {_ENTRY} FROM ledger WHERE number > $1 ORDER BY number LIMIT $2", after, limit
    )
    return [_entry(row) for row in rows]


async def book_ledger(tx: Transaction, book_id: int, before: int, limit: int) -> list[Entry]:
    """Return a book's entries numbered below ``before``, newest first."""
    rows = await tx.fetch_all(
        f"SELECT {_ENTRY} FROM ledger WHERE book_id = $1 AND number < $2 "
        "ORDER BY number DESC LIMIT $3",
        book_id,
        before,
        limit,
    )
    return [_entry(row) for row in rows]


def book_of(row: Row) -> Book:
    """Return the book in a row of the columns `BOOK`."""
    book_id, title, authors, isbn, names, price_minor, stock, version, updated_at_ms, deleted = row
    return Book(
        book_id,
        title,
        _names(authors),
        isbn,
        _names(names),
        price_minor,
        stock,
        version,
        updated_at_ms,
        bool(deleted),
    )


def _names(text: str) -> tuple[str, ...]:
    """Return the names in a column that holds them as JSON without blanks around it."""
    # Many rows are read for a page, and this takes a third of the time of `json.loads`.
    try:
        return tuple(_read_json(text)[0])
    except (ValueError, TypeError) as error:
        raise StorageError("A book's authors or topics are no list of names.") from error


def _entry(row: Row) -> Entry:
    number, kind, *fields = row
    return Entry(number, Kind(kind), *fields)
