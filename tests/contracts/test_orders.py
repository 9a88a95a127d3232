"""What every order server promises, with the real catalog behind it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from servers.domain.errors import KeyReused, NotCancellable, OrderNotFound, ShopError
from servers.domain.ledger import Kind
from servers.domain.order import State
from servers.domain.protocols import OrderPage, Placement
from servers.domain.sale import Seen
from tests.support.services import PATIENCE_S, add_book, batch_of, purchase

if TYPE_CHECKING:
    from servers.domain.order import Order
    from servers.domain.protocols import Catalog, Orders
    from servers.domain.sale import Purchase


async def place(orders: Orders, *purchases: Purchase) -> list[Placement]:
    """Place purchases, of which none may be an error."""
    answers = await orders.place(purchases, PATIENCE_S)
    placements = [answer for answer in answers if isinstance(answer, Placement)]
    assert len(placements) == len(purchases), answers
    return placements


async def buy(orders: Orders, book_id: int, **fields: int) -> Order:
    """Place one purchase and return its order."""
    return (await place(orders, purchase(book_id, **fields)))[0].order


async def test_a_purchase_is_confirmed(orders: Orders, books: Catalog) -> None:
    """A confirmed order mirrors the one entry by which the ledger sold it."""
    book_id = await add_book(books, title="Xen", stock=10)
    asked = purchase(book_id, quantity=3, version=1, max_price_minor=1000)
    (placement,) = await place(orders, asked)
    order = placement.order
    assert (order.state, placement.replayed) == (State.CONFIRMED, False)
    (entry,) = await books.sale(asked.order_id)
    assert (order.ledger_number, order.decided_at_ms) == (entry.number, entry.at_ms)
    assert (order.title, order.unit_price_minor, order.total_minor) == ("Xen", 1000, 3000)
    assert (order.version_after, order.stock_after) == (2, 7)
    assert order.purchase == asked
    assert await orders.order(asked.order_id) == order


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"quantity": 11}, "out_of_stock"),
        ({"version": 2}, "version_conflict"),
        ({"max_price_minor": 999}, "price_changed"),
        ({"book_id": 99}, "book_not_found"),
    ],
)
async def test_a_purchase_is_rejected(
    orders: Orders, books: Catalog, fields: dict[str, int], reason: str
) -> None:
    """A refusal of the ledger rejects the order, which says why."""
    asked = purchase(**{"book_id": await add_book(books, stock=10), **fields})
    (placement,) = await place(orders, asked)
    order = placement.order
    assert (order.state, order.reason, placement.replayed) == (State.REJECTED, reason, False)
    assert order.history[-1].reason == reason
    assert await orders.order(asked.order_id) == order
    assert order.refusal().code == reason


async def test_a_deleted_book(orders: Orders, books: Catalog) -> None:
    """A purchase of a deleted book is rejected as that, pinned or not."""
    book_id = await add_book(books)
    await books.delete(book_id, None)
    for order in [await buy(orders, book_id), await buy(orders, book_id, version=1)]:
        assert (order.state, order.reason) == (State.REJECTED, "book_deleted")


async def test_answers_in_the_order_asked(orders: Orders, books: Catalog) -> None:
    """Purchases that are placed together are answered one by one, in order."""
    one, two = await add_book(books, stock=1), await add_book(books)
    asked = [purchase(two), purchase(one), purchase(99), purchase(one), purchase(two)]
    placements = await place(orders, *asked)
    assert [each.order.id for each in placements] == [each.order_id for each in asked]
    assert [each.order.reason for each in placements] == [
        None,
        None,
        "book_not_found",
        "out_of_stock",
        None,
    ]
    assert await orders.place([], PATIENCE_S) == []


async def test_the_same_purchase_again(orders: Orders, books: Catalog) -> None:
    """A purchase that is asked for again is answered the same and marked as replayed."""
    book_id = await add_book(books, stock=1)
    for asked in (purchase(book_id), purchase(book_id)):
        (first,) = await place(orders, asked)
        for _ in range(2):
            assert await place(orders, asked) == [Placement(first.order, replayed=True)]
    assert [entry.kind for entry in await books.ledger(0, 10)][1:] == [Kind.SOLD, Kind.REFUSED]


async def test_the_same_purchase_at_once(orders: Orders, books: Catalog) -> None:
    """Of all who ask at once one is told first; the order is one and sold once."""
    asked = purchase(await add_book(books, stock=10))
    answers = await asyncio.gather(*[place(orders, asked) for _ in range(8)])
    placements = [placement for (placement,) in answers]
    assert sum(not placement.replayed for placement in placements) == 1
    assert len({placement.order for placement in placements}) == 1
    assert len(await books.ledger(0, 10)) == 2


async def test_the_same_purchase_twice_in_a_batch(orders: Orders, books: Catalog) -> None:
    """An id that stands twice in a batch is one order, and one of the two is told first."""
    asked = purchase(await add_book(books, stock=10))
    one, two = await place(orders, asked, asked)
    assert one.order == two.order
    assert sorted([one.replayed, two.replayed]) == [False, True]


@pytest.mark.parametrize("state", ["confirmed", "rejected"])
async def test_another_purchase_under_a_known_id(
    orders: Orders, books: Catalog, state: str
) -> None:
    """An id stands for one purchase: another one is refused, and the first stays as it is."""
    book_id = await add_book(books, stock=10)
    asked = purchase(book_id, quantity=1 if state == "confirmed" else 11)
    (first,) = await place(orders, asked)
    assert first.order.state == state
    for other in (
        replace(asked, quantity=2),
        replace(asked, version=1),
        replace(asked, max_price_minor=1000),
        replace(asked, book_id=book_id + 1),
    ):
        (answer,) = await orders.place([other], PATIENCE_S)
        assert isinstance(answer, KeyReused)
    assert await orders.order(asked.order_id) == first.order
    assert len(await books.ledger(0, 10)) == 2


async def test_an_id_of_the_ledger_alone(orders: Orders, books: Catalog) -> None:
    """An id that only the ledger knows, for another request, is refused without a trace."""
    asked = purchase(await add_book(books, stock=10))
    await books.void(replace(asked, quantity=5), Seen())
    (answer,) = await orders.place([asked], PATIENCE_S)
    assert isinstance(answer, KeyReused)
    with pytest.raises(OrderNotFound):
        await orders.order(asked.order_id)


async def test_an_unknown_order(orders: Orders) -> None:
    """What was never placed is not found and cannot be cancelled."""
    for call in (orders.order("f" * 32), orders.cancel("f" * 32, PATIENCE_S)):
        with pytest.raises(OrderNotFound):
            await call


async def test_a_cancelled_order_gives_its_copies_back(orders: Orders, books: Catalog) -> None:
    """Cancelling returns the copies once, however often it is asked, and says when."""
    book_id = await add_book(books, stock=10)
    confirmed = await buy(orders, book_id, quantity=4)
    cancelled = await orders.cancel(confirmed.id, PATIENCE_S)
    assert cancelled.state is State.CANCELLED
    assert [moment.state.value for moment in cancelled.history] == [
        "pending",
        "confirmed",
        "cancelling",
        "cancelled",
    ]
    sold, returned = await books.sale(confirmed.id)
    assert cancelled.return_number == returned.number
    assert cancelled.ledger_number == sold.number
    assert await orders.cancel(confirmed.id, PATIENCE_S) == cancelled
    (book,) = await books.books([book_id])
    assert book is not None
    assert book.stock == 10


async def test_cancelled_at_once(orders: Orders, books: Catalog) -> None:
    """However many cancel at once, the copies come back once."""
    order = await buy(orders, await add_book(books, stock=10), quantity=4)
    answers = await asyncio.gather(*[orders.cancel(order.id, PATIENCE_S) for _ in range(5)])
    assert {answer.state for answer in answers} == {State.CANCELLED}
    assert [entry.kind for entry in await books.sale(order.id)] == [Kind.SOLD, Kind.RETURNED]


async def test_a_rejected_order_cannot_be_cancelled(orders: Orders, books: Catalog) -> None:
    """Where nothing was sold there is nothing to give back."""
    order = await buy(orders, await add_book(books, stock=0))
    with pytest.raises(NotCancellable) as refused:
        await orders.cancel(order.id, PATIENCE_S)
    assert refused.value.members["reason"] == "out_of_stock"
    assert (await orders.order(order.id)).state is State.REJECTED


async def test_a_cancelled_order_is_still_replayed(orders: Orders, books: Catalog) -> None:
    """A purchase asked for again after its cancelling is the same order, and not bought anew."""
    asked = purchase(await add_book(books, stock=1))
    await place(orders, asked)
    await orders.cancel(asked.order_id, PATIENCE_S)
    (again,) = await place(orders, asked)
    assert (again.order.state, again.replayed) == (State.CANCELLED, True)
    assert len(await books.sale(asked.order_id)) == 2


async def test_pages_of_orders(orders: Orders, books: Catalog) -> None:
    """Orders come newest first, by state and book, each page from before an order on."""
    one, two = await add_book(books, stock=2), await add_book(books)
    placed = [await buy(orders, book_id) for book_id in (one, two, one, two, one)]
    await orders.cancel(placed[1].id, PATIENCE_S)
    newest = [order.id for order in placed][::-1]

    async def ids(**page: object) -> list[str]:
        return [order.id for order in await orders.orders(OrderPage(**page))]  # type: ignore[arg-type]  # named by the test

    assert await ids() == newest
    assert await ids(limit=2) == newest[:2]
    assert await ids(limit=2, before_id=newest[1]) == newest[2:4]
    assert await ids(book_id=two) == [newest[1], newest[3]]
    assert await ids(book_id=two, before_id=newest[1]) == [newest[3]]
    assert await ids(state=State.CANCELLED) == [newest[3]]
    assert await ids(state=State.REJECTED, book_id=one) == [newest[0]]
    assert await ids(state=State.PENDING) == []


async def test_orders_agree_with_the_ledger(orders: Orders, books: Catalog) -> None:
    """Where orders and ledger agree, restoring changes nothing and comes to the end."""
    book_id = await add_book(books, stock=1)
    await buy(orders, book_id)
    await buy(orders, book_id)
    _, first, second = [entry.number for entry in await books.ledger(0, 10)]
    restored = await orders.restore(0, 2)
    assert (restored.last_number, restored.changed) == (first, 0)
    assert (await orders.restore(first, 2)).last_number == second
    assert (await orders.restore(second, 2)).last_number == 0


async def test_orders_that_only_the_ledger_knows(orders: Orders, books: Catalog) -> None:
    """From the ledger alone an order comes back, and answers its purchase as it did before."""
    asked = purchase(await add_book(books, stock=5), quantity=2, max_price_minor=1000)
    await books.sell(batch_of(1, asked))
    assert (await orders.restore(0, 10)).changed == 1
    (again,) = await place(orders, asked)
    assert (again.order.state, again.replayed) == (State.CONFIRMED, True)
    assert (again.order.version_after, again.order.total_minor) == (2, 2000)


async def test_many_buyers_of_the_last_copies(orders: Orders, books: Catalog) -> None:
    """Many buyers at once buy what there is, and orders, ledger and shelf agree."""
    book_id = await add_book(books, stock=7)
    answers = await asyncio.gather(*[place(orders, purchase(book_id)) for _ in range(40)])
    reasons = [placement.order.reason for (placement,) in answers]
    assert sorted(reasons, key=str) == [None] * 7 + ["out_of_stock"] * 33
    assert len(await orders.orders(OrderPage(state=State.CONFIRMED, limit=50))) == 7
    (book,) = await books.books([book_id])
    assert book is not None
    assert (book.stock, book.version) == (0, 8)
    assert not any(isinstance(answer, ShopError) for answer in answers)
