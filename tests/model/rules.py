"""The invariants in the end of a small world: the audit's own rules, and what customers heard.

Lives here: how the model's book, ledger and orders look to the audit. What must hold between
them stands in ``servers.domain.invariants`` alone.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from servers.domain import book as real_book
from servers.domain import ledger as real_ledger
from servers.domain.accounts import Accounts, Violation
from servers.domain.invariants import LONGEST_UNFINISHED_S, Up, examine
from servers.domain.order import Order, State, placed
from servers.domain.sale import Purchase

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.model.world import Book, Entry, Row, World

_PRICE_MINOR = 1000
_LATER = Up(now_ms=(LONGEST_UNFINISHED_S + 1) * 1000, since_ms=0)
"""The world has ended: what is unfinished now has been so for too long."""


def broken(world: World) -> list[Violation]:
    """Return what is wrong with a world that has come to its end."""
    accounts = Accounts(settled=len(world.ledger))
    entries = [_entry(world, each) for each in world.ledger]
    for entry in entries:
        accounts.take(entry)
    rows = [(number, row) for number, row in enumerate(world.rows) if row is not None]
    orders = [_order(world, number, row) for number, row in rows]
    found = examine([_book(world.book)], orders, accounts, _LATER).violations
    return [*found, *_said(world)]


def _said(world: World) -> Iterator[Violation]:
    for number, told in enumerate(world.told):
        subject = f"order {number}"
        if isinstance(told, str):
            yield Violation("I11", subject, f"its customers were told {told}")
        elif told is not None and told not in world.ledger:
            invariant = "I6" if told.kind == "sold" else "I7"
            yield Violation(invariant, subject, f"told was {told}, which the ledger has not")


def _book(book: Book) -> real_book.Book:
    return real_book.Book(
        id=1,
        title="A book",
        authors=("Somebody",),
        isbn=None,
        topics=(),
        price_minor=_PRICE_MINOR,
        stock=book.stock,
        version=book.version,
        updated_at_ms=0,
        deleted=book.deleted,
    )


def _entry(world: World, entry: Entry) -> real_ledger.Entry:
    kind = real_ledger.Kind(entry.kind)
    made = real_ledger.Entry(
        number=entry.number,
        kind=kind,
        book_id=1,
        at_ms=0,
        change=entry.change,
        title="A book",
        unit_price_minor=_PRICE_MINOR,
    )
    if kind in real_ledger.CHANGES:
        made = replace(made, version_after=entry.book.version, stock_after=entry.book.stock)
    if entry.order is None:
        return made
    row = world.rows[entry.order]
    quantity = abs(entry.change) or (row.quantity if row is not None else 1)
    asked = _purchase(entry.order, quantity)
    return replace(
        made, order_id=asked.order_id, fingerprint=asked.fingerprint, quantity=asked.quantity
    )


def _order(world: World, number: int, row: Row) -> Order:
    order = placed(_purchase(number, row.quantity), 0)
    if row.entry is not None:
        order = order.decided(_entry(world, row.entry))
    returned = row.returned.number if row.returned is not None else None
    return replace(order, state=State(row.state), return_number=returned)


def _purchase(number: int, quantity: int) -> Purchase:
    return Purchase(f"{number:032x}", 1, quantity)
