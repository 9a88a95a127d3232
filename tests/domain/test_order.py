"""An order's states, its history, and what its customer is told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from servers.domain.errors import NotCancellable
from servers.domain.ledger import Entry, Kind
from servers.domain.order import Moment, Order, State, placed, restored
from servers.domain.sale import Purchase

PURCHASE = Purchase("0" * 32, 3, quantity=2, version=7, max_price_minor=1000)
PENDING = placed(PURCHASE, 100)


def entry(kind: Kind, **fields: Any) -> Entry:
    """Return the ledger's decision on the purchase."""
    decision = Entry(
        number=42,
        kind=kind,
        book_id=3,
        at_ms=200,
        title="Xen",
        unit_price_minor=900,
        order_id=PURCHASE.order_id,
        fingerprint=PURCHASE.fingerprint,
        quantity=2,
        asked_version=7,
        asked_max_price_minor=1000,
    )
    return replace(decision, **fields)


SOLD = entry(Kind.SOLD, change=-2, version_after=8, stock_after=3)


def refusal(reason: str, **fields: Any) -> Order:
    """Return the order as a refusal of the ledger leaves it."""
    seen = {"version_seen": 9, "stock_seen": 1, **fields}
    return PENDING.decided(entry(Kind.REFUSED, reason=reason, **seen))


def test_placed_is_pending() -> None:
    """An order is written before anything is known of its end."""
    assert (PENDING.state, PENDING.final, PENDING.id) == (State.PENDING, False, "0" * 32)
    assert PENDING.history == (Moment(State.PENDING, 100),)


def test_sold_is_confirmed() -> None:
    """A sold entry confirms the order, with everything that its answer says."""
    order = PENDING.decided(SOLD)
    assert (order.state, order.final, order.reason) == (State.CONFIRMED, True, None)
    assert (order.title, order.unit_price_minor, order.total_minor) == ("Xen", 900, 1800)
    assert (order.version_after, order.stock_after, order.ledger_number) == (8, 3, 42)
    assert order.history == (Moment(State.PENDING, 100), Moment(State.CONFIRMED, 200))


def test_refused_is_rejected() -> None:
    """A refused entry rejects the order, with its reason in the history."""
    order = refusal("out_of_stock")
    assert (order.state, order.final) == (State.REJECTED, True)
    assert order.history[-1] == Moment(State.REJECTED, 200, "out_of_stock")


def test_void_is_expired() -> None:
    """A voided order is rejected because it took too long."""
    order = PENDING.decided(entry(Kind.VOID))
    assert (order.state, order.reason) == (State.REJECTED, "purchase_expired")
    assert order.refusal().code == "purchase_expired"


def test_the_history_of_a_cancelled_order() -> None:
    """A cancelled order was confirmed and cancelling before, and says when."""
    order = replace(
        PENDING.decided(SOLD), state=State.CANCELLED, cancelling_at_ms=300, cancelled_at_ms=400
    )
    assert [(moment.state.value, moment.at_ms) for moment in order.history] == [
        ("pending", 100),
        ("confirmed", 200),
        ("cancelling", 300),
        ("cancelled", 400),
    ]


@pytest.mark.parametrize("kind", [Kind.SOLD, Kind.REFUSED, Kind.VOID])
def test_an_order_is_restored_from_its_entry(kind: Kind) -> None:
    """From the deciding entry alone comes the order as it was, but for when it was placed."""
    decision = replace(SOLD, kind=kind, reason="out_of_stock" if kind is Kind.REFUSED else None)
    again = restored(decision)
    assert again == replace(PENDING.decided(decision), created_at_ms=200)
    assert again.purchase.fingerprint == PURCHASE.fingerprint


def test_only_a_rejected_order_cannot_be_cancelled() -> None:
    """There is something to give back unless the order was rejected."""
    confirmed = PENDING.decided(SOLD)
    for state in set(State) - {State.REJECTED}:
        order = replace(confirmed, state=state)
        assert order.must_be_cancellable() is order
    with pytest.raises(NotCancellable) as refused:
        refusal("out_of_stock").must_be_cancellable()
    assert refused.value.members["reason"] == "out_of_stock"


CURRENT = {"version": 9, "price": "9.00", "stock": 1}


@pytest.mark.parametrize(
    ("order", "code", "members"),
    [
        (refusal("out_of_stock"), "out_of_stock", {"requested": 2, "available": 1}),
        (refusal("version_conflict"), "version_conflict", {"current": CURRENT}),
        (refusal("price_changed"), "price_changed", {"current": CURRENT}),
        (refusal("book_deleted"), "book_deleted", {}),
        (refusal("book_not_found", version_seen=None), "book_not_found", {}),
        (PENDING.decided(entry(Kind.VOID)), "purchase_expired", {}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_refusal_says_why(order: Order, code: str, members: dict[str, object]) -> None:
    """Each reason of the ledger is told as the error of its name, with the facts."""
    error = order.refusal()
    assert error.code == code
    assert error.members == {"order_id": "0" * 32, "book_id": 3, **members}
    assert str(order.purchase.book_id) in error.detail


@pytest.mark.parametrize(
    ("left", "words"), [(0, "sold out"), (1, "1 copy is left"), (4, "4 copies are left")]
)
def test_out_of_stock_counts_in_words(left: int, words: str) -> None:
    """The sentence says how many copies are left, in English."""
    assert words in refusal("out_of_stock", stock_seen=left).refusal().detail


@pytest.mark.parametrize(
    "order",
    [
        refusal("out_of_stock", stock_seen=0),
        refusal("out_of_stock"),
        refusal("version_conflict"),
        refusal("price_changed"),
        PENDING.decided(entry(Kind.VOID)),
    ],
)
def test_another_try_needs_another_key(order: Order) -> None:
    """A key that was refused stays refused, so whoever is told to try again is told of that."""
    assert "with a new key" in order.refusal().detail.lower()


def test_a_reason_of_tomorrow_is_internal() -> None:
    """A reason that this version does not know is not told as another one."""
    assert refusal("of_tomorrow").refusal().code == "internal"
