"""Repairing a shop of which a database was lost or restored from an old copy.

The catalog's ledger decides; the orders mirror it. So first the ledger gets back what only
the orders still know, and then every order row is made to agree with the ledger. All of it
can be done again, and on a running shop. What would be done, and what an audit would say then, is
told by ``rehearsal`` beside this.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from servers.domain.errors import InvalidRequest
from servers.domain.ledger import CORRECTION, DECISIONS, REENTERED, Kind
from servers.domain.order import UNFINISHED, State, mirrored
from servers.upkeep.audit import read_books, read_ledger, read_orders
from servers.upkeep.shop_files import RESTORE_OR_GIVE_UP

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from servers.domain.ledger import Entry
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
    ``lost_books`` are those that the catalog has lost and orders tell of, by id with their
    titles: they become tombstones. ``retitled`` are books whose lost sales were told another title
    than they have now, by id with both. ``catalog_lost`` says why the catalog counts as lost.
    """

    sales: int = 0
    refusals: int = 0
    returns: int = 0
    rows: int = 0
    corrections: Mapping[int, int] = field(default_factory=dict)
    lost_books: Mapping[int, str] = field(default_factory=dict)
    retitled: Mapping[int, tuple[str, str]] = field(default_factory=dict)
    catalog_lost: str | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done to make ledger and orders agree.

    ``lost`` are the orders that the ledger has to get back, oldest first, ``sales`` those of them
    that were sold. ``last`` is the ledger's last number before; ``rows`` are all orders as they
    agree with the ledger as it is, ``changed`` how many of them have to change for that.
    ``catalog_lost`` says why the ledger is not one that these orders were decided in.
    """

    last: int
    rows: Mapping[str, Order]
    lost: list[Order]
    sales: list[Order]
    refusals: int
    returns: int
    changed: int
    retitled: Mapping[int, tuple[str, str]]
    catalog_lost: str | None

    def repairs(self, entered: Iterable[Entry]) -> Repairs:
        """Return this as repairs, with the entries that are made of books by it."""
        corrections: dict[int, int] = {}
        lost_books: dict[int, str] = {}
        for entry in entered:
            if entry.kind is Kind.RECEIVED and entry.reason == CORRECTION:
                copies = corrections.get(entry.book_id, 0)
                corrections[entry.book_id] = copies + entry.change
            elif entry.kind is Kind.ADDED and entry.reason == REENTERED:
                lost_books[entry.book_id] = entry.title or ""
        return Repairs(
            sales=len(self.sales),
            refusals=self.refusals,
            returns=self.returns,
            rows=self.changed,
            corrections=corrections,
            lost_books=lost_books,
            retitled=self.retitled,
            catalog_lost=self.catalog_lost,
        )


async def reconcile(shop: OpenShop, *, without_backup: bool = False) -> Repairs:
    """Repair a shop and return what was done.

    Raises `InvalidRequest` where the catalog was lost, unless it is to be given up
    ``without_backup``; and what the protocols raise: what was done until then stays, and is not
    done twice.
    """
    plan = await plan_of(shop)
    if plan.catalog_lost is not None and not without_backup:
        raise catalog_is_lost(plan.catalog_lost)
    for begin in range(0, len(plan.lost), CHUNK_ORDERS):
        await shop.catalog.reenter(plan.lost[begin : begin + CHUNK_ORDERS])
    await _restore(shop)
    # The order server may have told the catalog its old, higher number in between; now it
    # knows better, and the catalog sells again.
    await shop.catalog.reenter([])
    return plan.repairs([entry async for entry in read_ledger(shop.catalog, plan.last)])


def catalog_is_lost(why: str) -> InvalidRequest:
    """Return the refusal to finish the loss of a catalog: what there is, and what to do."""
    return InvalidRequest(f"The catalog was lost: {why}. {RESTORE_OR_GIVE_UP}")


def empty_beside(orders: int) -> str:
    """Return why a catalog counts as lost whose ledger is empty, though orders were decided."""
    were = "order was" if orders == 1 else "orders were"
    return f"its ledger is empty, but {orders} {were} decided"


async def plan_of(shop: OpenShop) -> Plan:
    """Compare all orders with the ledger, which is read after them."""
    last = await shop.catalog.last_number()
    running = shop.up_since_ms is not None
    orders = {order.id: order async for order in read_orders(shop.orders)}
    now = dict(orders)
    decided: set[str] = set()
    returned: set[str] = set()
    changed: set[str] = set()
    async for entry in read_ledger(shop.catalog):
        if entry.order_id is None:
            continue
        (decided if entry.kind in DECISIONS else returned).add(entry.order_id)
        before = now.get(entry.order_id)
        after = mirrored(before, entry)
        if after is not None and after != before:
            now[entry.order_id] = after
            # In a running shop orders are placed and decided meanwhile: no repair of ours.
            under_way = running and before is not None and before.state in UNFINISHED
            if entry.number <= last and not under_way:
                changed.add(entry.order_id)
    final = [order for order in orders.values() if order.final]
    undecided = [order for order in final if order.id not in decided]
    kept = [order for order in final if order.state is State.CANCELLED]
    given_back = [order for order in kept if order.id not in returned]
    lost = {order.id: order for order in (*undecided, *given_back)}
    sales = _oldest_first(order for order in undecided if order.state is not State.REJECTED)
    told = {order.purchase.book_id: order.title or "" for order in sales}
    titles = await _titles(shop.catalog, told)
    catalog_lost = None
    if undecided and last == 0:
        catalog_lost = empty_beside(len(undecided))
    elif sales and len(undecided) == len(final) and not titles.items() & told.items():
        # A copy from before the first order has decided none either, but has the books.
        catalog_lost = (
            f"another one is in its place, which decided none of the orders ({len(final)}) and has "
            f"none of the books that they bought"
        )
    return Plan(
        last=last,
        rows=now,
        lost=_oldest_first(lost.values()),
        sales=sales,
        refusals=len(undecided) - len(sales),
        returns=len(given_back),
        changed=len(changed - lost.keys()),
        retitled={
            book_id: (told[book_id], title)
            for book_id, title in titles.items()
            if title != told[book_id]
        },
        catalog_lost=catalog_lost,
    )


def _oldest_first(orders: Iterable[Order]) -> list[Order]:
    """Return orders as they were decided, so that stock moves as it did then."""
    return sorted(orders, key=lambda order: order.ledger_number or 0)


async def _titles(catalog: Catalog, book_ids: Collection[int]) -> dict[int, str]:
    """Return the titles that books have now, as far as the catalog has these books."""
    if not book_ids:
        return {}
    return {book.id: book.title async for book in read_books(catalog) if book.id in book_ids}


async def _restore(shop: OpenShop) -> None:
    """Make every order row agree with the ledger."""
    after = 0
    while True:
        restored = await shop.orders.restore(after, CHUNK_ENTRIES)
        if restored.last_number == 0:
            return
        after = restored.last_number
