"""The last copy: more buyers at once than copies."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from tests.support.books import ledger_of, orders_of, stock_of
from tests.support.tally import note

if TYPE_CHECKING:
    from tests.support.customers import Customer
    from tests.support.shop import Reply, Shop

ROUNDS = int(os.environ.get("RACE_ROUNDS", "50"))
BUYERS = 64


async def test_one_copy_is_sold_once(shop: Shop, customer: Customer) -> None:
    """Fifty times 64 buyers of one copy: exactly one has it, wherever one looks."""
    for _ in range(ROUNDS):
        book_id = await asyncio.to_thread(shop.add_book, 1)
        answers = await asyncio.gather(*[customer.purchase(book_id) for _ in range(BUYERS)])
        await asyncio.to_thread(_all_agree, shop, book_id, 1, answers)
    note("race: 64 buyers, one copy", faults=ROUNDS, purchases=ROUNDS * BUYERS)


async def test_a_hundred_copies_are_sold_a_hundred_times(shop: Shop, customer: Customer) -> None:
    """64 buyers who each try four times for 100 copies, again and again: exactly 100 are sold."""

    async def buyer(book_id: int) -> list[Reply]:
        return [await customer.purchase(book_id) for _ in range(4)]

    rounds = max(50, ROUNDS // 5)
    for _ in range(rounds):
        book_id = await asyncio.to_thread(shop.add_book, 100)
        tries = await asyncio.gather(*[buyer(book_id) for _ in range(BUYERS)])
        answers = [answer for each in tries for answer in each]
        await asyncio.to_thread(_all_agree, shop, book_id, 100, answers)
    note("race: 256 purchases, 100 copies", faults=rounds, purchases=rounds * BUYERS * 4)


async def test_several_copies_at_once_are_all_or_nothing(shop: Shop, customer: Customer) -> None:
    """Buyers of one to five copies leave a rest that is too small for whoever was refused."""
    for _ in range(10):
        book_id = await asyncio.to_thread(shop.add_book, 50)
        wanted = [1 + number % 5 for number in range(BUYERS)]
        answers = await asyncio.gather(
            *[customer.purchase(book_id, quantity=quantity) for quantity in wanted]
        )
        sold = sum(answer.json["quantity"] for answer in answers if answer.status == 201)
        left = await asyncio.to_thread(stock_of, shop, book_id)
        assert sold + left == 50
        refused = [
            (quantity, answer.json["available"])
            for quantity, answer in zip(wanted, answers, strict=True)
            if answer.status == 409
        ]
        assert all(quantity > available >= left for quantity, available in refused)


def _all_agree(shop: Shop, book_id: int, copies: int, answers: list[Reply]) -> None:
    """Compare what the buyers were told with the shelf, the ledger and the orders."""
    bought = [answer.json for answer in answers if answer.status == 201]
    refused = [answer.json for answer in answers if answer.status == 409]
    assert (len(bought), len(refused)) == (copies, len(answers) - copies)
    assert {problem["code"] for problem in refused} == {"out_of_stock"}
    assert sorted(order["version_after"] for order in bought) == list(range(2, copies + 2))
    assert stock_of(shop, book_id) == 0

    entries = ledger_of(shop, book_id)
    sold = {entry["order_id"] for entry in entries if entry["kind"] == "sold"}
    assert sold == {order["id"] for order in bought}
    assert len(entries) == 1 + len(answers)

    orders = {order["id"]: order["state"] for order in orders_of(shop, book_id)}
    said = dict.fromkeys(sold, "confirmed") | {
        problem["order_id"]: "rejected" for problem in refused
    }
    assert orders == said
