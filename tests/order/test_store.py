"""An order's row moves only along the arrows: every change names the state that it starts from."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from servers.domain.ledger import Entry, Kind
from servers.domain.order import Order, State, placed
from servers.order import store
from tests.support.services import open_database, purchase

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from servers.durable import ShopDatabase
    from servers.storage.database import Transaction

SOLD = Entry(
    number=7,
    kind=Kind.SOLD,
    book_id=1,
    at_ms=20,
    unit_price_minor=5,
    version_after=2,
    stock_after=0,
)
REFUSED = Entry(number=8, kind=Kind.REFUSED, book_id=1, at_ms=30, reason="out_of_stock")

MOVES: dict[str, Callable[[Transaction, Order], Awaitable[object]]] = {
    "decide": lambda tx, order: store.decide(tx, [order.decided(REFUSED)]),
    "begin_cancel": lambda tx, order: store.begin_cancel(tx, order.id, 99),
    "end_cancel": lambda tx, order: store.end_cancel(tx, order.id, 99, 9),
    "forget": store.forget,
    "insert_pending": lambda tx, order: store.insert_pending(tx, [order]),
}
STARTS = {
    "decide": {State.PENDING},
    "begin_cancel": {State.CONFIRMED},
    "end_cancel": {State.CANCELLING},
    "forget": {State.PENDING},
    "insert_pending": set[State](),
}


def order_in(state: State) -> Order:
    """Return an order in a state, as it would have come there."""
    order = placed(purchase(1), 10)
    if state is State.REJECTED:
        return order.decided(REFUSED)
    if state is not State.PENDING:
        order = replace(order.decided(SOLD), state=state)
    if state in {State.CANCELLING, State.CANCELLED}:
        order = replace(order, cancelling_at_ms=40)
    if state is State.CANCELLED:
        order = replace(order, cancelled_at_ms=50, return_number=9)
    return order


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[ShopDatabase]:
    """An empty database of orders."""
    async with open_database(tmp_path, "orders") as database:
        yield database


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("move", MOVES)
async def test_a_move_starts_where_it_may(database: ShopDatabase, move: str, state: State) -> None:
    """From any other state a move changes nothing, and says that it did not."""
    order = order_in(state)
    assert await database.write(lambda tx: store.insert(tx, order))
    moved = await database.write(lambda tx: MOVES[move](tx, order))
    assert bool(moved) == (state in STARTS[move])
    if not moved:
        assert await database.read(lambda tx: store.order(tx, order.id)) == order


@pytest.mark.parametrize("state", State)
async def test_an_order_is_read_as_it_was_written(database: ShopDatabase, state: State) -> None:
    """Every field of an order comes back, in every state."""
    order = order_in(state)
    await database.write(lambda tx: store.replace_with(tx, order))
    assert await database.read(lambda tx: store.order(tx, order.id)) == order
    unfinished = await database.read(lambda tx: store.unfinished(tx, 10))
    assert unfinished == ([order] if state in {State.PENDING, State.CANCELLING} else [])


async def test_only_the_request_itself_is_forgotten(database: ShopDatabase) -> None:
    """A row that another request has made under the same id meanwhile stays."""
    order = order_in(State.PENDING)
    other = replace(order, purchase=replace(order.purchase, quantity=9))
    await database.write(lambda tx: store.insert(tx, other))
    assert not await database.write(lambda tx: store.forget(tx, order))
    assert await database.read(lambda tx: store.order(tx, order.id)) == other
    assert await database.write(lambda tx: store.forget(tx, other))
