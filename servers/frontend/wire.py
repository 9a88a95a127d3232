"""What customers send to the frontend. What they get back is made by catalog and order."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from servers.domain.limits import (
    DEFAULT_PAGE_ITEMS,
    MAX_ID,
    MAX_PAGE_ITEMS,
    MAX_QUANTITY,
    MAX_TOPIC_CHARACTERS,
)
from servers.domain.money import PRICE_PATTERN
from servers.domain.order import State
from servers.domain.search import Sort
from servers.domain.text import TEXT_PATTERN

Words = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=MAX_TOPIC_CHARACTERS,
        extra_json_schema={"pattern": TEXT_PATTERN},
    ),
]
"""Text that customers type; the catalog checks the rest."""


class PurchaseBody(Struct, forbid_unknown_fields=True):
    """``POST /purchase/{book_id}``: how many copies, and on what conditions."""

    quantity: Annotated[int, Meta(ge=1, le=MAX_QUANTITY)] = 1
    version: Annotated[int, Meta(ge=1, le=MAX_ID)] | None = None
    max_price: Annotated[str, Meta(extra_json_schema={"pattern": PRICE_PATTERN})] | None = None


class OrdersQuery(Struct, forbid_unknown_fields=True):
    """``GET /orders``: which orders, how many, and from where on."""

    limit: Annotated[int, Meta(ge=1, le=MAX_PAGE_ITEMS)] = DEFAULT_PAGE_ITEMS
    state: State | None = None
    book_id: Annotated[int, Meta(ge=1, le=MAX_ID)] | None = None
    cursor: str | None = None


class LedgerQuery(Struct, forbid_unknown_fields=True):
    """``GET /books/{id}/ledger``: how many entries, and from where on."""

    limit: Annotated[int, Meta(ge=1, le=MAX_PAGE_ITEMS)] = DEFAULT_PAGE_ITEMS
    cursor: str | None = None


class BooksQuery(Struct, forbid_unknown_fields=True):
    """``GET /books``: words or a topic, in which order, how many, and from where on."""

    q: Words | None = None
    topic: Words | None = None
    in_stock: Literal["true", "false"] | None = None
    sort: Sort | None = None
    limit: Annotated[int, Meta(ge=1, le=MAX_PAGE_ITEMS)] = DEFAULT_PAGE_ITEMS
    cursor: str | None = None


class SearchQuery(Struct, forbid_unknown_fields=True):
    """``GET /search/{topic}``: how many books, and from where on."""

    limit: Annotated[int, Meta(ge=1, le=MAX_PAGE_ITEMS)] = DEFAULT_PAGE_ITEMS
    cursor: str | None = None


Rows = Annotated[str, Meta(description="Lines, each a JSON object as `POST /books` takes it.")]
"""The body of an import, which is read as it comes."""


class RowProblem(Struct, omit_defaults=True):
    """Why a row of an import was refused: what a book alone would have been answered."""

    line: int
    code: str
    detail: str
    field: str | None = None


class ImportBody(Struct):
    """``POST /books/import``: what became of the rows; of the refused, the first are told."""

    read: int = 0
    added: int = 0
    replayed: int = 0
    refused: int = 0
    problems: list[RowProblem] = []
    problems_left_off: int = 0
