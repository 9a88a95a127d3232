"""How orders look as JSON: the shapes on the wire, with their limits.

What turns them into the domain's objects, and back, is ``servers.order.mapping``.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from servers.domain.limits import DEFAULT_PAGE_ITEMS, MAX_ID, MAX_QUANTITY
from servers.domain.order import State

Id = Annotated[int, Meta(ge=1, le=MAX_ID)]
OrderId = Annotated[str, Meta(pattern="^[0-9a-f]{32}$")]


class PlaceItem(Struct, omit_defaults=True):
    """One purchase in a batch."""

    order_id: OrderId
    book_id: Id
    quantity: Annotated[int, Meta(ge=1, le=MAX_QUANTITY)]
    version: Id | None = None
    max_price: str | None = None
    request_id: str = ""
    deadline_ms: int = 0


class PendingBody(Struct):
    """An order that is not decided yet."""

    id: str
    state: str
    book_id: int
    quantity: int


class OrderBody(Struct):
    """An order that was confirmed: the final answer to its purchase, and to its cancelling."""

    id: str
    state: str
    book_id: int
    title: str | None
    quantity: int
    unit_price: str | None
    total: str | None
    currency: str
    version_after: int | None
    stock_after: int | None
    decided_at: str | None


class MomentBody(Struct):
    """One step in an order's history."""

    state: str
    at: str
    reason: str | None


class WholeOrderBody(OrderBody):
    """All of an order: ``GET /orders/{id}``."""

    created_at: str
    reason: str | None
    history: list[MomentBody]


class KeptOrderBody(WholeOrderBody, omit_defaults=True):
    """An order as the shop's keepers see it, with what ties it to the ledger."""

    fingerprint: str = ""
    version: int | None = None
    max_price: str | None = None
    ledger_number: int | None = None
    return_number: int | None = None
    version_seen: int | None = None
    stock_seen: int | None = None
    price_seen: str | None = None


class OrdersQuery(Struct, forbid_unknown_fields=True):
    """``GET /orders``."""

    limit: Annotated[int, Meta(ge=1, le=5000)] = DEFAULT_PAGE_ITEMS
    state: State | None = None
    book_id: Id | None = None
    cursor: str | None = None


class RestoreBody(Struct, forbid_unknown_fields=True):
    """``POST /orders/restore``: which stretch of the ledger."""

    after: Annotated[int, Meta(ge=0, le=MAX_ID)]
    limit: Annotated[int, Meta(ge=1, le=5000)]
