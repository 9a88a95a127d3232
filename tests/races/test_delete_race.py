"""The delete race: a book goes, or changes, between an order's look at it and its sale."""

from __future__ import annotations

import asyncio
import os
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.books import ledger_of, orders_of, stock_of
from tests.support.tally import note

if TYPE_CHECKING:
    from tests.races.conftest import HeldShop
    from tests.support.customers import Customer
    from tests.support.shop import Reply, Shop

ROUNDS = int(os.environ.get("RACE_ROUNDS", "50"))
OLD, NEW = "10.00", "12.50"


async def test_a_book_deleted_under_a_sale_is_not_sold(held_shop: HeldShop) -> None:
    """Fifty times: 410, nothing sold, the order says why, and so does every later try."""
    shop = held_shop.shop
    for number in range(ROUNDS):
        book_id = await held_shop.known_book(stock=3)
        key = f"a delete between {number:04d}"
        delete = partial(_staff, shop, "DELETE", f"/books/{book_id}", None, "*")
        refused, deleted = await held_shop.purchase_during(delete, book_id, key)
        assert deleted.status == 204
        assert (refused.status, refused.json["code"]) == (410, "book_deleted")
        order = await asyncio.to_thread(shop.request, "GET", f"/orders/{refused.json['order_id']}")
        assert (order.json["state"], order.json["reason"]) == ("rejected", "book_deleted")
        kinds = [entry["kind"] for entry in await asyncio.to_thread(ledger_of, shop, book_id)]
        assert kinds == ["added", "sold", "deleted", "refused"]
        again = await held_shop.customer.purchase(book_id, key)
        assert (again.status, again.body) == (410, refused.body)
    note("race: a delete under a sale", faults=ROUNDS, purchases=2 * ROUNDS)


async def test_a_whole_batch_is_refused_after_a_delete(held_shop: HeldShop) -> None:
    """64 purchases that gathered behind a held sale are refused as well: none slips through."""
    shop, customer = held_shop.shop, held_shop.customer
    book_id = await held_shop.known_book(stock=64)
    held_shop.proxy.hold("/sales")
    first = asyncio.create_task(customer.purchase(book_id))
    await held_shop.proxy.held()
    others = [asyncio.create_task(customer.purchase(book_id)) for _ in range(63)]
    deleted = await asyncio.to_thread(_staff, shop, "DELETE", f"/books/{book_id}", None, "*")
    held_shop.proxy.release()
    answers = await asyncio.gather(first, *others)
    assert deleted.status == 204
    assert [answer.json["code"] for answer in answers] == 64 * ["book_deleted"]
    entries = await asyncio.to_thread(ledger_of, shop, book_id)
    assert [entry["kind"] for entry in entries[:3]] == ["added", "sold", "deleted"]
    assert {entry["kind"] for entry in entries[3:]} == {"refused"}
    assert len(entries) == 3 + 64


@pytest.mark.parametrize(
    ("wishes", "status", "outcome"),
    [
        ({}, 201, NEW),
        ({"max_price": NEW}, 201, NEW),
        ({"max_price": OLD}, 409, "price_changed"),
        ({"version": 2}, 409, "version_conflict"),
        ({"version": 3}, 201, NEW),
        ({"version": 3, "max_price": OLD}, 409, "price_changed"),
    ],
    ids=["no wish", "new price is fine", "old price only", "old version", "new version", "both"],
)
async def test_a_price_edited_under_a_sale(
    held_shop: HeldShop, wishes: dict[str, Any], status: int, outcome: str
) -> None:
    """Sold at the new price, and only if the customer's own conditions allow it."""
    shop = held_shop.shop
    book_id = await held_shop.known_book(stock=3, price=OLD)
    edit = partial(_staff, shop, "PATCH", f"/books/{book_id}", {"price": NEW}, '"2"')
    answer, edited = await held_shop.purchase_during(edit, book_id, **wishes)
    assert (edited.status, edited.json["version"]) == (200, 3)
    assert answer.status == status, answer.body
    stock = await asyncio.to_thread(stock_of, shop, book_id)
    (order, _) = await asyncio.to_thread(orders_of, shop, book_id)
    if status == 201:
        assert (answer.json["unit_price"], answer.json["version_after"]) == (outcome, 4)
        assert (stock, order["state"]) == (2, "confirmed")
    else:
        assert answer.json["code"] == outcome
        assert (stock, order["state"], order["reason"]) == (3, "rejected", outcome)


async def test_deletes_among_purchases(shop: Shop, customer: Customer) -> None:
    """Fifty times, left to chance: nothing is sold after the delete, and all accounts agree."""
    outcomes = set()
    for number in range(ROUNDS):
        book_id = await asyncio.to_thread(shop.add_book, 16)
        buying = [asyncio.create_task(customer.purchase(book_id)) for _ in range(16)]
        # A different place among the purchases each time: after none, one, two … answers.
        while sum(task.done() for task in buying) < number % 16:
            await asyncio.wait([task for task in buying if not task.done()], timeout=0.001)
        headers = {"If-Match": "*", "Authorization": f"Bearer {shop.token()}"}
        deleted = await customer.request("DELETE", f"/books/{book_id}", None, headers)
        answers = await asyncio.gather(*buying)
        assert deleted.status == 204
        assert {answer.status for answer in answers} <= {201, 410}
        bought = {answer.json["id"] for answer in answers if answer.status == 201}
        entries = await asyncio.to_thread(ledger_of, shop, book_id)
        kinds = [entry["kind"] for entry in entries]
        assert "sold" not in kinds[kinds.index("deleted") :]
        assert {entry["order_id"] for entry in entries if entry["kind"] == "sold"} == bought
        assert entries[kinds.index("deleted")]["stock_after"] == 16 - len(bought)
        outcomes.add(len(bought))
    assert len(outcomes) > 1, "chance never moved the delete"


def _staff(shop: Shop, method: str, path: str, body: object, version: str) -> Reply:
    return shop.request(method, path, body, {"If-Match": version}, admin=True)
