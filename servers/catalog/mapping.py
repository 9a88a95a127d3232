"""Between the wire's shapes and the domain's objects, both ways, with the checks of texts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from msgspec import UnsetType

from servers.catalog.wire import (
    BookBody,
    BookSalesItem,
    EntryBody,
    FoundBook,
    NewBook,
    OneSaleBody,
    PartOfBook,
    SaleItem,
    SalesBody,
    ShelfBody,
    StockBody,
    WholeBook,
)
from servers.domain.book import Book, Draft, Edit, Restock
from servers.domain.errors import InvalidRequest
from servers.domain.ledger import Entry, Kind
from servers.domain.limits import (
    MAX_REASON_CHARACTERS,
    MAX_TITLE_CHARACTERS,
    MAX_TOPIC_CHARACTERS,
)
from servers.domain.money import format_price, parse_price
from servers.domain.sale import BookSales, Purchase, SaleBatch, Seen
from servers.domain.search import Found
from servers.domain.text import clean_isbn, clean_text, topic_key
from servers.domain.times import parse_rfc3339, rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable


class BookMapping:
    """Turns the domain's objects into their shapes; knows the shop's one currency."""

    def __init__(self, currency: str) -> None:
        self._currency = currency

    def book(self, book: Book) -> BookBody:
        """Return a book as customers see it."""
        return BookBody(
            book.id,
            book.title,
            book.authors,
            book.isbn,
            book.topics,
            format_price(book.price_minor),
            self._currency,
            book.stock,
            book.version,
            rfc3339(book.updated_at_ms),
        )

    def shelf(self, book: Book) -> ShelfBody:
        """Return a book or tombstone as the shop's keepers see it."""
        fields = msgspec.structs.asdict(self.book(book))
        return ShelfBody(**fields, deleted=book.deleted)

    def present(self, value: object) -> object:
        """Return a member of an error in the form it has on the wire."""
        return self.book(value) if isinstance(value, Book) else value


def found(book: Found) -> FoundBook:
    """Return a book that was found, as it is shown."""
    return FoundBook(book.id, book.title, book.authors, format_price(book.price_minor), book.stock)


def found_of(body: FoundBook) -> Found:
    """Return the book that was found from how it is shown."""
    return Found(body.id, body.title, body.authors, parse_price(body.price), body.stock)


def book_of(body: BookBody, *, deleted: bool = False) -> Book:
    """Return the book that a body shows."""
    return Book(
        id=body.id,
        title=body.title,
        authors=body.authors,
        isbn=body.isbn,
        topics=body.topics,
        price_minor=parse_price(body.price),
        stock=body.stock,
        version=body.version,
        updated_at_ms=parse_rfc3339(body.updated_at),
        deleted=deleted,
    )


def entry_body(entry: Entry) -> EntryBody:
    """Return an entry of the ledger as it is shown."""
    return EntryBody(
        number=entry.number,
        kind=entry.kind.value,
        book_id=entry.book_id,
        at=rfc3339(entry.at_ms),
        change=entry.change,
        version_after=entry.version_after,
        stock_after=entry.stock_after,
        title=entry.title,
        unit_price=_price(entry.unit_price_minor),
        order_id=entry.order_id,
        quantity=entry.quantity,
        asked_version=entry.asked_version,
        asked_max_price=_price(entry.asked_max_price_minor),
        reason=entry.reason,
        version_seen=entry.version_seen,
        stock_seen=entry.stock_seen,
        fingerprint=entry.fingerprint,
    )


def entry_of(body: EntryBody) -> Entry:
    """Return the ledger entry that a body shows."""
    return Entry(
        number=body.number,
        kind=Kind(body.kind),
        book_id=body.book_id,
        at_ms=parse_rfc3339(body.at),
        change=body.change,
        version_after=body.version_after,
        stock_after=body.stock_after,
        title=body.title,
        unit_price_minor=_price_minor(body.unit_price),
        order_id=body.order_id,
        fingerprint=body.fingerprint,
        quantity=body.quantity,
        asked_version=body.asked_version,
        asked_max_price_minor=_price_minor(body.asked_max_price),
        reason=body.reason,
        version_seen=body.version_seen,
        stock_seen=body.stock_seen,
    )


def draft_of(body: NewBook) -> Draft:
    """Return the checked draft of a new book. Raises `InvalidRequest` naming the field."""
    fields = _checked(msgspec.structs.asdict(body))
    return Draft(**fields, stock=body.stock)  # type: ignore[arg-type]  # _checked keeps each field's type


def edit_of(body: WholeBook | PartOfBook) -> Edit:
    """Return the checked edit of a book. Raises `InvalidRequest` naming the field."""
    given = {
        name: value
        for name, value in msgspec.structs.asdict(body).items()
        if not isinstance(value, UnsetType)
    }
    return Edit(_checked(given))


def restock_of(body: StockBody) -> Restock:
    """Return the checked restock. Raises `InvalidRequest` unless it is a change or a count."""
    if (body.change is None) == (body.count is None):
        raise InvalidRequest("Send either `change` or `count`, with a `reason`.", field="change")
    reason = clean_text(body.reason, "reason", MAX_REASON_CHARACTERS)
    return Restock(reason=reason, change=body.change, count=body.count)


def batch_of(body: SalesBody) -> SaleBatch:
    """Return a batch of sales. Raises `InvalidRequest` where a fingerprint does not fit."""
    return SaleBatch(
        seen_of(body),
        tuple(
            BookSales(
                item.book_id,
                item.version,
                tuple(_purchase(item.book_id, sale) for sale in item.sales),
            )
            for item in body.books
        ),
    )


def sales_body(batch: SaleBatch) -> SalesBody:
    """Return the body that asks for a batch of sales."""
    return SalesBody(
        batch.ledger_seen.number,
        [
            BookSalesItem(book.book_id, book.version, [_sale_item(sale) for sale in book.sales])
            for book in batch.books
        ],
        batch.ledger_seen.order_id,
        batch.ledger_seen.orders,
    )


def seen_of(body: SalesBody | OneSaleBody) -> Seen:
    """Return the ledger entry that the caller's orders know of."""
    return Seen(body.ledger_seen, body.ledger_order, body.ledger_from)


def one_sale_body(purchase: Purchase, ledger_seen: Seen) -> OneSaleBody:
    """Return the body that asks to void or take back one order."""
    return OneSaleBody(
        ledger_seen.number,
        purchase.fingerprint,
        purchase.book_id,
        purchase.quantity,
        purchase.version,
        _price(purchase.max_price_minor),
        ledger_seen.order_id,
        ledger_seen.orders,
    )


def purchase_of(order_id: str, body: OneSaleBody) -> Purchase:
    """Return the purchase that a void or a return is about.

    Raises `InvalidRequest` where a fingerprint is not that of the purchase.
    """
    max_price_minor = _price_minor(body.max_price)
    purchase = Purchase(order_id, body.book_id, body.quantity, body.version, max_price_minor)
    return _fitting(purchase, body.fingerprint)


def _purchase(book_id: int, sale: SaleItem) -> Purchase:
    max_price_minor = _price_minor(sale.max_price)
    purchase = Purchase(
        sale.order_id, book_id, sale.quantity, sale.version, max_price_minor, sale.request_id
    )
    return _fitting(purchase, sale.fingerprint)


def _fitting(purchase: Purchase, fingerprint: str) -> Purchase:
    if purchase.fingerprint != fingerprint:
        raise InvalidRequest("A fingerprint is not that of its purchase.", field="fingerprint")
    return purchase


def _sale_item(sale: Purchase) -> SaleItem:
    return SaleItem(
        sale.order_id,
        sale.fingerprint,
        sale.quantity,
        sale.version,
        _price(sale.max_price_minor),
        sale.request_id,
    )


def _price(price_minor: int | None) -> str | None:
    return format_price(price_minor) if price_minor is not None else None


def _price_minor(price: str | None) -> int | None:
    return parse_price(price) if price is not None else None


def _checked(fields: dict[str, object]) -> dict[str, object]:
    """Return the fields of a book in the domain's form, those that are given."""
    checked: dict[str, object] = {}
    for name, check in _CHECKS.items():
        if name in fields:
            checked[_NAMES.get(name, name)] = check(fields[name])
    return checked


def _authors(value: object) -> tuple[str, ...]:
    assert isinstance(value, list)  # noqa: S101  # the struct says so
    return tuple(clean_text(name, "authors", MAX_TITLE_CHARACTERS) for name in value)


def _topics(value: object) -> tuple[str, ...]:
    assert isinstance(value, list)  # noqa: S101  # the struct says so
    names = [clean_text(name, "topics", MAX_TOPIC_CHARACTERS) for name in value]
    return tuple({topic_key(name): name for name in reversed(names)}.values())[::-1]


_NAMES = {"price": "price_minor"}
_CHECKS: dict[str, Callable[[object], object]] = {
    "title": lambda value: clean_text(str(value), "title", MAX_TITLE_CHARACTERS),
    "authors": _authors,
    "isbn": lambda value: clean_isbn(str(value)) if value is not None else None,
    "topics": _topics,
    "price": lambda value: parse_price(str(value)),
}
