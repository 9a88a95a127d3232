"""Books and what may be done to them: the rules, without storage and without HTTP.

Every change makes a new `Book` whose ``version`` is one higher. Whether a change was
made against the present version is the caller's first question, `Book.expect`.
"""

from __future__ import annotations

from dataclasses import replace

from servers.domain.errors import (
    BookDeleted,
    InvalidRequest,
    OutOfStock,
    StaleVersion,
    StockLimit,
)
from servers.domain.limits import MAX_STOCK
from servers.domain.value import value


@value
class Book:
    """A book as it stands at one version; a deleted one is a tombstone.

    ``price_minor`` is the price of one copy in minor units, ``stock`` the copies on
    the shelf. The first version is 1.
    """

    id: int
    title: str
    authors: tuple[str, ...]
    isbn: str | None
    topics: tuple[str, ...]
    price_minor: int
    stock: int
    version: int
    updated_at_ms: int
    deleted: bool = False

    def living(self) -> Book:
        """Return this book, or raise `BookDeleted` for a tombstone."""
        if self.deleted:
            detail = f"Book {self.id} was deleted; its id will not be used again."
            raise BookDeleted(detail, book_id=self.id)
        return self

    def expect(self, version: int | None) -> Book:
        """Return this book if it is at ``version``; ``None`` takes any.

        Raises `StaleVersion` with the book as ``current``. The members of an error
        hold the book itself; whoever writes it to the wire gives it its form.
        """
        if version is not None and version != self.version:
            detail = (
                f"Book {self.id} is at version {self.version}, not {version}: somebody "
                f"changed it meanwhile. Look at it again and decide anew."
            )
            raise StaleVersion(detail, book_id=self.id, current=self)
        return self

    def sold(self, quantity: int, at_ms: int) -> Book:
        """Return the book with ``quantity`` copies fewer."""
        return self._moved(stock=self.stock - quantity, updated_at_ms=at_ms)

    def returned(self, quantity: int, at_ms: int) -> Book:
        """Return the book, or tombstone, with ``quantity`` copies more."""
        return self._moved(stock=self.stock + quantity, updated_at_ms=at_ms)

    def restocked(self, restock: Restock, at_ms: int) -> Book:
        """Return the book with its stock changed or counted anew.

        Raises `OutOfStock` below zero and `StockLimit` above `MAX_STOCK`.
        """
        stock = restock.stock_of(self)
        if stock < 0:
            detail = (
                f"Book {self.id} has {self.stock} in stock; {-restock.change_of(self)} "
                f"cannot be taken away. Take {self.stock} at most."
            )
            raise OutOfStock(detail, book_id=self.id, available=self.stock)
        # Copies that came back may have lifted it above; then it can still be lowered.
        if stock > max(MAX_STOCK, self.stock):
            detail = f"Book {self.id} would have {stock} in stock; {MAX_STOCK} is the most."
            raise StockLimit(detail, book_id=self.id, available=self.stock)
        return self._moved(stock=stock, updated_at_ms=at_ms)

    def edited(self, edit: Edit, at_ms: int) -> Book:
        """Return the book with the given fields replaced."""
        return self._moved(**edit.fields, updated_at_ms=at_ms)

    def as_tombstone(self, at_ms: int) -> Book:
        """Return the tombstone of this book; it keeps its stock for the ledger's sums."""
        return self._moved(deleted=True, updated_at_ms=at_ms)

    def _moved(self, **fields: object) -> Book:
        return replace(self, version=self.version + 1, **fields)  # type: ignore[arg-type]  # replace() is typed by name, the names come from above


@value
class Draft:
    """A book that is to be added; its texts are checked already."""

    title: str
    authors: tuple[str, ...]
    isbn: str | None
    topics: tuple[str, ...]
    price_minor: int
    stock: int

    def as_book(self, book_id: int, at_ms: int) -> Book:
        """Return the first version of the book."""
        return Book(
            id=book_id,
            title=self.title,
            authors=self.authors,
            isbn=self.isbn,
            topics=self.topics,
            price_minor=self.price_minor,
            stock=self.stock,
            version=1,
            updated_at_ms=at_ms,
        )


@value
class Edit:
    """The fields to replace: any of title, authors, isbn, topics, price_minor."""

    fields: dict[str, object]

    def __post_init__(self) -> None:
        """Refuse an edit of nothing."""
        if not self.fields:
            detail = "Name at least one field to edit: title, authors, isbn, topics or price."
            raise InvalidRequest(detail)


@value
class Restock:
    """A change of the stock with a reason: a signed ``change`` or a new ``count``."""

    reason: str
    change: int | None = None
    count: int | None = None

    def stock_of(self, book: Book) -> int:
        """Return the stock that ``book`` has afterwards."""
        if self.count is not None:
            return self.count
        return book.stock + (self.change or 0)

    def change_of(self, book: Book) -> int:
        """Return the signed change that this means for ``book``."""
        return self.stock_of(book) - book.stock
