"""What nobody waits for any more is driven on: pending orders sold or voided, copies returned."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from servers.domain.errors import OrderNotFound, Unavailable
from servers.domain.ledger import Kind
from servers.domain.order import State, placed
from servers.domain.protocols import Placement
from servers.domain.sale import Seen
from servers.order.resolver import Resolver
from tests.order.unreliable import Fault
from tests.support.services import PATIENCE_S, add_book, batch_of, purchase, stock_of, wait_until

if TYPE_CHECKING:
    from servers.domain.order import Order
    from servers.domain.sale import Purchase
    from servers.order.service import OrderService
    from tests.order.conftest import OpenOrders
    from tests.order.unreliable import UnreliableCatalog


async def place(orders: OrderService, asked: Purchase, patience_s: float = 0.0) -> Placement:
    """Place one purchase, by default without waiting for its end."""
    (answer,) = await orders.place([asked], patience_s)
    assert isinstance(answer, Placement), answer
    return answer


async def left_pending(
    open_orders: OpenOrders, catalog: UnreliableCatalog, fault: Fault, **fields: int
) -> Purchase:
    """Leave one purchase pending: its server ends while the catalog fails."""
    asked = purchase(await add_book(catalog, stock=10), **fields)
    catalog.always = fault
    async with open_orders(drive_s=0.0) as orders:
        assert (await place(orders, asked)).order.state is State.PENDING
        # Or it would ask again beside its successor, as no dead process does.
        await wait_until(lambda: orders.seller.under_way == 0, "it has given up")
    catalog.always = Fault.NONE
    return asked


@pytest.mark.parametrize("fault", [Fault.REQUEST_LOST, Fault.REPLY_LOST])
@pytest.mark.parametrize(
    ("quantity", "state", "stock"), [(1, State.CONFIRMED, 9), (11, State.REJECTED, 10)]
)
async def test_pending_over_a_restart(
    open_orders: OpenOrders,
    catalog: UnreliableCatalog,
    fault: Fault,
    quantity: int,
    state: State,
    stock: int,
) -> None:
    """An order that was pending when its server died gets its end from the ledger, once."""
    asked = await left_pending(open_orders, catalog, fault, quantity=quantity)
    async with open_orders(resolve_after_s=0.0) as orders:
        assert await Resolver(orders).step() == (1, 1)
        assert await Resolver(orders).step() == (0, 0)
        order = await orders.order(asked.order_id)
        assert order.state is state
        again = await place(orders, asked)
        assert (again.order, again.replayed) == (order, False)
        assert (await place(orders, asked)).replayed
    assert await stock_of(catalog, asked.book_id) == stock
    assert len(await catalog.sale(asked.order_id)) == 1


async def test_a_retry_finds_its_order_over_a_restart(
    open_orders: OpenOrders, catalog: UnreliableCatalog
) -> None:
    """A customer's retry after a restart drives the order that is there; no resolver is needed."""
    asked = await left_pending(open_orders, catalog, Fault.REPLY_LOST)
    async with open_orders() as orders:
        assert (await place(orders, asked, PATIENCE_S)).order.state is State.CONFIRMED
    assert await stock_of(catalog, asked.book_id) == 9


async def test_a_final_answer_over_a_restart(
    open_orders: OpenOrders, catalog: UnreliableCatalog
) -> None:
    """A final order is the same after a restart, and its purchase a replay."""
    sold = purchase(await add_book(catalog, stock=1))
    refused = purchase(sold.book_id)
    async with open_orders() as orders:
        before = [await place(orders, asked, PATIENCE_S) for asked in (sold, refused)]
    async with open_orders() as orders:
        after = [await place(orders, asked) for asked in (sold, refused)]
        other = replace(sold, quantity=2)
        (reused,) = await orders.place([other], 0)
    assert [each.order for each in after] == [each.order for each in before]
    assert [each.replayed for each in after] == [True, True]
    assert not isinstance(reused, Placement)
    assert reused.code == "key_reused"


async def test_not_before_its_time(open_orders: OpenOrders, catalog: UnreliableCatalog) -> None:
    """A young order is left to its customer; its age counts from when it is first seen."""
    asked = await left_pending(open_orders, catalog, Fault.REQUEST_LOST)
    async with open_orders(resolve_after_s=PATIENCE_S) as orders:
        assert await Resolver(orders).step() == (0, 0)
        assert (await orders.order(asked.order_id)).state is State.PENDING


async def test_too_old_is_voided(open_orders: OpenOrders, catalog: UnreliableCatalog) -> None:
    """An order that nobody could sell in time is voided: rejected, and never sold after."""
    asked = await left_pending(open_orders, catalog, Fault.REQUEST_LOST)
    async with open_orders(resolve_after_s=0.0, void_after_s=0.0) as orders:
        assert await Resolver(orders).step() == (1, 1)
        order = await orders.order(asked.order_id)
        assert (order.state, order.reason) == (State.REJECTED, "purchase_expired")
        assert (await place(orders, asked)).order == order
    (entry,) = await catalog.sale(asked.order_id)
    assert entry.kind is Kind.VOID
    ((late,),) = await catalog.sell(batch_of(1, asked))
    assert late == entry
    assert await stock_of(catalog, asked.book_id) == 10


async def test_voided_too_late(open_orders: OpenOrders, catalog: UnreliableCatalog) -> None:
    """A void that comes after the sale learns of it: the order is confirmed."""
    asked = await left_pending(open_orders, catalog, Fault.REPLY_LOST)
    async with open_orders(resolve_after_s=0.0, void_after_s=0.0) as orders:
        await Resolver(orders).step()
        assert (await orders.order(asked.order_id)).state is State.CONFIRMED
    assert "void" in catalog.calls


async def test_a_late_driver_does_not_make_an_answer_the_first(
    orders: OrderService, catalog: UnreliableCatalog
) -> None:
    """A driver that learns of the decision after it was answered leaves later answers replays."""
    asked = purchase(await add_book(catalog))
    first = await place(orders, asked, PATIENCE_S)
    assert await orders.void(placed(asked, 0))
    assert [first.replayed, (await place(orders, asked)).replayed] == [False, True]


@pytest.mark.parametrize("fault", [Fault.REFUSED, Fault.REQUEST_LOST, Fault.REPLY_LOST])
async def test_a_failing_void_is_repeated(
    open_orders: OpenOrders, catalog: UnreliableCatalog, fault: Fault
) -> None:
    """A void whose answer is lost is asked for again, and decides once."""
    asked = await left_pending(open_orders, catalog, Fault.REQUEST_LOST)
    catalog.faults.append(fault)
    async with open_orders(resolve_after_s=0.0, void_after_s=0.0) as orders:
        assert await Resolver(orders).step() == (1, 0)
        assert (await orders.order(asked.order_id)).state is State.PENDING
        assert await Resolver(orders).step() == (1, 1)
        assert (await orders.order(asked.order_id)).reason == "purchase_expired"
    assert len(await catalog.sale(asked.order_id)) == 1


async def test_a_void_of_a_reused_key(open_orders: OpenOrders, catalog: UnreliableCatalog) -> None:
    """A pending order whose id the ledger has for another request is removed."""
    asked = await left_pending(open_orders, catalog, Fault.REQUEST_LOST)
    await catalog.void(replace(asked, quantity=2), Seen())
    async with open_orders(resolve_after_s=0.0, void_after_s=0.0) as orders:
        assert await Resolver(orders).step() == (1, 1)
        with pytest.raises(OrderNotFound):
            await orders.order(asked.order_id)


@pytest.mark.parametrize("fault", [Fault.REFUSED, Fault.REQUEST_LOST, Fault.REPLY_LOST])
async def test_a_failing_return_is_repeated(
    orders: OrderService, catalog: UnreliableCatalog, fault: Fault
) -> None:
    """A return whose answer is lost is asked for again; the copies come back once."""
    asked = purchase(await add_book(catalog, stock=10), quantity=4)
    await place(orders, asked, PATIENCE_S)
    catalog.faults.append(fault)
    cancelled = await orders.cancel(asked.order_id, PATIENCE_S)
    assert cancelled.state is State.CANCELLED
    assert await stock_of(catalog, asked.book_id) == 10
    assert [entry.kind for entry in await catalog.sale(asked.order_id)] == [
        Kind.SOLD,
        Kind.RETURNED,
    ]


async def test_a_cancelling_that_takes_longer(
    open_orders: OpenOrders, catalog: UnreliableCatalog
) -> None:
    """Where the return gets no answer in time the order is cancelling, also over a restart."""
    asked = purchase(await add_book(catalog, stock=10), quantity=4)
    async with open_orders() as orders:
        await place(orders, asked, PATIENCE_S)
        catalog.always = Fault.REPLY_LOST
        cancelling = await orders.cancel(asked.order_id, 0.0)
        assert (cancelling.state, cancelling.final) == (State.CANCELLING, True)
        assert (await orders.cancel(asked.order_id, 0.0)).state is State.CANCELLING
        again = await place(orders, asked)
        assert (again.order.state, again.replayed) == (State.CANCELLING, True)
    async with open_orders(resolve_after_s=0.0) as orders:
        assert await Resolver(orders).step() == (1, 0)
        catalog.always = Fault.NONE
        assert await Resolver(orders).step() == (1, 1)
        assert (await orders.order(asked.order_id)).state is State.CANCELLED
    assert await stock_of(catalog, asked.book_id) == 10
    assert len(await catalog.sale(asked.order_id)) == 2


async def test_a_cancelling_whose_catalog_hangs(
    orders: OrderService, catalog: UnreliableCatalog
) -> None:
    """Who cancels is told in time that it is begun, however long the catalog takes."""
    asked = purchase(await add_book(catalog, stock=10))
    await place(orders, asked, PATIENCE_S)
    catalog.always = Fault.LATE
    loop = asyncio.get_running_loop()
    begun_s = loop.time()
    assert (await orders.cancel(asked.order_id, 0.2)).state is State.CANCELLING
    assert loop.time() - begun_s < PATIENCE_S / 2
    catalog.always = Fault.NONE
    assert (await orders.cancel(asked.order_id, PATIENCE_S)).state is State.CANCELLED
    assert await stock_of(catalog, asked.book_id) == 10


async def test_a_cancelling_that_can_no_longer_be_read(
    orders: OrderService, catalog: UnreliableCatalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cancelling that is begun is told as begun, also where the disk fails afterwards."""
    asked = purchase(await add_book(catalog, stock=10))
    await place(orders, asked, PATIENCE_S)
    catalog.always = Fault.REFUSED
    known = orders.order

    async def read_once(order_id: str) -> Order:
        monkeypatch.setattr(orders, "order", fails)
        return await known(order_id)

    async def fails(order_id: str) -> Order:
        raise Unavailable("The shop cannot read its disk now.")

    monkeypatch.setattr(orders, "order", read_once)
    told = await orders.cancel(asked.order_id, 0.0)
    assert told.state is State.CANCELLING
    monkeypatch.undo()
    assert (await orders.order(asked.order_id)).state is State.CANCELLING


async def test_a_pending_order_is_joined_by_its_cancelling(
    orders: OrderService, catalog: UnreliableCatalog
) -> None:
    """Cancelling a pending order waits for its end first, and then gives the copies back."""
    asked = purchase(await add_book(catalog, stock=10))
    catalog.faults.append(Fault.LATE)
    assert (await place(orders, asked)).order.state is State.PENDING
    assert (await orders.cancel(asked.order_id, 0.01)).state is State.PENDING
    waiting = asyncio.ensure_future(orders.cancel(asked.order_id, PATIENCE_S))
    catalog.release.set()
    assert (await waiting).state is State.CANCELLED
    assert await stock_of(catalog, asked.book_id) == 10


async def test_the_resolver_outlives_a_failing_catalog(
    open_orders: OpenOrders, catalog: UnreliableCatalog
) -> None:
    """Steps that fail change nothing, and the first that succeeds drives every order."""
    book_id = await add_book(catalog, stock=10)
    asked = [purchase(book_id) for _ in range(5)]
    catalog.always = Fault.REFUSED
    async with open_orders() as orders:
        await orders.place(asked, 0.0)
    async with open_orders(resolve_after_s=0.0) as orders:
        assert await Resolver(orders).step() == (5, 0)
        catalog.always = Fault.NONE
        assert await Resolver(orders).step() == (5, 5)
        assert await orders.unfinished(10) == []
    assert await stock_of(catalog, book_id) == 5


async def test_what_the_orders_know_of_the_ledger(
    open_orders: OpenOrders, catalog: UnreliableCatalog
) -> None:
    """After a start the highest ledger number of any order is known, returns included."""
    asked = purchase(await add_book(catalog))
    async with open_orders() as orders:
        assert orders.seller.ledger_seen.number == 0
        await place(orders, asked, PATIENCE_S)
        assert orders.seller.ledger_seen.number == 2
        await orders.cancel(asked.order_id, PATIENCE_S)
    async with open_orders() as orders:
        assert orders.seller.ledger_seen.number == 3 == await catalog.last_number()
