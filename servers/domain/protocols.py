"""What the servers ask of each other, without saying how they reach each other.

``servers.catalog`` and ``servers.order`` each fulfil their protocol twice: once by the
service on its database, once by the client over HTTP. The same suite of tests runs over
both. Errors are those of ``servers.domain.errors``, either way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from servers.domain.limits import DEFAULT_PAGE_ITEMS
from servers.domain.value import value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from servers.domain.book import Book, Draft, Edit, Restock
    from servers.domain.errors import KeyReused, ShopError
    from servers.domain.ledger import Entry
    from servers.domain.order import Order, State
    from servers.domain.sale import Purchase, SaleBatch, Seen, Stale
    from servers.domain.search import BookPage, BookSearch, Found


class Clock(Protocol):
    """The wall clock, for what people read; it decides nothing."""

    def now_ms(self) -> int:
        """Return milliseconds since 1970-01-01 UTC."""


@value
class TopicCount:
    """A topic and how many living books have it."""

    topic: str
    count: int


@value
class TopicPage:
    """Which page of a topic's living books: those with ids above ``after_id``."""

    topic: str
    limit: int = DEFAULT_PAGE_ITEMS
    after_id: int = 0


@value
class Change:
    """A book as a change left it; ``replayed`` if the change had been made before."""

    book: Book
    replayed: bool = False


@value
class AdminKey:
    """An idempotency key of a staff's change, with what the change asked for."""

    key: str
    fingerprint: str


@value
class Addition:
    """A book to be added, with the idempotency key that it is added under once, if any."""

    draft: Draft
    key: AdminKey | None = None


class Catalog(Protocol):
    """The owner of books, stock and the ledger."""

    async def books(self, ids: Sequence[int]) -> list[Book | None]:
        """Return the books of these ids, in order, tombstones too; None where none was."""

    async def search(self, pages: Sequence[TopicPage]) -> list[list[Found]]:
        """Return, for each page asked for, its living books, sorted by id."""

    async def find(self, search: BookSearch) -> BookPage:
        """Return a page of living books, by words, by topic or in an order.

        Raises `InvalidRequest` for an order or a position that this list does not have.
        """

    async def shelf(self, after_id: int, limit: int, *, tombstones: bool = False) -> list[Book]:
        """Return books with ids above ``after_id``, sorted by id."""

    async def topics(self) -> list[TopicCount]:
        """Return the topics of living books, by name."""

    async def add(self, draft: Draft, key: AdminKey | None = None) -> Change:
        """Add a book. Raises `IsbnExists`, `KeyReused`."""

    async def add_all(self, additions: Sequence[Addition]) -> list[Change | ShopError]:
        """Add books, each decided by itself, in order; a bad one spoils nothing.

        An error is what `add` would raise, each ISBN also held against those before it.
        """

    async def edit(self, book_id: int, edit: Edit, version: int) -> Book:
        """Change fields. Raises `BookNotFound`, `BookDeleted`, `StaleVersion`, `IsbnExists`."""

    async def restock(
        self, book_id: int, restock: Restock, version: int | None, key: AdminKey | None = None
    ) -> Change:
        """Change the stock; ``version`` None takes any.

        Raises `BookNotFound`, `BookDeleted`, `StaleVersion`, `OutOfStock`, `StockLimit`,
        `KeyReused`.
        """

    async def delete(self, book_id: int, version: int | None) -> Book:
        """Leave a tombstone. Raises `BookNotFound`, `BookDeleted`, `StaleVersion`."""

    async def sell(self, batch: SaleBatch) -> list[list[Entry | Stale | KeyReused]]:
        """Decide a batch, each order once and for ever.

        Returns one list per book of the batch, one answer per purchase, in order: the
        ledger entry, now made or made before; `Stale` with the book where the batch
        named an old version; `KeyReused` where the id stands for another request.
        Raises `LedgerBehind`.
        """

    async def void(self, purchase: Purchase, ledger_seen: Seen) -> Entry:
        """Decide that an order will never be sold, unless it is decided already.

        Returns the deciding entry. Raises `KeyReused`, `LedgerBehind`.
        """

    async def take_back(self, purchase: Purchase, ledger_seen: Seen) -> Entry:
        """Put the copies of a sold order back on the shelf, once.

        Returns the one ``returned`` entry. Raises `OrderNotFound`, `KeyReused`,
        `LedgerBehind`.
        """

    async def sale(self, order_id: str) -> list[Entry]:
        """Return the entries of an order: the decision and perhaps the return.

        Raises `OrderNotFound`.
        """

    async def book_ledger(self, book_id: int, before: int, limit: int) -> list[Entry]:
        """Return a book's entries numbered below ``before``, newest first.

        Raises `BookNotFound` where no book ever had this id.
        """

    async def ledger(self, after: int, limit: int) -> list[Entry]:
        """Return entries numbered above ``after``, oldest first."""

    async def last_number(self) -> int:
        """Return the ledger's highest number, 0 where it is empty."""

    async def reenter(self, orders: Sequence[Order]) -> list[Entry]:
        """Enter what the ledger has lost of decided orders: sales, refusals and returns.

        For `reconcile` alone. Returns the entries that decide these orders now; from then on
        the ledger counts as up to date, until an order server says otherwise. Raises
        `InvalidRequest` for a pending order.
        """


@value
class Placement:
    """What became of a purchase: its order, pending or final.

    ``replayed`` if a final answer was given before.
    """

    order: Order
    replayed: bool = False


@value
class OrderPage:
    """Which orders: newest first, those placed before the one with ``before_id``."""

    state: State | None = None
    book_id: int | None = None
    before_id: str | None = None
    limit: int = DEFAULT_PAGE_ITEMS


@value
class Restored:
    """A stretch of the ledger that was looked at: its last number, 0 at the end."""

    last_number: int
    changed: int


class Orders(Protocol):
    """The owner of orders."""

    async def place(
        self, purchases: Sequence[Purchase], patience_s: float
    ) -> list[Placement | ShopError]:
        """Place purchases and wait up to ``patience_s`` for their outcome.

        Returns one answer each, in order; one still pending can be asked for again.
        An error is `KeyReused`, or `Unavailable` where no order row was made.
        """

    async def order(self, order_id: str) -> Order:
        """Return an order. Raises `OrderNotFound`."""

    async def orders(self, page: OrderPage) -> list[Order]:
        """Return a page of orders, newest first."""

    async def cancel(self, order_id: str, patience_s: float) -> Order:
        """Cancel a confirmed order, which returns its copies once.

        Returns it cancelled, or cancelling where time ran out. Raises `OrderNotFound`,
        `NotCancellable`.
        """

    async def restore(self, after: int, limit: int) -> Restored:
        """Make order rows agree with up to ``limit`` ledger entries numbered above ``after``.

        For `reconcile` alone, again and again until nothing is left to look at.
        """
