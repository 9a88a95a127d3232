"""Whatever happens between order and catalog, an order is sold once or not at all."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from servers.domain.errors import Unavailable
from servers.domain.order import State
from servers.domain.protocols import OrderPage, Placement
from servers.domain.sale import Seen
from servers.order.resolver import Resolver
from servers.order.service import OrderService, Timing
from tests.order.unreliable import Fault
from tests.support.services import PATIENCE_S, add_book, purchase, stock_of, wait_until

if TYPE_CHECKING:
    from servers.domain.order import Order
    from servers.domain.sale import Purchase
    from tests.order.conftest import OpenOrders
    from tests.order.unreliable import UnreliableCatalog


async def place(orders: OrderService, asked: Purchase, patience_s: float = PATIENCE_S) -> Placement:
    """Place one purchase, which must not be an error."""
    (answer,) = await orders.place([asked], patience_s)
    assert isinstance(answer, Placement), answer
    return answer


@pytest.mark.parametrize(
    "faults",
    [
        [Fault.REFUSED],
        [Fault.REQUEST_LOST],
        [Fault.REPLY_LOST],
        [Fault.BUG],
        [Fault.STALE],
        [Fault.STALE] * 6,
        [Fault.REPLY_LOST, Fault.REQUEST_LOST, Fault.REPLY_LOST],
        [Fault.STALE, Fault.REFUSED, Fault.REPLY_LOST, Fault.STALE],
    ],
    ids=lambda faults: "+".join(fault.name for fault in faults),
)
async def test_a_failed_call_is_made_again(
    orders: OrderService, catalog: UnreliableCatalog, faults: list[Fault]
) -> None:
    """A call that brought no answer is made again under the same id, and sells once."""
    book_id = await add_book(catalog, stock=10)
    catalog.faults.extend(faults)
    placement = await place(orders, purchase(book_id, quantity=3))
    assert placement.order.state is State.CONFIRMED
    assert await stock_of(catalog, book_id) == 7
    assert not catalog.faults
    assert len(await catalog.sale(placement.order.id)) == 1


@pytest.mark.parametrize("fault", [Fault.REFUSED, Fault.REQUEST_LOST, Fault.REPLY_LOST, Fault.BUG])
async def test_an_order_never_fails_for_want_of_an_answer(
    orders: OrderService, catalog: UnreliableCatalog, fault: Fault
) -> None:
    """While the catalog gives no answer the order is pending, and later it has its end."""
    book_id = await add_book(catalog, stock=10)
    catalog.always = fault
    asked = purchase(book_id)
    pending = await place(orders, asked, patience_s=0.05)
    assert (pending.order.state, pending.replayed) == (State.PENDING, False)
    assert (await orders.order(asked.order_id)).state is State.PENDING
    catalog.always = Fault.NONE
    decided = await place(orders, asked)
    assert (decided.order.state, decided.replayed) == (State.CONFIRMED, False)
    assert await stock_of(catalog, book_id) == 9


async def test_a_late_answer_counts(orders: OrderService, catalog: UnreliableCatalog) -> None:
    """A customer who does not wait finds the order decided once the answer has come."""
    catalog.faults.append(Fault.LATE)
    asked = purchase(await add_book(catalog))
    assert (await place(orders, asked, patience_s=0.01)).order.state is State.PENDING
    waiting = asyncio.ensure_future(place(orders, asked))
    catalog.release.set()
    assert (await waiting).order.state is State.CONFIRMED
    assert catalog.calls == ["sell"]


async def test_purchases_of_one_book_are_gathered(
    orders: OrderService, catalog: UnreliableCatalog
) -> None:
    """What comes while a sale of the book is away goes out as one sale, with a version each."""
    book_id = await add_book(catalog, stock=50)
    catalog.faults.append(Fault.LATE)
    first = asyncio.ensure_future(place(orders, purchase(book_id)))
    await wait_until(lambda: catalog.calls, "the first sale is away")
    others = [asyncio.ensure_future(place(orders, purchase(book_id))) for _ in range(20)]
    await wait_until(lambda: orders.seller.under_way == 21, "all are waiting")
    catalog.release.set()
    placed = [placement.order for placement in await asyncio.gather(first, *others)]
    assert sorted(order.version_after or 0 for order in placed) == [*range(2, 23)]
    assert catalog.calls == ["sell", "sell"]


async def test_a_storm_of_edits(orders: OrderService, catalog: UnreliableCatalog) -> None:
    """A book that changes before every call is sold as soon as it holds still."""
    book_id = await add_book(catalog, stock=10)
    catalog.always = Fault.STALE
    asked = purchase(book_id)
    waiting = asyncio.ensure_future(place(orders, asked))
    await wait_until(lambda: len(catalog.calls) >= 5, "the sale is tried again and again")
    catalog.always = Fault.NONE
    assert (await waiting).order.state is State.CONFIRMED
    assert await stock_of(catalog, book_id) == 9


async def test_an_endless_storm(orders: OrderService, catalog: UnreliableCatalog) -> None:
    """A book that never holds still leaves its order pending after a bounded number of tries."""
    asked = purchase(await add_book(catalog))
    catalog.always = Fault.STALE
    assert (await place(orders, asked)).order.state is State.PENDING
    assert len(catalog.calls) <= 30
    assert orders.seller.under_way == 0


async def test_joined_by_many(orders: OrderService, catalog: UnreliableCatalog) -> None:
    """Whoever asks for an order that is under way joins it; exactly one is told first."""
    catalog.faults.extend([Fault.REPLY_LOST, Fault.REFUSED, Fault.REPLY_LOST])
    asked = purchase(await add_book(catalog, stock=10))
    answers = await asyncio.gather(*[place(orders, asked) for _ in range(16)])
    assert sum(not placement.replayed for placement in answers) == 1
    assert {placement.order.state for placement in answers} == {State.CONFIRMED}
    assert await stock_of(catalog, asked.book_id) == 9


async def test_a_catalog_that_is_known_to_be_down(
    orders: OrderService, catalog: UnreliableCatalog
) -> None:
    """New purchases are refused without a trace; those that are known go on and are replayed."""
    book_id = await add_book(catalog, stock=10)
    known, under_way = purchase(book_id), purchase(book_id)
    await place(orders, known)
    catalog.always = Fault.REFUSED
    await place(orders, under_way, patience_s=0.01)
    wrong = OrderService(
        orders._database,
        catalog,
        orders._clock,
        orders.seller._random,
        Timing(),
        catalog_wrong=lambda: "the catalog is down",
    )
    new = purchase(book_id)
    refused, replayed, joined = await wrong.place([new, known, under_way], 0.01)
    assert isinstance(refused, Unavailable)
    assert "the catalog is down" in refused.detail
    assert isinstance(replayed, Placement)
    assert replayed.replayed
    assert isinstance(joined, Placement)
    assert joined.order.state is State.PENDING
    assert [order.id for order, _ in await orders.unfinished(10)] == [under_way.order_id]
    assert {order.id for order in await _all(orders)} == {known.order_id, under_way.order_id}


async def test_the_database_of_orders_refuses(
    open_orders: OpenOrders, catalog: UnreliableCatalog
) -> None:
    """Where no order can be written nothing is bought, and the answer says so."""
    book_id = await add_book(catalog, stock=10)
    async with open_orders() as orders:
        await orders._database.close()
        (answer,) = await orders.place([purchase(book_id)], PATIENCE_S)
    assert isinstance(answer, Unavailable)
    assert await stock_of(catalog, book_id) == 10
    assert catalog.calls == []


async def test_a_decision_that_cannot_be_written(
    open_orders: OpenOrders, catalog: UnreliableCatalog
) -> None:
    """Sold but not yet written, the order is answered as pending; the next start finishes it."""
    book_id = await add_book(catalog, stock=10)
    asked = purchase(book_id)
    catalog.faults.append(Fault.LATE)
    async with open_orders() as orders:
        waiting = asyncio.ensure_future(place(orders, asked))
        await wait_until(lambda: catalog.calls, "the sale is away")
        await orders._database.close()
        catalog.release.set()
        assert (await waiting).order.state is State.PENDING
        assert orders.seller.under_way == 0
    assert len(await catalog.sale(asked.order_id)) == 1
    async with open_orders(resolve_after_s=0.0) as orders:
        assert (await orders.order(asked.order_id)).state is State.PENDING
        assert await Resolver(orders).step() == (1, 1)
        assert (await orders.order(asked.order_id)).state is State.CONFIRMED
    assert await stock_of(catalog, book_id) == 9


async def test_a_reused_key_that_cannot_be_forgotten(
    open_orders: OpenOrders, catalog: UnreliableCatalog
) -> None:
    """A failing disk strands nobody: the order stays pending and nothing drives it any more."""
    asked = purchase(await add_book(catalog), quantity=2)
    await catalog.void(purchase(asked.book_id, order_id=asked.order_id), Seen())
    catalog.faults.append(Fault.LATE)
    async with open_orders() as orders:
        waiting = asyncio.ensure_future(place(orders, asked))
        await wait_until(lambda: len(catalog.calls) > 1, "the sale is away")
        await orders._database.close()
        catalog.release.set()
        assert (await waiting).order.state is State.PENDING
        assert orders.seller.under_way == 0


async def _all(orders: OrderService) -> list[Order]:
    return await orders.orders(OrderPage())
