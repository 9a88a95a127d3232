"""A history: what every client of a shop asked and saw, and when; and the shop's own records.

Lives here: what is noted down. How a history is made from real answers is in ``witness``, what
must hold in ``check``. Times are seconds of one monotonic clock, the same for all clients.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple

from servers.upkeep.audit import read_books, read_ledger, read_orders

if TYPE_CHECKING:
    from servers.domain.book import Book
    from servers.domain.ledger import Entry
    from servers.domain.order import Order
    from servers.upkeep.audit import OpenShop


class Kind(Enum):
    """What an operation on a book was, as its client knows it."""

    EFFECT = "it made this version of the book"
    READ = "it saw this version of the book; 0 is the time before there was a book"
    GONE = "it was told that the book is deleted; no version is told"


class Operation(NamedTuple):
    """One answered request about one book. An effect that sold names its order."""

    began_s: float
    ended_s: float
    kind: Kind
    book_id: int
    version: int = 0
    stock: int | None = None
    order_id: str | None = None


class Told(NamedTuple):
    """One answer to a purchase; ``code`` is empty where it was no problem.

    All answers to what one customer wanted once have one ``wish``, whatever keys it had.
    """

    began_s: float
    ended_s: float
    wish: str
    order_id: str
    fingerprint: str
    status: int
    code: str
    body: bytes

    @property
    def confirmed(self) -> bool:
        """Whether it said that the copies are the customer's."""
        return self.status in {200, 201}

    @property
    def refused(self) -> bool:
        """Whether it said, for good, that they are not."""
        return self.code in REFUSALS

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)


REFUSALS = frozenset(
    {
        *("book_not_found", "book_deleted", "out_of_stock"),
        *("version_conflict", "price_changed", "purchase_expired"),
    }
)
"""The codes that end a purchase for good."""


@dataclass
class History:
    """Everything that the clients of a shop saw. ``spans`` are requests of any other kind."""

    operations: list[Operation] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    spans: list[tuple[float, float, str]] = field(default_factory=list)


@dataclass
class Records:
    """What the shop's databases say, all of it."""

    books: list[Book]
    orders: list[Order]
    ledger: list[Entry]


async def collect(shop: OpenShop) -> Records:
    """Read everything a shop has written down; nobody may change it meanwhile."""
    return Records(
        books=[book async for book in read_books(shop.catalog)],
        orders=[order async for order in read_orders(shop.orders)],
        ledger=[entry async for entry in read_ledger(shop.catalog)],
    )
