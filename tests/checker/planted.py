"""What may be wrong with a shop, for the checker to find.

Each function takes a right history and its records, and spoils one thing. All are listed in
`PLANTED` with the invariant that they break.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from servers.domain.ledger import Entry, Kind
from servers.domain.order import State, placed
from servers.domain.sale import Purchase
from tests.checker import history as seen
from tests.checker.history import Operation

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.checker.history import History, Records, Told

    Plant = Callable[[History, Records], None]


def an_entry(records: Records, kind: Kind) -> Entry:
    """Return the last entry of a kind."""
    return [each for each in records.ledger if each.kind is kind][-1]


def put_entry(records: Records, number: int, **fields: Any) -> None:
    """Write over an entry."""
    records.ledger[number - 1] = replace(records.ledger[number - 1], **fields)


def put_order(records: Records, order_id: str, **fields: Any) -> None:
    """Write over an order."""
    place = next(n for n, order in enumerate(records.orders) if order.id == order_id)
    records.orders[place] = replace(records.orders[place], **fields)


def a_told(history: History, *, confirmed: bool) -> Told:
    """Return the last answer that confirmed, or refused, a purchase."""
    return [each for each in history.told if each.confirmed is confirmed][-1]


def below_zero(history: History, records: Records) -> None:
    """An entry leaves less than no copies."""
    put_entry(records, an_entry(records, Kind.RECEIVED).number, stock_after=-1)


def a_copy_too_many(history: History, records: Records) -> None:
    """A book has a copy that nobody brought."""
    records.books[0] = replace(records.books[0], stock=records.books[0].stock + 1)


def a_sale_without_an_order(history: History, records: Records) -> None:
    """The row of a sold order is lost."""
    lost = an_entry(records, Kind.SOLD).order_id
    records.orders = [order for order in records.orders if order.id != lost]


def bought_twice(history: History, records: Records) -> None:
    """Two orders were one wish: its customer asked again under a new key."""
    first, second = [place for place, each in enumerate(history.told) if each.status == 201][:2]
    history.told[second] = history.told[second]._replace(wish=history.told[first].wish)


def rejected_and_sold(history: History, records: Records) -> None:
    """The row of a sold order says rejected."""
    sold = an_entry(records, Kind.SOLD).order_id or ""
    put_order(records, sold, state=State.REJECTED, reason="out_of_stock")


def left_pending(history: History, records: Records) -> None:
    """Nobody drives an order on."""
    records.orders.append(placed(Purchase("f" * 32, 1), 0))


def a_lost_purchase(history: History, records: Records) -> None:
    """A customer was told 201, and nothing else knows of it."""
    told = a_told(history, confirmed=True)
    history.told.append(told._replace(order_id="e" * 32, wish="lost"))


def a_lost_change(history: History, records: Records) -> None:
    """A client was told of a change, and nothing else knows of it."""
    history.operations.append(Operation(1e6, 1e6, seen.Kind.EFFECT, 1, 99_999, 5))


def refused_and_sold(history: History, records: Records) -> None:
    """A customer was refused, and the order is sold all the same."""
    sold, refused = a_told(history, confirmed=True), a_told(history, confirmed=False)
    history.told = [each for each in history.told if each.order_id != sold.order_id]
    history.told.append(sold._replace(status=409, code=refused.code, body=refused.body))


def refused_and_open(history: History, records: Records) -> None:
    """A customer was refused, and the order could still be sold."""
    refused = a_told(history, confirmed=False)
    history.told.append(refused._replace(order_id="d" * 32, wish="open"))


def a_gap_of_versions(history: History, records: Records) -> None:
    """An entry leaves out a version."""
    entry = an_entry(records, Kind.RECEIVED)
    put_entry(records, entry.number, version_after=(entry.version_after or 0) + 1)


def one_version_made_twice(history: History, records: Records) -> None:
    """Two clients were told that they made the same version."""
    effects = [
        each
        for each in history.operations
        if each.kind is seen.Kind.EFFECT and each.version > 1 and each.order_id is None
    ]
    history.operations.append(effects[0])


def a_stale_read(history: History, records: Records) -> None:
    """A book is read as it was long before."""
    read = next(each for each in history.operations if each.version == 1)
    history.operations.append(read._replace(kind=seen.Kind.READ, began_s=1e6, ended_s=1e6))


def a_wrong_read(history: History, records: Records) -> None:
    """A book is read with a stock that it did not have."""
    place, read = next(
        (place, each)
        for place, each in enumerate(history.operations)
        if each.kind is seen.Kind.READ
    )
    history.operations[place] = read._replace(stock=(read.stock or 0) + 1)


def sold_after_its_delete(history: History, records: Records) -> None:
    """The entry before a sale is a delete."""
    deleted = an_entry(records, Kind.DELETED).book_id
    sale = next(
        each for each in records.ledger if each.book_id == deleted and each.kind is Kind.SOLD
    )
    before = next(
        each
        for each in records.ledger
        if each.book_id == deleted and each.version_after == (sale.version_after or 0) - 1
    )
    put_entry(records, before.number, kind=Kind.DELETED)


def another_body(history: History, records: Records) -> None:
    """One of the final answers has one byte more."""
    told = a_told(history, confirmed=True)
    history.told.append(told._replace(status=200, body=told.body + b" "))


def another_request_answered(history: History, records: Records) -> None:
    """Another request is answered as if it were the first one."""
    told = a_told(history, confirmed=True)
    history.told.append(told._replace(status=200, fingerprint="0" * 64))


def refused_as_another_request(history: History, records: Records) -> None:
    """The same request is taken for another one."""
    told = a_told(history, confirmed=True)
    history.told.append(told._replace(status=422, code="key_reused"))


def an_id_again(history: History, records: Records) -> None:
    """The id of a book is given to another one."""
    added = next(
        each for each in history.operations if each.kind is seen.Kind.EFFECT and each.version == 1
    )
    history.operations.append(added)


def a_book_out_of_nothing(history: History, records: Records) -> None:
    """There is a book that was never added."""
    records.books.append(replace(records.books[0], id=99_999))


def another_price(history: History, records: Records) -> None:
    """A sale is at a price that the book did not have."""
    put_entry(records, an_entry(records, Kind.SOLD).number, unit_price_minor=999)


def a_slow_answer(history: History, records: Records) -> None:
    """An answer comes after its deadline."""
    told = a_told(history, confirmed=True)
    history.told.append(told._replace(status=200, ended_s=told.began_s + 11))


PLANTED: list[tuple[str, Plant]] = [
    ("I1", below_zero),
    ("I2", a_copy_too_many),
    ("I3", a_sale_without_an_order),
    ("I3", bought_twice),
    ("I4", rejected_and_sold),
    ("I5", left_pending),
    ("I6", a_lost_purchase),
    ("I6", a_lost_change),
    ("I7", refused_and_sold),
    ("I7", refused_and_open),
    ("I8", a_gap_of_versions),
    ("I8", one_version_made_twice),
    ("I9", a_stale_read),
    ("I9", a_wrong_read),
    ("I10", sold_after_its_delete),
    ("I11", another_body),
    ("I12", another_request_answered),
    ("I12", refused_as_another_request),
    ("I13", an_id_again),
    ("I13", a_book_out_of_nothing),
    ("I14", another_price),
    ("I15", a_slow_answer),
]
