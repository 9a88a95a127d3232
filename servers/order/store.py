"""The order server's SQL. Every change of state names the state that it starts from."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING

from servers.domain.order import Order, State
from servers.domain.sale import Purchase, Seen

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from servers.domain.protocols import OrderPage
    from servers.storage.database import Row, Transaction, Value

_PURCHASE = "id, book_id, quantity, version, max_price_minor"
_FIELDS = (
    "state",
    "created_at_ms",
    "ledger_number",
    "decided_at_ms",
    "reason",
    "title",
    "unit_price_minor",
    "version_after",
    "stock_after",
    "version_seen",
    "stock_seen",
    "cancelling_at_ms",
    "cancelled_at_ms",
    "return_number",
)
_ORDER = f"{_PURCHASE}, {', '.join(_FIELDS)}"
_ASKED = attrgetter("order_id", "book_id", "quantity", "version", "max_price_minor")
"""The values of the columns of a purchase."""


async def insert(tx: Transaction, order: Order) -> bool:
    """Add an order as it stands; False where its id is there already."""
    names = f"{_ORDER}, fingerprint"
    places = ", ".join(f"${place}" for place in range(1, len(_FIELDS) + 7))
    changed = await tx.execute(
        f"INSERT INTO orders ({names}) VALUES ({places}) ON CONFLICT (id) DO NOTHING",
        *_ASKED(order.purchase),
        *[getattr(order, name) for name in _FIELDS],
        order.purchase.fingerprint,
    )
    return changed == 1


async def insert_pending(tx: Transaction, orders: Sequence[Order]) -> set[str]:
    """Add pending orders; return the ids of those that were not there already."""
    # Asked first: a row told by RETURNING costs as much as the row, a look next to nothing.
    there = await tx.fetch_many(
        "SELECT id FROM orders WHERE id = $1", [(order.id,) for order in orders]
    )
    await tx.fetch_many(
        "INSERT INTO orders (id, book_id, quantity, version, max_price_minor, state, "
        "created_at_ms, fingerprint) VALUES ($1, $2, $3, $4, $5, 'pending', $6, $7) "
        "ON CONFLICT (id) DO NOTHING",
        [
            (*_ASKED(order.purchase), order.created_at_ms, order.purchase.fingerprint)
            for order in orders
        ],
    )
    return {order.id for order in orders}.difference(order_id for (order_id,) in there)


async def order(tx: Transaction, order_id: str) -> Order | None:
    """Return an order, or None."""
    row = await tx.fetch_one(f"SELECT {_ORDER} FROM orders WHERE id = $1", order_id)
    return _order(row) if row is not None else None


async def ids_between(tx: Transaction, first: str, last: str) -> set[str]:
    """Return the ids of orders from one id to another, both included."""
    rows = await tx.fetch_all("SELECT id FROM orders WHERE id BETWEEN $1 AND $2", first, last)
    return {order_id for (order_id,) in rows}


async def in_state(tx: Transaction, order_ids: Iterable[str], state: State) -> set[str]:
    """Return those of these orders that are in a state."""
    rows = await tx.fetch_many(
        "SELECT id FROM orders WHERE id = $1 AND state = $2",
        [(order_id, state) for order_id in order_ids],
    )
    return {order_id for (order_id,) in rows}


async def decide(tx: Transaction, orders: Sequence[Order]) -> set[str]:
    """Write what the ledger decided of pending orders; return the ids that were pending."""
    moved = await in_state(tx, [order.id for order in orders], State.PENDING)
    await tx.fetch_many(
        "UPDATE orders SET state = $2, ledger_number = $3, decided_at_ms = $4, reason = $5, "
        "title = $6, unit_price_minor = $7, version_after = $8, stock_after = $9, "
        "version_seen = $10, stock_seen = $11 WHERE id = $1 AND state = 'pending'",
        [
            (
                order.id,
                order.state,
                order.ledger_number,
                order.decided_at_ms,
                order.reason,
                order.title,
                order.unit_price_minor,
                order.version_after,
                order.stock_after,
                order.version_seen,
                order.stock_seen,
            )
            for order in orders
        ],
    )
    return moved


async def begin_cancel(tx: Transaction, order_id: str, at_ms: int) -> bool:
    """Move a confirmed order to cancelling; False where it was not confirmed."""
    changed = await tx.execute(
        "UPDATE orders SET state = 'cancelling', cancelling_at_ms = $2 "
        "WHERE id = $1 AND state = 'confirmed'",
        order_id,
        at_ms,
    )
    return changed == 1


async def end_cancel(tx: Transaction, order_id: str, at_ms: int, return_number: int) -> bool:
    """Move a cancelling order to cancelled; False where it was not cancelling."""
    changed = await tx.execute(
        "UPDATE orders SET state = 'cancelled', cancelled_at_ms = $2, return_number = $3 "
        "WHERE id = $1 AND state = 'cancelling'",
        order_id,
        at_ms,
        return_number,
    )
    return changed == 1


async def forget(tx: Transaction, order: Order) -> bool:
    """Remove a pending order whose id stands for another request in the ledger.

    What that other request may have put in its place meanwhile stays.
    """
    changed = await tx.execute(
        "DELETE FROM orders WHERE id = $1 AND fingerprint = $2 AND state = 'pending'",
        order.id,
        order.purchase.fingerprint,
    )
    return changed == 1


async def replace_with(tx: Transaction, order: Order) -> None:
    """Write an order over whatever row has its id, which keeps its place. For `restore` alone."""
    if await insert(tx, order):
        return
    purchase = order.purchase
    names = ("book_id", "quantity", "version", "max_price_minor", "fingerprint", *_FIELDS)
    changes = ", ".join(f"{name} = ${place}" for place, name in enumerate(names, start=2))
    await tx.execute(
        f"UPDATE orders SET {changes} WHERE id = $1",
        purchase.order_id,
        purchase.book_id,
        purchase.quantity,
        purchase.version,
        purchase.max_price_minor,
        purchase.fingerprint,
        *[getattr(order, name) for name in _FIELDS],
    )


async def unfinished(tx: Transaction, limit: int) -> list[Order]:
    """Return the oldest orders that are pending or cancelling."""
    rows = await tx.fetch_all(
        f"SELECT {_ORDER} FROM orders WHERE state IN ('pending', 'cancelling') "
        "ORDER BY seq LIMIT $1",
        limit,
    )
    return [_order(row) for row in rows]


async def page(tx: Transaction, wanted: OrderPage) -> list[Order]:
    """Return a page of orders, newest first."""
    conditions: list[str] = []
    values: list[Value] = []
    for text, value in (
        ("state = ", wanted.state),
        ("book_id = ", wanted.book_id),
        ("seq < (SELECT seq FROM orders WHERE id = ", wanted.before_id),
    ):
        if value is not None:
            values.append(value.value if isinstance(value, State) else value)
            conditions.append(f"{text}${len(values)}{')' if '(' in text else ''}")
    where = f"WHERE {' AND '.join(conditions)} " if conditions else ""
    values.append(wanted.limit)
    rows = await tx.fetch_all(
        f"SELECT {_ORDER} FROM orders {where}ORDER BY seq DESC LIMIT ${len(values)}", *values
    )
    return [_order(row) for row in rows]


async def newest_known(tx: Transaction) -> Seen:
    """Return the newest ledger entry that any order tells of."""
    highest = await tx.fetch_one(
        "SELECT coalesce(max(ledger_number), 0), coalesce(max(return_number), 0) FROM orders"
    )
    number = max(highest) if highest is not None else 0
    # Backwards: the newest order is most often the one.
    row = await tx.fetch_one(
        "SELECT id FROM orders WHERE ledger_number = $1 OR return_number = $1 "
        "ORDER BY seq DESC LIMIT 1",
        number,
    )
    return Seen(number, row[0] if row is not None else None)


def _order(row: Row) -> Order:
    order_id, book_id, quantity, version, max_price_minor, state, *rest = row
    return Order(
        purchase=Purchase(order_id, book_id, quantity, version, max_price_minor),
        state=State(state),
        **dict(zip(_FIELDS[1:], rest, strict=True)),
    )
