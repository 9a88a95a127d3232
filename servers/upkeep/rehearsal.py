"""What a repair would do, and what an audit would find after it; nothing is changed.

The entries that a repair would make are made by the same rule (`servers.domain.reentry`), but
only added up with those that are in the ledger. Repairing lives in ``reconcile`` beside this.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from servers.domain.accounts import Accounts
from servers.domain.invariants import Up, examine
from servers.domain.ledger import Kind, entry_of_return
from servers.domain.order import State, mirrored
from servers.domain.reentry import reentered
from servers.upkeep.audit import LOOK_AGAIN_AFTER_S, read_books, read_ledger, seen_twice
from servers.upkeep.reconcile import plan_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from servers.domain.book import Book
    from servers.domain.invariants import Findings
    from servers.domain.ledger import Entry
    from servers.domain.order import Order
    from servers.upkeep.audit import OpenShop
    from servers.upkeep.reconcile import Plan, Repairs


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What would be repaired, and what an audit would find then."""

    repairs: Repairs
    findings: Findings


async def rehearse(shop: OpenShop, *, look_again_after_s: float = LOOK_AGAIN_AFTER_S) -> Rehearsal:
    """Return what `reconcile` would do with a shop. Raises what the protocols raise."""
    repairs: list[Repairs] = []

    async def look() -> Findings:
        found, findings = await _foreseen(shop)
        repairs.append(found)
        return findings

    findings = await seen_twice(shop, look, look_again_after_s)
    return Rehearsal(repairs[-1], findings)


async def _foreseen(shop: OpenShop) -> tuple[Repairs, Findings]:
    plan = await plan_of(shop)
    books = {book.id: book async for book in read_books(shop.catalog)}
    # What is entered again follows all that is there, so then everything has to agree with it.
    accounts = Accounts(settled=sys.maxsize if plan.lost else plan.last)
    number = plan.last
    async for entry in read_ledger(shop.catalog):
        accounts.take(entry)
        number = entry.number
    rows = dict(plan.rows)
    entered: list[Entry] = []
    for entry in _entered(plan, books, accounts, shop.clock.now_ms()):
        number += 1
        numbered = replace(entry, number=number)
        entered.append(numbered)
        accounts.take(numbered)
        _mirror(rows, numbered)
    in_order = [books[book_id] for book_id in sorted(books)]
    up = None if shop.up_since_ms is None else Up(shop.clock.now_ms(), shop.up_since_ms)
    return plan.repairs(entered), examine(in_order, rows.values(), accounts, up)


def _entered(plan: Plan, books: dict[int, Book], accounts: Accounts, at_ms: int) -> Iterator[Entry]:
    """Yield what would be entered again, and put each book as that leaves it into ``books``."""
    for order in plan.lost:
        purchase = order.purchase
        account = accounts.orders.get(order.id)
        decision = None if account is None else account.decision
        if decision is None:
            again = reentered(order, books.get(purchase.book_id), at_ms)
            if again.book is not None:
                books[again.book.id] = again.book
            yield from again.entries
            decision = again.entries[-1]
        bought = decision.kind is Kind.SOLD and decision.fingerprint == purchase.fingerprint
        before = books.get(decision.book_id)
        if bought and order.state is State.CANCELLED and before is not None:
            after = books[before.id] = before.returned(purchase.quantity, at_ms)
            yield entry_of_return(purchase, decision, before, after)


def _mirror(rows: dict[str, Order], entry: Entry) -> None:
    """Make the row of an entry's order agree with it."""
    if entry.order_id is None:
        return
    row = mirrored(rows.get(entry.order_id), entry)
    if row is not None:
        rows[entry.order_id] = row
