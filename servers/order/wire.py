"""How orders look as JSON: the shapes on the wire, with their limits.

What turns them into the domain's objects, and back, is ``servers.order.mapping``.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from servers.domain.limits import DEFAULT_PAGE_ITEMS, MAX_ID, MAX_QUANTITY
from servers.domain.money import PRICE_PATTERN
from servers.domain.order import State

Id = Annotated[int, Meta(ge=1, le=MAX_ID)]
# The length as well: `$` alone would let a line feed follow.
OrderId = Annotated[str, Meta(pattern="^[0-9a-f]{32}$", max_length=32)]
RequestId = Annotated[str, Meta(max_length=64)]

# What the mapping checks, with sentences of its own, is only said here, for the documents.
Price = Annotated[
    str,
    Meta(
        description="Money: a decimal string with two places, never a number.",
        extra_json_schema={"pattern": PRICE_PATTERN},
    ),
]
Total = Annotated[
    str,
    Meta(
        description="Money: the price of all copies together.",
        extra_json_schema={"pattern": r"^(0|[1-9][0-9]*)\.[0-9]{2}$"},
    ),
]
Time = Annotated[
    str,
    Meta(description="A moment in UTC, as in RFC 3339.", extra_json_schema={"format": "date-time"}),
]
StateName = Annotated[str, Meta(extra_json_schema={"enum": [*State]})]


class PlaceItem(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """One purchase in a batch."""

    order_id: OrderId
    book_id: Id
    quantity: Annotated[int, Meta(ge=1, le=MAX_QUANTITY)]
    version: Id | None = None
    max_price: Price | None = None
    request_id: RequestId = ""
    deadline_ms: int = 0


class PendingBody(Struct):
    """An order that is not decided yet."""

    id: str
    state: StateName
    book_id: int
    quantity: int


class OrderBody(Struct):
    """An order that was confirmed: the final answer to its purchase, and to its cancelling."""

    id: str
    state: StateName
    book_id: int
    title: str | None
    quantity: int
    unit_price: Price | None
    total: Total | None
    currency: str
    version_after: int | None
    stock_after: int | None
    decided_at: Time | None


class CurrentBody(Struct):
    """A book as the ledger found it when it refused a purchase: ``current`` in the problem."""

    version: int
    price: Price
    stock: int


class MomentBody(Struct):
    """One step in an order's history."""

    state: StateName
    at: Time
    reason: str | None


class WholeOrderBody(OrderBody):
    """All of an order: ``GET /orders/{id}``."""

    created_at: Time
    reason: str | None
    history: list[MomentBody]


class KeptOrderBody(WholeOrderBody, omit_defaults=True):
    """An order as the shop's keepers see it, with what ties it to the ledger."""

    fingerprint: str = ""
    version: int | None = None
    max_price: Price | None = None
    ledger_number: int | None = None
    return_number: int | None = None
    version_seen: int | None = None
    stock_seen: int | None = None
    price_seen: Price | None = None


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
