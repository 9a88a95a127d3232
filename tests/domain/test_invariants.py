"""The invariants, on ledgers of a few entries: what holds, what does not, what is exempt."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servers.domain.accounts import Accounts
from servers.domain.book import Book, Restock
from servers.domain.invariants import LONGEST_UNFINISHED_S, Findings, Totals, Up, examine
from servers.domain.ledger import REENTERED, Entry, Kind
from servers.domain.order import Order, State, placed
from servers.domain.sale import Purchase

if TYPE_CHECKING:
    from collections.abc import Sequence

EVERYTHING = 2**63 - 1
A = Purchase("a" * 32, 1, 2)
B = Purchase("b" * 32, 1)
BOOK = Book(1, "A test book", ("Somebody",), None, (), 1000, 5, 1, 0)


def entry(number: int, kind: Kind, book: Book, change: int, of: Purchase | None = None) -> Entry:
    """Return the entry that a change of a book makes, ``book`` being what it leaves."""
    asked: dict[str, Any] = {}
    if of is not None:
        asked = {"order_id": of.order_id, "fingerprint": of.fingerprint, "quantity": of.quantity}
    return Entry(
        number=number,
        kind=kind,
        book_id=book.id,
        at_ms=number,
        change=change,
        version_after=book.version,
        stock_after=book.stock,
        title=book.title,
        unit_price_minor=book.price_minor,
        **asked,
    )


def refusal(number: int, of: Purchase) -> Entry:
    """Return the entry that refuses a purchase."""
    return Entry(
        number=number,
        kind=Kind.REFUSED,
        book_id=of.book_id,
        at_ms=number,
        order_id=of.order_id,
        fingerprint=of.fingerprint,
        quantity=of.quantity,
        reason="out_of_stock",
    )


SOLD = BOOK.sold(2, 0)
LEDGER = (
    entry(1, Kind.ADDED, BOOK, 5),
    entry(2, Kind.SOLD, SOLD, -2, A),
    refusal(3, B),
)
ORDERS = (placed(A, 0).decided(LEDGER[1]), placed(B, 0).decided(LEDGER[2]))
RETURNED = entry(4, Kind.RETURNED, SOLD.returned(2, 0), 2, A)


def examined(
    books: Sequence[Book] = (SOLD,),
    ledger: Sequence[Entry] = LEDGER,
    orders: Sequence[Order] = ORDERS,
    settled: int = EVERYTHING,
    up: Up | None = None,
) -> Findings:
    """Examine a shop, whole but for what is given."""
    accounts = Accounts(settled)
    for each in ledger:
        accounts.take(each)
    return examine(books, orders, accounts, up)


def broken(**shop: Any) -> set[str]:
    """Return the invariants that do not hold."""
    return {each.invariant for each in examined(**shop).violations}


def test_a_right_shop_has_no_violation() -> None:
    """Books, ledger and orders that agree are found to agree, and are added up."""
    findings = examined()
    assert findings.violations == []
    assert findings.totals == Totals(received=5, returned=0, sold=2, left=3)
    assert findings.states == {State.CONFIRMED: 1, State.REJECTED: 1}


@pytest.mark.parametrize(
    ("shop", "invariants"),
    [
        ({"books": (replace(SOLD, stock=4),)}, {"I2"}),
        ({"books": (replace(SOLD, version=3),)}, {"I8"}),
        ({"books": (replace(SOLD, version=3, stock=-1),)}, {"I1", "I2", "I8"}),
        ({"books": (replace(SOLD, deleted=True),)}, {"I10"}),
        ({"books": ()}, {"I13"}),
        ({"books": (SOLD, replace(SOLD, id=2))}, {"I13"}),
        ({"books": (SOLD, SOLD)}, {"I13"}),
        ({"ledger": (*LEDGER[:2], refusal(2, B))}, {"I7", "I8", "I11"}),
        (
            # Orders that name other entries than those that decided them.
            {"ledger": (LEDGER[0], replace(LEDGER[1], number=9), replace(LEDGER[2], number=10))},
            {"I3", "I7"},
        ),
        ({"orders": ORDERS[:1]}, {"I7"}),
        ({"orders": ORDERS[1:]}, {"I3", "I14"}),
        ({"orders": (*ORDERS, ORDERS[1])}, {"I3"}),
        ({"orders": (ORDERS[0], replace(ORDERS[1], state=State.CONFIRMED))}, {"I3"}),
        ({"orders": (replace(ORDERS[0], state=State.REJECTED), ORDERS[1])}, {"I4", "I14"}),
        ({"orders": (replace(ORDERS[0], unit_price_minor=1), ORDERS[1])}, {"I3", "I14"}),
        ({"orders": (replace(ORDERS[0], stock_after=1), ORDERS[1])}, {"I11"}),
        ({"ledger": LEDGER[:2]}, {"I7"}),
    ],
)
def test_what_is_wrong_is_named(shop: dict[str, Any], invariants: set[str]) -> None:
    """Each fault breaks the invariants that forbid it, and no others."""
    assert broken(**shop) == invariants


def test_a_returned_order_owes_nothing() -> None:
    """A cancelled order and its return add up; without its return it does not."""
    books = (SOLD.returned(2, 0),)
    cancelled = replace(ORDERS[0], state=State.CANCELLED, return_number=4)
    assert broken(books=books, ledger=(*LEDGER, RETURNED), orders=(cancelled, ORDERS[1])) == set()
    assert "I3" in broken(orders=(cancelled, ORDERS[1]))
    assert "I3" in broken(books=books, ledger=(*LEDGER, RETURNED))
    cancelling = replace(ORDERS[0], state=State.CANCELLING)
    assert broken(orders=(cancelling, ORDERS[1])) == set()
    assert broken(books=books, ledger=(*LEDGER, RETURNED), orders=(cancelling, ORDERS[1])) == set()


def test_copies_come_back_once_and_only_what_was_sold() -> None:
    """A second return, and one of other copies than were sold, are found."""
    again = replace(RETURNED, number=5, version_after=4, stock_after=7)
    assert "I3" in broken(ledger=(*LEDGER, RETURNED, again))
    assert "I3" in broken(ledger=(*LEDGER, replace(RETURNED, quantity=1)))
    assert "I3" in broken(ledger=(LEDGER[0], RETURNED))


def test_nothing_is_sold_after_a_delete_but_by_a_repair() -> None:
    """A sale after the deleted entry breaks I10, unless it is one that was entered again."""
    gone = BOOK.as_tombstone(0)
    after = gone.sold(2, 0)
    sold = entry(3, Kind.SOLD, after, -2, A)
    ledger = (LEDGER[0], entry(2, Kind.DELETED, gone, 0), sold)
    order = placed(A, 0).decided(sold)
    assert broken(books=(after,), ledger=ledger, orders=(order,)) == {"I10"}
    again = replace(sold, reason=REENTERED)
    assert broken(books=(after,), ledger=(*ledger[:2], again), orders=(order,)) == set()


def test_what_came_after_the_audit_began_is_exempt() -> None:
    """Books and orders may be seen before or after what happens while they are read."""
    later = (*LEDGER, RETURNED)
    back = SOLD.returned(2, 0)
    cancelled = replace(ORDERS[0], state=State.CANCELLED, return_number=4)
    pending = placed(A, 0)
    for book in (BOOK, SOLD, back):
        for order in (pending, ORDERS[0], cancelled):
            assert broken(books=(book,), ledger=later, orders=(order,), settled=1) == set()
    assert broken(books=(), ledger=later, orders=(), settled=0) == set()
    assert "I8" in broken(books=(BOOK,), ledger=later, orders=(cancelled, ORDERS[1]), settled=3)
    assert "I3" in broken(books=(back,), ledger=later, orders=ORDERS, settled=4)


def test_an_order_may_not_stay_unfinished() -> None:
    """Pending or cancelling for more than 75 s breaks I5, counted since all servers are up."""
    now_ms = (LONGEST_UNFINISHED_S + 1) * 1000
    cancelling = replace(ORDERS[0], state=State.CANCELLING, cancelling_at_ms=1)
    for order in (placed(A, 0), cancelling):
        orders = (order, ORDERS[1])
        assert broken(orders=orders, up=Up(now_ms, 0)) == {"I5"}
        assert broken(orders=orders, up=Up(now_ms - 1000, 0)) == set()
        assert broken(orders=orders, up=Up(now_ms, since_ms=now_ms)) == set()
        assert broken(orders=orders) == set()
    assert examined(orders=(placed(A, 0), ORDERS[1])).unfinished == 1


@given(st.lists(st.sampled_from(["sell", "restock", "count"]), max_size=30), st.integers(0, 40))
def test_any_history_is_right_whenever_it_is_read(steps: list[str], settled: int) -> None:
    """However a book moved and whenever it was seen after ``settled``, nothing is wrong."""
    book, ledger, orders, seen = BOOK, [LEDGER[0]], list[Order](), [BOOK]
    for number, step in enumerate(steps, start=2):
        before = book
        if step == "sell" and book.stock:
            purchase = Purchase(f"{number:032x}", 1)
            book = book.sold(1, number)
            ledger.append(entry(number, Kind.SOLD, book, -1, purchase))
            orders.append(placed(purchase, 0).decided(ledger[-1]))
        else:
            restock = Restock("r", change=2) if step != "count" else Restock("r", count=3)
            book = book.restocked(restock, number)
            ledger.append(entry(number, Kind.RECEIVED, book, book.stock - before.stock))
        seen.append(book)
    for view in seen[min(settled, len(seen)) - 1 if settled else 0 :]:
        findings = examined((view,), ledger, orders, settled)
        assert findings.violations == []
        totals = findings.totals
        assert totals.received + totals.returned == totals.sold + totals.left
