"""Auditing a shop: reads books, orders and ledger through the protocols and compares them.

Works on a running shop as on a stopped one. Nothing is locked: the number of the last ledger
entry is noted first, so that what happens while the audit reads is known from it. What is
wrong is in ``servers.domain.invariants``.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from servers.domain.accounts import Accounts
from servers.domain.errors import OutcomeUnknown
from servers.domain.invariants import Up, examine
from servers.domain.protocols import OrderPage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from servers.domain.book import Book
    from servers.domain.invariants import Findings
    from servers.domain.ledger import Entry
    from servers.domain.order import Order
    from servers.domain.protocols import Catalog, Clock, Orders

T = TypeVar("T")
K = TypeVar("K")

PAGE_ITEMS = 1000
"""How much is asked for at once; less, where an answer of that length does not arrive."""

LOOK_AGAIN_AFTER_S = 2.0
"""What seems wrong in a running shop is looked at again after this, and told if it still is."""


@dataclass(frozen=True, slots=True)
class OpenShop:
    """A shop as its keepers reach it; ``up_since_ms`` is None where its servers do not run."""

    catalog: Catalog
    orders: Orders
    clock: Clock
    up_since_ms: int | None = None


async def audit(shop: OpenShop, *, look_again_after_s: float = LOOK_AGAIN_AFTER_S) -> Findings:
    """Return what an audit finds. Raises what the protocols raise, such as `Unavailable`."""
    return await seen_twice(shop, lambda: _look(shop), look_again_after_s)


async def seen_twice(
    shop: OpenShop, look: Callable[[], Awaitable[Findings]], after_s: float
) -> Findings:
    """Look, and in a running shop look again at what seems wrong; keep what then still does."""
    findings = await look()
    if not findings.violations or shop.up_since_ms is None:
        return findings
    suspects = {(each.invariant, each.subject) for each in findings.violations}
    await asyncio.sleep(after_s)
    findings = await look()
    still = [each for each in findings.violations if (each.invariant, each.subject) in suspects]
    return replace(findings, violations=still)


async def read_books(catalog: Catalog) -> AsyncIterator[Book]:
    """Yield all books and tombstones, by id."""

    async def page(after: int, limit: int) -> list[Book]:
        return await catalog.shelf(after, limit, tombstones=True)

    async for book in _all(page, 0, lambda book: book.id):
        yield book


async def read_orders(orders: Orders) -> AsyncIterator[Order]:
    """Yield all orders, newest first."""

    async def page(before: str | None, limit: int) -> list[Order]:
        return await orders.orders(OrderPage(before_id=before, limit=limit))

    async for order in _all(page, None, lambda order: order.id):
        yield order


async def read_ledger(catalog: Catalog, after: int = 0) -> AsyncIterator[Entry]:
    """Yield all entries numbered above ``after``, oldest first."""
    async for entry in _all(catalog.ledger, after, lambda entry: entry.number):
        yield entry


async def _look(shop: OpenShop) -> Findings:
    """Look at everything once.

    The order of reading is what makes it right without a lock: an order that is decided, or a
    book at some version, has its entry in a ledger that is read after it; and whatever the
    ledger held at the start shows in orders and books that are read later.
    """
    accounts = Accounts(settled=await shop.catalog.last_number())
    orders = [order async for order in read_orders(shop.orders)]
    books = [book async for book in read_books(shop.catalog)]
    async for entry in read_ledger(shop.catalog):
        accounts.take(entry)
    up = None if shop.up_since_ms is None else Up(shop.clock.now_ms(), shop.up_since_ms)
    return examine(books, orders, accounts, up)


async def _all(
    page: Callable[[K, int], Awaitable[list[T]]], start: K, key: Callable[[T], K]
) -> AsyncIterator[T]:
    """Yield everything, page by page, each beginning after the last of the one before.

    While a page is looked at, the next is on its way.
    """
    found, limit = await _page(page, start, PAGE_ITEMS)
    while len(found) == limit:
        coming = asyncio.ensure_future(_page(page, key(found[-1]), limit))
        try:
            # Once a page, so that what was asked for is sent before this one is looked at.
            await asyncio.sleep(0)
            for item in found:
                yield item
            found, limit = await coming
        finally:
            coming.cancel()
    for item in found:
        yield item


async def _page(
    page: Callable[[K, int], Awaitable[list[T]]], after: K, limit: int
) -> tuple[list[T], int]:
    """Return a page and how long it could be, which is less where that does not arrive."""
    while True:
        try:
            return await page(after, limit), limit
        except OutcomeUnknown:
            # Titles can be long: fewer may arrive in time, and within what an answer holds.
            limit //= 4
            if limit == 0:
                raise
