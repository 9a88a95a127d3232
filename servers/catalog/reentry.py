"""Finding out that the ledger lost what the orders still know, and entering that again.

Entering is for `reconcile` alone, after the catalog was restored from an old copy. What is
entered is said by the rule, `servers.domain.reentry.reentered`; here it meets the database.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from servers.catalog import selling, store
from servers.domain.errors import LedgerBehind
from servers.domain.ledger import Kind
from servers.domain.order import State
from servers.domain.reentry import reentered

if TYPE_CHECKING:
    from servers.domain.ledger import Entry
    from servers.domain.order import Order
    from servers.domain.sale import Seen
    from servers.storage.database import Transaction


async def lacking(tx: Transaction, seen: Seen) -> LedgerBehind | None:
    """Return, as an error, what the orders know of and the ledger lacks; None if that is nothing.

    A ledger that was restored from an old copy may have grown past the number again, where staff
    were quicker than the order server's first word; then another entry stands there.
    """
    # The end of the ledger is asked for last, as every unit that appends would change the answer.
    if seen.number == 0 or await store.has_entry(tx, seen.number, seen.order_id):
        return None
    last = await store.last_number(tx)
    if last == 0:
        detail = (
            f"the ledger is empty, but the orders know of {seen.number}: the catalog was lost. "
            f"Nothing is changed until its backup was put back: see `bookstore reconcile`"
        )
        return LedgerBehind(detail, last=last)
    if last < seen.number:
        what = f"the ledger ends at {last}, but the orders know of {seen.number}"
    elif seen.order_id is not None:
        what = f"entry {seen.number} of the ledger is not the one that the orders know"
    else:
        return None
    detail = (
        f"{what}: an old backup was restored. Nothing is changed until `bookstore reconcile` "
        f"has run"
    )
    return LedgerBehind(detail, last=last)


async def reenter(tx: Transaction, order: Order, at_ms: int) -> Entry:
    """Enter what is missing of a decided order; return the entry that decides it.

    That is the sale or the refusal, and the return where the order is cancelled. Nothing is
    entered twice: the ledger is asked first.
    """
    entry = await store.decision(tx, order.id)
    if entry is None:
        entry = await _decide_again(tx, order, at_ms)
    sold = entry.kind is Kind.SOLD and entry.fingerprint == order.purchase.fingerprint
    if sold and order.state is State.CANCELLED:
        await selling.take_back(tx, order.purchase, at_ms)
    return entry


async def _decide_again(tx: Transaction, order: Order, at_ms: int) -> Entry:
    """Enter again what decides an order, as the rule says; return that entry."""
    before = await store.book(tx, order.purchase.book_id)
    again = reentered(order, before, at_ms)
    if again.book is not None and before is None:
        await store.insert_tombstone(tx, again.book)
    elif again.book is not None and before is not None and again.book.version != before.version:
        await selling.move_stock(tx, [(before, again.book)])
    return (await store.append_all(tx, again.entries))[-1]
