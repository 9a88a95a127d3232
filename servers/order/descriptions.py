"""What callers are told of the order server's routes: answers, problems, examples."""

from __future__ import annotations

from servers.domain.errors import LedgerBehind
from servers.domain.protocols import Restored
from servers.order import examples
from servers.order.wire import (
    KeptOrderBody,
    OrderBody,
    PendingBody,
    PlaceItem,
    RestoreBody,
    WholeOrderBody,
)
from servers.web.openapi.described import Description, Good, ItemAnswer

ORDERS = "orders"


def descriptions() -> dict[str, Description]:
    """Return what is told of each route, by method and path."""
    return {**_reads(), **_changes()}


def items() -> dict[str, Description]:
    """Return what is told of one purchase of a batch, for whoever passes it on."""
    order = examples.order()
    again = ("Location", "Idempotency-Replayed")
    waiting = ("Location", "Retry-After")
    return {
        "POST /orders/batch": Description(
            name="purchase",
            tag=ORDERS,
            answers=(
                Good(201, "Bought; this is the first answer", OrderBody, order, ("Location",)),
                Good(200, "Bought before, with the same key", OrderBody, order, again),
                Good(202, "Not decided yet; ask again", PendingBody, examples.pending(), waiting),
            ),
            problems=(*examples.refusals(), examples.key_reused()),
            replays=True,
            command=f"bookstore buy {examples.BOOK_ID} --max-price 10.00",
            more="With an `Idempotency-Key` this can be repeated until the answer is final; it is "
            "bought once. Every final answer of one key is the same, a refusal too.",
        ),
    }


def _reads() -> dict[str, Description]:
    of_order = (examples.no_order(), examples.unavailable())
    kept = examples.kept()
    return {
        "GET /orders/{order_id}": Description(
            name="getOrder",
            tag=ORDERS,
            answers=(Good(200, "The order", WholeOrderBody, examples.whole()),),
            problems=of_order,
            command=f"bookstore orders show {examples.ORDER_ID}",
        ),
        "GET /orders/{order_id}/kept": Description(
            name="getKeptOrder",
            tag=ORDERS,
            answers=(Good(200, "The order", KeptOrderBody, kept),),
            problems=of_order,
        ),
        "GET /orders": Description(
            name="listOrders",
            tag=ORDERS,
            answers=(
                Good(200, "The orders, newest first", list[KeptOrderBody], [kept], ("Link",)),
            ),
            problems=(examples.unavailable(),),
            command="bookstore orders list --state confirmed",
        ),
    }


def _changes() -> dict[str, Description]:
    unavailable = examples.unavailable()
    where = {"Location": f"/orders/{examples.ORDER_ID}"}
    placed = ItemAnswer(201, examples.order(), where)
    waiting = Good(
        202,
        "It is being cancelled; ask again",
        PendingBody,
        examples.pending("cancelling"),
        ("Location", "Retry-After"),
    )
    behind = "the ledger ends at 90, but the orders know of 112. Run `bookstore reconcile`"
    return {
        "POST /orders/batch": Description(
            name="placeOrders",
            tag=ORDERS,
            answers=(Good(200, "One answer a purchase, in order", list[ItemAnswer], [placed]),),
            problems=(unavailable,),
            sends=list[PlaceItem],
            example=[examples.item()],
            more="Each purchase is answered by itself, with its own status, headers and body, as "
            "the frontend's `POST /purchase/{book_id}` answers it.",
        ),
        "POST /orders/{order_id}/cancel": Description(
            name="cancelOrder",
            tag=ORDERS,
            answers=(
                Good(200, "The order was cancelled", OrderBody, examples.order("cancelled")),
                waiting,
            ),
            problems=(examples.no_order(), examples.not_cancellable(), unavailable),
            command=f"bookstore orders cancel {examples.ORDER_ID}",
            more="Its copies go back to the shelf, once, however often this is asked for.",
        ),
        "POST /orders/restore": Description(
            name="restoreOrders",
            tag=ORDERS,
            answers=(Good(200, "How far it came", Restored, Restored(1112, 3)),),
            problems=(LedgerBehind(behind, last=90), unavailable),
            example=RestoreBody(0, 1000),
        ),
    }
