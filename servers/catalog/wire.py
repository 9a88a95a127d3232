"""How books, sales and the ledger look as JSON: the shapes on the wire, with their limits.

What turns them into the domain's objects, and back, is ``servers.catalog.mapping``.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from servers.domain.ledger import Entry, Kind
from servers.domain.limits import (
    MAX_AUTHORS,
    MAX_ID,
    MAX_PAGE_ITEMS,
    MAX_QUANTITY,
    MAX_REASON_CHARACTERS,
    MAX_STOCK,
    MAX_TITLE_CHARACTERS,
    MAX_TOPIC_CHARACTERS,
    MAX_TOPICS,
)
from servers.domain.money import PRICE_PATTERN
from servers.domain.text import TEXT_PATTERN

NO_CONTROLS = r"^[^\x00-\x1f\x7f-\x9f]+(?!\n)$"
"""A text of one character or more, none of them a control."""

Id = Annotated[int, Meta(ge=1, le=MAX_ID)]
Stock = Annotated[int, Meta(ge=0, le=MAX_STOCK)]
Count = Annotated[int, Meta(ge=0, le=MAX_ID)]
Change = Annotated[int, Meta(ge=-MAX_STOCK, le=MAX_STOCK)]
Quantity = Annotated[int, Meta(ge=1, le=MAX_QUANTITY)]
Limit = Annotated[int, Meta(ge=1, le=MAX_PAGE_ITEMS)]
# The lengths as well: `$` alone would let a line feed follow.
OrderId = Annotated[str, Meta(pattern="^[0-9a-f]{32}$", max_length=32)]
Fingerprint = Annotated[str, Meta(pattern="^[0-9a-f]{64}$", max_length=64)]
RequestId = Annotated[str, Meta(max_length=64)]
Topic = Annotated[str, Meta(pattern=NO_CONTROLS, max_length=MAX_TOPIC_CHARACTERS)]
LostTitle = Annotated[str, Meta(pattern=NO_CONTROLS, max_length=MAX_TITLE_CHARACTERS)]
LostReason = Annotated[str, Meta(pattern=NO_CONTROLS, max_length=MAX_REASON_CHARACTERS)]
DecidedState = Literal["confirmed", "rejected", "cancelling", "cancelled"]

# What the mapping checks, with sentences of its own, is only said here, for the documents.
Price = Annotated[
    str,
    Meta(
        description="Money: a decimal string with two places, never a number.",
        extra_json_schema={"pattern": PRICE_PATTERN},
    ),
]
Time = Annotated[
    str,
    Meta(description="A moment in UTC, as in RFC 3339.", extra_json_schema={"format": "date-time"}),
]
Text = Annotated[str, Meta(extra_json_schema={"pattern": TEXT_PATTERN})]
Title = Annotated[
    Text,
    Meta(
        description="Text with something visible in it and no control characters.",
        extra_json_schema={"maxLength": MAX_TITLE_CHARACTERS},
    ),
]
Isbn = Annotated[
    str,
    Meta(
        description="An ISBN of 10 or 13 digits with a right check digit; 13 when shown.",
        extra_json_schema={"pattern": "^([0-9][ -]?){9}(([0-9][ -]?){3}[0-9]|[0-9Xx])$"},
    ),
]
Reason = Annotated[
    Text,
    Meta(
        description="Why, in the words of whoever did it.",
        extra_json_schema={"maxLength": MAX_REASON_CHARACTERS},
    ),
]
TopicName = Annotated[
    Text,
    Meta(
        description="A topic: upper and lower case and the number of blanks do not matter.",
        extra_json_schema={"maxLength": MAX_TOPIC_CHARACTERS},
    ),
]
KindName = Annotated[str, Meta(extra_json_schema={"enum": [*Kind]})]
Authors = Annotated[list[Title], Meta(min_length=1, max_length=MAX_AUTHORS)]
Topics = Annotated[list[TopicName], Meta(max_length=MAX_TOPICS)]


class BookBody(Struct):
    """A book as customers see it: ``GET /books/{id}``."""

    id: int
    title: str
    authors: tuple[str, ...]
    isbn: str | None
    topics: tuple[str, ...]
    price: Price
    currency: str
    stock: int
    version: int
    updated_at: Time


class ShelfBody(BookBody, omit_defaults=True):
    """A book as the shop's keepers see it; a tombstone says so."""

    deleted: bool = False


class FoundBook(Struct):
    """A book in a search's answer."""

    id: int
    title: str
    authors: tuple[str, ...]
    price: Price
    stock: int


class NewBook(Struct, forbid_unknown_fields=True):
    """``POST /books``."""

    title: Title
    authors: Authors
    price: Price
    stock: Stock
    topics: Topics = []
    isbn: Isbn | None = None


class WholeBook(Struct, forbid_unknown_fields=True):
    """``PUT /books/{id}``: all fields but the stock, which has its own route."""

    title: Title
    authors: Authors
    price: Price
    topics: Topics
    isbn: Isbn | None


class PartOfBook(Struct, forbid_unknown_fields=True):
    """``PATCH /books/{id}``: the fields to change."""

    title: Title | UnsetType = UNSET
    authors: Authors | UnsetType = UNSET
    price: Price | UnsetType = UNSET
    topics: Topics | UnsetType = UNSET
    isbn: Isbn | UnsetType | None = UNSET


class StockBody(Struct, forbid_unknown_fields=True):
    """``POST /books/{id}/stock``: a signed change, or a new count; and why."""

    reason: Reason
    change: Change | None = None
    count: Stock | None = None


class ShelfQuery(Struct, forbid_unknown_fields=True):
    """``GET /books``."""

    limit: Annotated[int, Meta(ge=1, le=5000)] = MAX_PAGE_ITEMS
    after: Annotated[int, Meta(ge=0, le=MAX_ID)] = 0
    tombstones: Annotated[int, Meta(ge=0, le=1)] = 0


class BookLedgerQuery(Struct, forbid_unknown_fields=True):
    """``GET /books/{id}/ledger``."""

    limit: Limit = 50
    cursor: str | None = None


class LedgerQuery(Struct, forbid_unknown_fields=True):
    """``GET /ledger``."""

    limit: Annotated[int, Meta(ge=1, le=5000)] = 1000
    after: Annotated[int, Meta(ge=0, le=MAX_ID)] = 0


class InfoItem(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """One book asked for in a batch."""

    book_id: Id
    request_id: RequestId = ""
    deadline_ms: int = 0


class SearchItem(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """One page of a topic asked for in a batch."""

    topic: Topic
    limit: Limit
    after_id: Annotated[int, Meta(ge=0, le=MAX_ID)] = 0
    request_id: RequestId = ""
    deadline_ms: int = 0


class SaleItem(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """One purchase in a batch of sales."""

    order_id: OrderId
    fingerprint: Fingerprint
    quantity: Quantity
    version: Id | None = None
    max_price: Price | None = None
    request_id: RequestId = ""


class BookSalesItem(Struct, forbid_unknown_fields=True):
    """The purchases of one book, made against one version of it."""

    book_id: Id
    version: Id
    sales: list[SaleItem]


class SalesBody(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """``POST /sales``; orders ``ledger_from`` know entry ``ledger_seen``, of ``ledger_order``."""

    ledger_seen: Annotated[int, Meta(ge=0, le=MAX_ID)]
    books: list[BookSalesItem]
    ledger_order: OrderId | None = None
    ledger_from: OrderId | None = None


class OneSaleBody(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """``POST /sales/{order_id}/void`` and ``/return``: the order, as it was placed."""

    ledger_seen: Annotated[int, Meta(ge=0, le=MAX_ID)]
    fingerprint: Fingerprint
    book_id: Id
    quantity: Quantity
    version: Id | None = None
    max_price: Price | None = None
    ledger_order: OrderId | None = None
    ledger_from: OrderId | None = None


class EntryBody(Struct, omit_defaults=True):
    """An entry of the ledger; what does not apply is left out."""

    number: int
    kind: KindName
    book_id: int
    at: Time
    change: int = 0
    version_after: int | None = None
    stock_after: int | None = None
    title: str | None = None
    unit_price: Price | None = None
    order_id: str | None = None
    quantity: int | None = None
    asked_version: int | None = None
    asked_max_price: Price | None = None
    reason: str | None = None
    version_seen: int | None = None
    stock_seen: int | None = None
    fingerprint: str | None = None


class SaleAnswer(Struct, omit_defaults=True):
    """What became of one purchase.

    ``code`` is the entry's kind with status 200, ``stale_version`` with 412 and the
    ``current`` book, or ``key_reused`` with 422. The entry travels as it is, integers and
    all: both ends are ours, and there are thousands a second.
    """

    status: int
    code: str
    entry: Entry | None = None
    current: BookBody | None = None


class ReenterBody(Struct, forbid_unknown_fields=True):
    """``POST /sales/reenter``: decided orders whose entries the ledger lost."""

    orders: list[LostOrder]


class LostOrder(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """A decided order, as far as the ledger needs it."""

    order_id: OrderId
    book_id: Id
    quantity: Quantity
    state: DecidedState
    version: Id | None = None
    max_price: Price | None = None
    decided_at: Time | None = None
    reason: LostReason | None = None
    title: LostTitle | None = None
    unit_price: Price | None = None
    version_after: Id | None = None
    stock_after: Count | None = None
    version_seen: Count | None = None
    stock_seen: Count | None = None
