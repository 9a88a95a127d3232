"""What customers send to the frontend. What they get back is made by catalog and order."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from servers.domain.limits import DEFAULT_PAGE_ITEMS, MAX_ID, MAX_PAGE_ITEMS, MAX_QUANTITY
from servers.domain.order import State


class PurchaseBody(Struct, forbid_unknown_fields=True):
    """``POST /purchase/{book_id}``: how many copies, and on what conditions."""

    quantity: Annotated[int, Meta(ge=1, le=MAX_QUANTITY)] = 1
    version: Annotated[int, Meta(ge=1, le=MAX_ID)] | None = None
    max_price: str | None = None


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


class SearchQuery(Struct, forbid_unknown_fields=True):
    """``GET /search/{topic}``: how many books, and from where on."""

    limit: Annotated[int, Meta(ge=1, le=MAX_PAGE_ITEMS)] = DEFAULT_PAGE_ITEMS
    cursor: str | None = None
