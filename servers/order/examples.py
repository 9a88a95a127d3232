"""Examples of what the order server is sent and answers, as its documents show them.

All are of one order. Nothing here is ever stored or sold.
"""

from __future__ import annotations

from servers.domain.errors import (
    BookDeleted,
    BookNotFound,
    KeyReused,
    NotCancellable,
    OrderNotFound,
    OutOfStock,
    PriceChanged,
    PurchaseExpired,
    ShopError,
    Unavailable,
    VersionConflict,
)
from servers.domain.sale import Purchase
from servers.order.wire import (
    CurrentBody,
    KeptOrderBody,
    MomentBody,
    OrderBody,
    PendingBody,
    PlaceItem,
    WholeOrderBody,
)

BOOK_ID = 36
TITLE = "Meditations"
ORDER_ID = "3f2a9c0d5b7e4f6188a1c2d3e4f50617"
PLACED_AT = "2026-01-31T12:00:00.244Z"
AT = "2026-01-31T12:00:00.250Z"
CANCELLING_AT = "2026-01-31T12:05:00.100Z"
CANCELLED_AT = "2026-01-31T12:05:00.108Z"


def item() -> PlaceItem:
    """Return one purchase of a batch."""
    return PlaceItem(ORDER_ID, BOOK_ID, 1, max_price="10.00", request_id="r-1", deadline_ms=1000)


def order(state: str = "confirmed") -> OrderBody:
    """Return an order that was sold."""
    return OrderBody(ORDER_ID, state, BOOK_ID, TITLE, 1, "9.00", "9.00", "USD", 7, 44, AT)


def pending(state: str = "pending") -> PendingBody:
    """Return an order that is not done."""
    return PendingBody(ORDER_ID, state, BOOK_ID, 1)


def whole() -> WholeOrderBody:
    """Return an order with its history."""
    history = [
        MomentBody("pending", PLACED_AT, None),
        MomentBody("confirmed", AT, None),
        MomentBody("cancelling", CANCELLING_AT, None),
        MomentBody("cancelled", CANCELLED_AT, None),
    ]
    return WholeOrderBody(
        *(ORDER_ID, "cancelled", BOOK_ID, TITLE, 1, "9.00", "9.00", "USD", 7, 44, AT),
        PLACED_AT,
        None,
        history,
    )


def kept() -> KeptOrderBody:
    """Return an order as the shop's keepers see it."""
    history = [MomentBody("pending", PLACED_AT, None), MomentBody("confirmed", AT, None)]
    return KeptOrderBody(
        *(ORDER_ID, "confirmed", BOOK_ID, TITLE, 1, "9.00", "9.00", "USD", 7, 44, AT),
        PLACED_AT,
        None,
        history,
        fingerprint=Purchase(ORDER_ID, BOOK_ID, max_price_minor=1000).fingerprint,
        max_price="10.00",
        ledger_number=112,
        price_seen="9.00",
    )


# Problems


def refusals() -> tuple[ShopError, ...]:
    """Return the problems of purchases that were refused for good, one of each."""
    of = {"order_id": ORDER_ID, "book_id": BOOK_ID}
    sold_out = f"Book {BOOK_ID} is sold out. Try again after a restock, with a new key."
    changed = (
        f"Book {BOOK_ID} is at version 7, not 6: it changed meanwhile. Look at it again and "
        f"decide anew, with a new key."
    )
    dearer = (
        f"Book {BOOK_ID} costs 9.00 a copy, more than the 8.00 that you allowed. Allow 9.00 with "
        f"a new key to buy it."
    )
    given_up = (
        f"The purchase of book {BOOK_ID} took too long and was given up; nothing was bought. Buy "
        f"again with a new key."
    )
    current = CurrentBody(7, "9.00", 44)
    no_book = f"There is no book {BOOK_ID}; nothing was bought. Search for a topic."
    deleted = f"Book {BOOK_ID} was deleted; nothing was bought."
    return (
        BookNotFound(no_book, **of),
        OutOfStock(sold_out, **of, requested=1, available=0),
        VersionConflict(changed, **of, current=current),
        PriceChanged(dearer, **of, current=current),
        PurchaseExpired(given_up, **of),
        BookDeleted(deleted, **of),
    )


def key_reused() -> ShopError:
    """Return the problem of a key that came with another request before."""
    detail = (
        "This idempotency key was used before for another request. Nothing was done; use a new key."
    )
    return KeyReused(detail, order_id=ORDER_ID)


def no_order() -> ShopError:
    """Return the problem of an id that no order has."""
    return OrderNotFound(f"There is no order {ORDER_ID}.", order_id=ORDER_ID)


def not_cancellable() -> ShopError:
    """Return the problem of an order that was rejected."""
    detail = f"Order {ORDER_ID} was rejected (out_of_stock); there is nothing to give back."
    return NotCancellable(detail, order_id=ORDER_ID, reason="out_of_stock")


def unavailable() -> ShopError:
    """Return the problem of a database that cannot serve now."""
    return Unavailable("The shop cannot read its disk now. Try again.")
