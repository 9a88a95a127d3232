"""The decision on a batch of sales of one book: sold, refused or stale.

Pure: it sees a book and what customers ask for, and says what happens to each and what
becomes of the book. That each order id is decided only once, and that the result
becomes one versioned UPDATE, is the catalog service's part.
"""

from __future__ import annotations

from dataclasses import field, replace
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

from servers.domain.value import value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from servers.domain.book import Book


@value
class Purchase:
    """What a customer asks for, under the id that it keeps through every server.

    ``version`` and ``max_price_minor`` (per copy) are the customer's own conditions.
    ``request_id`` is for the logs and is no part of what is asked.
    """

    order_id: str
    book_id: int
    quantity: int = 1
    version: int | None = None
    max_price_minor: int | None = None
    request_id: str = field(default="", compare=False)

    @property
    def fingerprint(self) -> str:
        """Return what two requests under one key must share, as 64 hex digits."""
        return _fingerprint(self.book_id, self.quantity, self.version, self.max_price_minor)


@lru_cache(maxsize=4096)
def _fingerprint(*asked: int | None) -> str:
    """Hash what is asked for; many customers ask for the same."""
    return sha256(repr(asked).encode()).hexdigest()


def order_id_of_key(key: str) -> str:
    """Return the order id of an idempotency key: 32 hex digits, the same everywhere."""
    return sha256(f"bookstore\n{key}".encode()).hexdigest()[:32]


def order_id_without_key(at_ms: int, random_id: str) -> str:
    """Return the id of an order whose customer gave no key: 48 bits of time, 80 of ``random_id``.

    As in a UUID of version 7 (RFC 9562 §5.7), so that ids of one moment lie side by side: random
    ones would each change a page of their own in every index of orders. Nothing is decided by
    that time.
    """
    return f"{at_ms % 2**48:012x}{random_id[12:]}"


@value
class BookSales:
    """All purchases of one book in a batch, made against one ``version`` of it."""

    book_id: int
    version: int
    sales: tuple[Purchase, ...]


class Seen(NamedTuple):
    """The newest ledger entry that an order server knows of: its number (0: none), whose it is.

    ``orders`` is the id of the database of orders that knows it; there may be several.
    """

    number: int = 0
    order_id: str | None = None
    orders: str | None = None


@value
class SaleBatch:
    """One call to the catalog: one entry a book. ``ledger_seen`` is what its caller knows of."""

    ledger_seen: Seen
    books: tuple[BookSales, ...]


@value
class Sold:
    """The copies are the customer's; each sale has a version of its own."""

    unit_price_minor: int
    version_after: int
    stock_after: int


@value
class Refused:
    """Final: ``reason`` is an error's code, the rest is the book as it was found."""

    reason: str
    title: str | None = None
    unit_price_minor: int | None = None
    version_seen: int | None = None
    stock_seen: int | None = None


@value
class Stale:
    """Not decided and not recorded: the batch named another version than the book has."""

    current: Book


@value
class KeyTaken:
    """The ledger knows this order id with another fingerprint; nothing was done."""

    order_id: str


Decision = Sold | Refused | Stale
"""What `decide` says of one purchase."""


def decide(
    book: Book | None, version: int, sales: Sequence[Purchase], at_ms: int
) -> tuple[list[Decision], Book | None]:
    """Decide purchases of one book in their order, those that pin a version first.

    ``book`` is None where the id never existed. ``version`` is the one the batch was
    made against. Returns the decisions, in the order of ``sales``, and the book as
    they leave it. Each is decided against the book as those before it left it, so of
    two customers who pin the same version one is sold and the other refused.
    """
    if book is None:
        return [Refused("book_not_found")] * len(sales), None
    if book.deleted:
        return [_refused(book, "book_deleted", book.version, book.stock)] * len(sales), book
    stale = version != book.version
    stock_now, version_now = book.stock, book.version
    decisions: dict[int, Decision] = {}
    for place in sorted(range(len(sales)), key=lambda place: sales[place].version is None):
        sale = sales[place]
        reason = _reason_to_refuse(sale, book.price_minor, version_now, stock_now)
        if reason is not None:
            decisions[place] = _refused(book, reason, version_now, stock_now)
        elif stale:
            decisions[place] = Stale(book)
        else:
            stock_now -= sale.quantity
            version_now += 1
            decisions[place] = Sold(book.price_minor, version_now, stock_now)
    if version_now != book.version:
        book = replace(book, stock=stock_now, version=version_now, updated_at_ms=at_ms)
    return [decisions[place] for place in range(len(sales))], book


def _reason_to_refuse(
    sale: Purchase, price_minor: int, version_now: int, stock_now: int
) -> str | None:
    if sale.version is not None and sale.version != version_now:
        return "version_conflict"
    if sale.max_price_minor is not None and price_minor > sale.max_price_minor:
        return "price_changed"
    if sale.quantity > stock_now:
        return "out_of_stock"
    return None


def _refused(book: Book, reason: str, version_now: int, stock_now: int) -> Refused:
    return Refused(reason, book.title, book.price_minor, version_now, stock_now)
