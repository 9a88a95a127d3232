"""What a bookstore is, on a page: the model that the real one is compared with, step by step.

It knows nothing of servers, batches in flight, HTTP or SQL, and shares no code with the shop:
where both agree, two different texts say the same.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

MAX_STOCK = 10**9


@dataclass(frozen=True)
class Book:
    """A book at one version."""

    price: int
    stock: int
    version: int = 1
    deleted: bool = False

    def moved(self, **fields: object) -> Book:
        """Return the next version."""
        return replace(self, version=self.version + 1, **fields)  # type: ignore[arg-type]  # replace() is typed by name


@dataclass(frozen=True)
class Wish:
    """What one order is for; two requests of one order must have equal wishes."""

    book_id: int
    quantity: int = 1
    version: int | None = None
    max_price: int | None = None


@dataclass(frozen=True)
class Decision:
    """What became of an order: sold, refused or void; of a sale, the book right after it."""

    outcome: str
    wish: Wish
    after: Book | None = None


KEY_REUSED = "key_reused"
STALE = "stale"


@dataclass
class Model:
    """All books and all decisions; ``entries`` is how long the ledger is."""

    books: dict[int, Book] = field(default_factory=dict)
    decided: dict[str, Decision] = field(default_factory=dict)
    returned: set[str] = field(default_factory=set)
    entries: int = 0

    def put(self, book_id: int, book: Book) -> Book:
        """Make a change of a book, and one entry of it."""
        self.books[book_id] = book
        self.entries += 1
        return book

    def changed(self, book_id: int, version: int | None, **fields: object) -> Book | str:
        """Return a book as a change by staff would leave it, or the code of its refusal."""
        book = self.books.get(book_id)
        if book is None:
            return "book_not_found"
        if book.deleted:
            return "book_deleted"
        return book.moved(**fields) if version in {None, book.version} else "stale_version"

    def restocked(
        self, book_id: int, version: int | None, change: int, *, counted: bool = False
    ) -> Book | str:
        """Return the same for a change of its stock, or for a new count of it."""
        after = self.changed(book_id, version)
        if isinstance(after, str):
            return after
        stock = change if counted else after.stock + change
        if stock < 0:
            return "out_of_stock"
        return replace(after, stock=stock) if stock <= MAX_STOCK else "stock_limit"

    def sell(
        self, book_id: int, version: int | None, sales: list[tuple[str, Wish]]
    ) -> list[Decision | str]:
        """Decide a batch of one book; ``version`` None stands for the present one."""
        first: dict[str, Wish] = {}
        for order_id, wish in sales:
            if order_id not in self.decided:
                first.setdefault(order_id, wish)
        book = self.books.get(book_id)
        stale = book is not None and version not in {None, book.version}
        for order_id, wish in sorted(first.items(), key=lambda each: each[1].version is None):
            outcome = self._outcome(wish)
            if outcome != "sold":
                self.decided[order_id] = Decision(outcome, wish)
                self.entries += 1
            elif not stale:
                book = self.books[book_id]
                after = self.put(book_id, book.moved(stock=book.stock - wish.quantity))
                self.decided[order_id] = Decision("sold", wish, after)
        return [self._answer(order_id, wish, first.get(order_id)) for order_id, wish in sales]

    def _answer(self, order_id: str, wish: Wish, first: Wish | None) -> Decision | str:
        decision = self.decided.get(order_id)
        known = decision.wish if decision is not None else first
        return KEY_REUSED if known != wish else decision or STALE

    def _outcome(self, wish: Wish) -> str:
        book = self.books.get(wish.book_id)
        if book is None:
            return "book_not_found"
        if book.deleted:
            return "book_deleted"
        if wish.version not in {None, book.version}:
            return "version_conflict"
        if wish.max_price is not None and book.price > wish.max_price:
            return "price_changed"
        return "out_of_stock" if wish.quantity > book.stock else "sold"

    def void(self, order_id: str, wish: Wish) -> Decision | str:
        """Decide that an order is never sold, unless it is decided."""
        if order_id not in self.decided:
            self.decided[order_id] = Decision("void", wish)
            self.entries += 1
        decision = self.decided[order_id]
        return decision if decision.wish == wish else KEY_REUSED

    def take_back(self, order_id: str, wish: Wish) -> str:
        """Give a sold order's copies back, once."""
        decision = self.decided.get(order_id)
        if decision is None or decision.outcome != "sold":
            return "order_not_found"
        if decision.wish != wish:
            return KEY_REUSED
        if order_id not in self.returned:
            self.returned.add(order_id)
            book = self.books[wish.book_id]
            self.put(wish.book_id, book.moved(stock=book.stock + wish.quantity))
        return "returned"
