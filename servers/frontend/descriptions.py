"""What callers are told of the frontend's routes.

What it passes on is described by the servers behind it; so are the books and orders that it
answers. Whoever wires the servers hands those descriptions in.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec

from servers.domain.errors import (
    BodyTooLarge,
    InvalidRequest,
    OutcomeUnknown,
    RequestTimeout,
    Unavailable,
)
from servers.frontend.wire import ImportBody, PurchaseBody, RowProblem, Rows
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
        "POST /books/import": _import(behind["POST /books"]),
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


def _import(add: Description) -> Description:
    row = msgspec.json.encode(add.example).decode()
    told = RowProblem(7, "invalid_request", "`stock`: expected `int` >= 0.", "stock")
    broken = (
        "The body broke off or was not well formed. All up to line 64 is done. Repeated with the "
        "same key, nothing is added twice."
    )
    members: dict[str, object] = {"line": 64, "idempotency_key": "3f2a9c0d5b7e4f61"}
    behind = [each for each in add.problems if each.code == "ledger_behind"]
    return Description(
        name="importBooks",
        tag=STAFF,
        answers=(
            Good(
                200,
                "What became of the rows",
                ImportBody,
                ImportBody(3, 1, 1, 1, [told]),
            ),
        ),
        problems=(
            InvalidRequest(broken, **members),
            BodyTooLarge(broken, **members),
            RequestTimeout(broken, **members),
            Unavailable(broken, **members),
            OutcomeUnknown(broken, **members),
            *[type(each)(broken, **each.members, **members) for each in behind],
        ),
        takes=(KEY,),
        sends=Rows,
        example=row,
        command="bookstore books import books.ndjson",
        more="One JSON object a line, each as `POST /books` takes it, at most 64 KiB; 1 GiB "
        "together. A row that is refused is told of with its line, the first 1,000 of them; the "
        "others go in. There is no deadline, but for silence. With the same key the same file "
        "adds nothing twice: what is in counts as replayed.",
    )


def _change(one: Description, tag: str) -> Description:
    return replace(one, tag=tag, problems=(*one.problems, _doubtful()))


def _doubtful() -> ShopError:
    detail = "It is not known whether this was done: no answer in time. Look before you try again."
    return OutcomeUnknown(detail)
