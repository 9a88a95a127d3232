"""Examples of what the catalog is sent and answers, as its documents show them.

All are of one book and one order, so that they can be read together. Nothing here is ever
stored or sold.
"""

from __future__ import annotations

from servers.catalog.wire import (
    BookBody,
    BookSalesItem,
    EntryBody,
    FoundBook,
    LostOrder,
    NewBook,
    OneSaleBody,
    PartOfBook,
    SaleAnswer,
    SaleItem,
    SalesBody,
    ShelfBody,
    StockBody,
    WholeBook,
)
from servers.domain.book import Draft
from servers.domain.errors import (
    BookDeleted,
    BookNotFound,
    IsbnExists,
    KeyReused,
    LedgerBehind,
    OrderNotFound,
    OutOfStock,
    ShopError,
    StaleVersion,
    StockLimit,
    Unavailable,
    problem_of,
)
from servers.domain.ledger import Entry, Kind
from servers.domain.limits import MAX_STOCK
from servers.domain.protocols import Addition, AdminKey
from servers.domain.sale import Purchase
from servers.web.openapi.described import ItemAnswer

BOOK_ID = 36
TITLE = "Meditations"
AUTHOR = "Marcus Aurelius"
ISBN = "9780140449334"
TOPIC = "philosophy"
AT = "2026-01-31T12:00:00.250Z"
ORDER_ID = "3f2a9c0d5b7e4f6188a1c2d3e4f50617"


def book() -> BookBody:
    """Return a book."""
    return BookBody(BOOK_ID, TITLE, (AUTHOR,), ISBN, (TOPIC,), "9.00", "USD", 44, 7, AT)


def tombstone() -> ShelfBody:
    """Return a deleted book, as the shop's keepers see it."""
    return ShelfBody(
        9, "Walden", ("Thoreau",), None, (TOPIC,), "12.25", "USD", 3, 5, AT, deleted=True
    )


def found() -> FoundBook:
    """Return a book in a search's answer."""
    return FoundBook(BOOK_ID, TITLE, (AUTHOR,), "9.00", 44)


def new_book() -> NewBook:
    """Return a book to be added."""
    return NewBook(TITLE, [AUTHOR], "9.00", 44, [TOPIC], ISBN)


def addition() -> Addition:
    """Return the same, under a key."""
    draft = Draft(TITLE, (AUTHOR,), ISBN, (TOPIC,), 900, 44)
    return Addition(draft, AdminKey("b3a1c2d3e4f50617", ""))


def rows_answered() -> list[ItemAnswer]:
    """Return what is answered to rows that were added, and refused."""
    headers = {"ETag": '"7"', "Location": f"/books/{BOOK_ID}"}
    return [ItemAnswer(201, book(), headers), ItemAnswer(409, problem_of(isbn_exists()))]


def whole_book() -> WholeBook:
    """Return all of a book, for an edit."""
    return WholeBook(TITLE, [AUTHOR], "9.50", [TOPIC], ISBN)


def part_of_book() -> PartOfBook:
    """Return an edit of one field."""
    return PartOfBook(price="9.50")


def restock() -> StockBody:
    """Return a change of the stock."""
    return StockBody("delivery", change=5)


def purchase() -> Purchase:
    """Return a purchase of one copy."""
    return Purchase(ORDER_ID, BOOK_ID)


def sales() -> SalesBody:
    """Return a batch of one sale."""
    sale = SaleItem(ORDER_ID, purchase().fingerprint, 1)
    return SalesBody(111, [BookSalesItem(BOOK_ID, 6, [sale])])


def one_sale() -> OneSaleBody:
    """Return an order, as it was placed."""
    return OneSaleBody(112, purchase().fingerprint, BOOK_ID, 1)


def lost_order() -> LostOrder:
    """Return a decided order whose entry the ledger lost."""
    return LostOrder(
        ORDER_ID,
        BOOK_ID,
        1,
        "confirmed",
        decided_at=AT,
        title=TITLE,
        unit_price="9.00",
        version_after=7,
        stock_after=44,
    )


def added() -> EntryBody:
    """Return the entry of a book that was added."""
    return EntryBody(
        36,
        "added",
        BOOK_ID,
        AT,
        change=45,
        version_after=1,
        stock_after=45,
        title=TITLE,
        unit_price="9.00",
    )


def entry(kind: str = "sold", number: int = 112, change: int = -1) -> EntryBody:
    """Return an entry of the order."""
    return EntryBody(
        number,
        kind,
        BOOK_ID,
        AT,
        change=change,
        version_after=7,
        stock_after=44,
        title=TITLE,
        unit_price="9.00",
        order_id=ORDER_ID,
        quantity=1,
        fingerprint=purchase().fingerprint,
    )


def sold() -> SaleAnswer:
    """Return what became of a purchase that was sold."""
    told = Entry(
        112,
        Kind.SOLD,
        BOOK_ID,
        1_769_860_800_250,
        change=-1,
        version_after=7,
        stock_after=44,
        title=TITLE,
        unit_price_minor=900,
        order_id=ORDER_ID,
        fingerprint=purchase().fingerprint,
        quantity=1,
    )
    return SaleAnswer(200, "sold", entry=told)


def stale() -> SaleAnswer:
    """Return what is told of a batch that was made for an old version."""
    return SaleAnswer(412, "stale_version", current=book())


# Problems


def no_book() -> ShopError:
    """Return the problem of an id that no book ever had."""
    return BookNotFound("There is no book 99. Search for a topic.", book_id=99)


def deleted() -> ShopError:
    """Return the problem of a book that was deleted."""
    return BookDeleted("Book 9 was deleted; its id will not be used again.", book_id=9)


def old_version() -> ShopError:
    """Return the problem of a change that was made for an old version."""
    detail = (
        "Book 36 is at version 7, not 6: somebody changed it meanwhile. Look at it again and "
        "decide anew."
    )
    return StaleVersion(detail, book_id=BOOK_ID, current=book())


def isbn_exists() -> ShopError:
    """Return the problem of an ISBN that another book has."""
    detail = f"Book 9 has the ISBN {ISBN}. Look at it, or leave the ISBN out."
    return IsbnExists(detail, isbn=ISBN, book_id=9)


def below_zero() -> ShopError:
    """Return the problem of a change that would leave fewer copies than none."""
    detail = "Book 36 has 44 in stock; 50 cannot be taken away. Take 44 at most."
    return OutOfStock(detail, book_id=BOOK_ID, available=44)


def too_many() -> ShopError:
    """Return the problem of a change that would leave more copies than a book may have."""
    detail = f"Book 36 would have {MAX_STOCK + 44} in stock; {MAX_STOCK} is the most."
    return StockLimit(detail, book_id=BOOK_ID, available=44)


def key_reused() -> ShopError:
    """Return the problem of a key that came with another request before."""
    detail = (
        "This idempotency key was used before for another request. Nothing was done; use a new key."
    )
    return KeyReused(detail, order_id=ORDER_ID)


def no_order() -> ShopError:
    """Return the problem of an order that the ledger does not know."""
    return OrderNotFound(f"The ledger has no order {ORDER_ID}.", order_id=ORDER_ID)


def order_not_whole() -> ShopError:
    """Return the problem of an order that was not sold, or whose book is not there."""
    detail = f"Order {ORDER_ID} was not sold; there is nothing to take back."
    return OrderNotFound(detail, order_id=ORDER_ID, book_id=BOOK_ID)


def behind() -> ShopError:
    """Return the problem of a catalog that was restored from an old backup."""
    detail = (
        "the ledger ends at 90, but the orders know of 112: the catalog was restored from an old "
        "backup. Nothing is changed until `bookstore reconcile` has run"
    )
    return LedgerBehind(detail, last=90)


def no_disk() -> ShopError:
    """Return the problem of a database that cannot serve now."""
    return Unavailable("The shop cannot read its disk now. Try again.")
