"""What callers are told of the frontend's routes.

What it passes on is described by the servers behind it; so are the books and orders that it
answers. Whoever wires the servers hands those descriptions in.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from servers.domain.errors import OutcomeUnknown, Unavailable
from servers.frontend.wire import PurchaseBody
from servers.web.openapi.described import IF_NONE_MATCH, KEY, Description, Good

if TYPE_CHECKING:
    from collections.abc import Mapping

    from servers.domain.errors import ShopError

CUSTOMERS, STAFF = "customers", "staff"

_BOOK = "/books/{book_id}"
_STAFF_CHANGES = (
    "POST /books",
    f"PUT {_BOOK}",
    f"PATCH {_BOOK}",
    f"DELETE {_BOOK}",
    f"POST {_BOOK}/stock",
)
_STAFF_READS = ("GET /orders", f"GET {_BOOK}/ledger")
_ORDER_ID = "3f2a9c0d5b7e4f6188a1c2d3e4f50617"


def descriptions(
    behind: Mapping[str, Description], items: Mapping[str, Description]
) -> dict[str, Description]:
    """Return what is told of each route, by method and path.

    ``behind`` describes the routes of the servers behind, ``items`` what they answer to one
    item of each batched call.
    """
    cancel, shown, topics = (
        "POST /orders/{order_id}/cancel",
        "GET /orders/{order_id}",
        "GET /topics",
    )
    return {
        "GET /search/{topic}": replace(items["POST /search/batch"], tag=CUSTOMERS),
        "GET /info/{book_id}": _info(items, "getInfo"),
        f"GET {_BOOK}": _info(items, "getBook"),
        "GET /books": replace(behind["GET /books/search"], tag=CUSTOMERS),
        topics: replace(behind[topics], tag=CUSTOMERS),
        "POST /purchase/{book_id}": _purchase(items["POST /orders/batch"]),
        shown: replace(behind[shown], tag=CUSTOMERS),
        cancel: _change(behind[cancel], CUSTOMERS),
        **{name: replace(behind[name], tag=STAFF) for name in _STAFF_READS},
        **{name: _change(behind[name], STAFF) for name in _STAFF_CHANGES},
    }


def _info(items: Mapping[str, Description], name: str) -> Description:
    one = items["POST /books/batch"]
    same = Good(304, "The customer has this version", headers=("ETag",))
    return replace(
        one, name=name, tag=CUSTOMERS, answers=(*one.answers, same), takes=(IF_NONE_MATCH,)
    )


def _purchase(one: Description) -> Description:
    detail = (
        "The order server did not answer in time; the purchase may have been made. Repeat it with "
        "the same idempotency key to learn."
    )
    nothing = "Nothing was bought: no answer from order. Try again with the same key."
    return replace(
        one,
        tag=CUSTOMERS,
        problems=(
            *one.problems,
            Unavailable(nothing),
            OutcomeUnknown(detail, order_id=_ORDER_ID),
        ),
        takes=(KEY,),
        example=PurchaseBody(max_price="10.00"),
    )


def _change(one: Description, tag: str) -> Description:
    return replace(one, tag=tag, problems=(*one.problems, _doubtful()))


def _doubtful() -> ShopError:
    detail = "It is not known whether this was done: no answer in time. Look before you try again."
    return OutcomeUnknown(detail)
