"""Repairing a shop of which a database was lost or restored from an old copy.

The catalog's ledger decides; the orders mirror it. So first the ledger gets back what only
the orders still know, and then every order row is made to agree with the ledger. All of it
can be done again, and on a running shop.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from servers.domain.ledger import CORRECTION, DECISIONS, Kind
from servers.domain.order import State, mirrored
from servers.upkeep.audit import read_books, read_ledger, read_orders

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from servers.domain.order import Order
    from servers.domain.protocols import Catalog
    from servers.upkeep.audit import OpenShop

CHUNK_ORDERS = 200
"""How many orders are entered again in one transaction; as many fit into one call."""

CHUNK_ENTRIES = 1000


@dataclass(frozen=True, slots=True)
class Repairs:
    """What was repaired, or would be: entries of the ledger, and rows of orders.

    A row that only gets the new number of an entry which was entered again is not counted.
    ``corrections`` are the copies received, by book, so that no stock goes below zero.
    """

    sales: int = 0
    refusals: int = 0
    returns: int = 0
    rows: int = 0
    corrections: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Plan:
    """The orders with something missing in the ledger, oldest first, and what it is."""

    lost: list[Order]
    sales: list[Order]
    refusals: int
    returns: int
    rows: int


async def reconcile(shop: OpenShop, *, dry_run: bool = False) -> Repairs:
    """Repair a shop and return what was done; with ``dry_run`` change nothing.

    Raises what the protocols raise; what was done until then stays, and is not done twice.
    """
    last = await shop.catalog.last_number()
    plan = await _plan(shop, last)
    if dry_run:
        corrections = await _would_correct(shop.catalog, plan)
        return Repairs(len(plan.sales), plan.refusals, plan.returns, plan.rows, corrections)
    for begin in range(0, len(plan.lost), CHUNK_ORDERS):
        await shop.catalog.reenter(plan.lost[begin : begin + CHUNK_ORDERS])
    await _restore(shop)
    # The order server may have told the catalog its old, higher number in between; now it
    # knows better, and the catalog sells again.
    await shop.catalog.reenter([])
    corrections = await _corrected(shop.catalog, last)
    return Repairs(len(plan.sales), plan.refusals, plan.returns, plan.rows, corrections)


async def _plan(shop: OpenShop, last: int) -> _Plan:
    """Compare all orders with the ledger, which is read after them, as far as ``last``."""
    orders = {order.id: order async for order in read_orders(shop.orders)}
    now = dict(orders)
    decided: set[str] = set()
    returned: set[str] = set()
    changed: set[str] = set()
    async for entry in read_ledger(shop.catalog):
        if entry.order_id is None:
            continue
        (decided if entry.kind in DECISIONS else returned).add(entry.order_id)
        after = mirrored(now.get(entry.order_id), entry)
        if after is not None and after != now.get(entry.order_id):
            now[entry.order_id] = after
            # In a running shop orders are placed and decided meanwhile: no repair of ours.
            if entry.number <= last:
                changed.add(entry.order_id)
    final = [order for order in orders.values() if order.final]
    undecided = [order for order in final if order.id not in decided]
    kept = [order for order in final if order.state is State.CANCELLED]
    given_back = [order for order in kept if order.id not in returned]
    lost = {order.id: order for order in (*undecided, *given_back)}
    refusals = sum(order.state is State.REJECTED for order in undecided)
    return _Plan(
        lost=_oldest_first(lost.values()),
        sales=_oldest_first(order for order in undecided if order.state is not State.REJECTED),
        refusals=refusals,
        returns=len(given_back),
        rows=len(changed - lost.keys()),
    )


def _oldest_first(orders: Iterable[Order]) -> list[Order]:
    """Return orders as they were decided, so that stock moves as it did then."""
    return sorted(orders, key=lambda order: order.ledger_number or 0)


async def _restore(shop: OpenShop) -> None:
    """Make every order row agree with the ledger."""
    after = 0
    while True:
        restored = await shop.orders.restore(after, CHUNK_ENTRIES)
        if restored.last_number == 0:
            return
        after = restored.last_number


async def _corrected(catalog: Catalog, after: int) -> dict[int, int]:
    """Return the corrections entered after a number: copies, by book."""
    copies: dict[int, int] = {}
    async for entry in read_ledger(catalog, after):
        if entry.kind is Kind.RECEIVED and entry.reason == CORRECTION:
            copies[entry.book_id] = copies.get(entry.book_id, 0) + entry.change
    return copies


async def _would_correct(catalog: Catalog, plan: _Plan) -> dict[int, int]:
    """Return the corrections that entering all this again would need."""
    stock = {book.id: book.stock async for book in read_books(catalog)}
    copies: dict[int, int] = {}
    sold = {order.id for order in plan.sales}
    for order in plan.lost:
        book_id, quantity = order.purchase.book_id, order.purchase.quantity
        left = stock.get(book_id, 0)
        if order.id in sold:
            short = max(quantity - left, 0)
            if short:
                copies[book_id] = copies.get(book_id, 0) + short
            left += short - quantity
        if order.state is State.CANCELLED:
            left += quantity
        stock[book_id] = left
    return copies
