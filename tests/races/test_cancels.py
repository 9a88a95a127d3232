"""Cancels that race: with each other, and with a resolver that has taken the order on."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from tests.support.books import ledger_of, stock_of
from tests.support.tally import note

if TYPE_CHECKING:
    from tests.support.customers import Customer
    from tests.support.shop import Shop

ROUNDS = int(os.environ.get("RACE_ROUNDS", "50"))
AT_ONCE = 16
UNDER_WAY = 202


async def test_copies_come_back_once(shop: Shop, customer: Customer) -> None:
    """Fifty times 16 cancels of one order at once: one answer for all, the copies return once."""
    book_id = await asyncio.to_thread(shop.add_book, 3)
    for _ in range(ROUNDS):
        bought = await customer.purchase(book_id, quantity=2)
        assert bought.status == 201, bought
        path = f"/orders/{bought.json['id']}/cancel"
        answers = await asyncio.gather(*[customer.request("POST", path) for _ in range(AT_ONCE)])
        final = [answer for answer in answers if answer.status != UNDER_WAY]
        assert {answer.status for answer in final} == {200}
        assert len({answer.body for answer in final}) == 1
        assert final[0].json["state"] == "cancelled"
        assert await asyncio.to_thread(stock_of, shop, book_id) == 3
    entries = await asyncio.to_thread(ledger_of, shop, book_id)
    assert [entry["kind"] for entry in entries] == ["added", *(["sold", "returned"] * ROUNDS)]
    note("race: 16 cancels of one order", faults=ROUNDS, purchases=ROUNDS)


async def test_cancels_among_purchases(shop: Shop, customer: Customer) -> None:
    """A few copies go out and come back all the time: nobody gets one that is not there."""
    book_id = await asyncio.to_thread(shop.add_book, 4)

    async def one() -> int:
        bought = 0
        for _ in range(ROUNDS // 2):
            answer = await customer.purchase(book_id)
            assert answer.status in {201, 409}
            if answer.status == 201:
                bought += 1
                path = f"/orders/{answer.json['id']}/cancel"
                while (await customer.request("POST", path)).status == UNDER_WAY:
                    pass
        return bought

    bought = sum(await asyncio.gather(*[one() for _ in range(AT_ONCE)]))
    entries = await asyncio.to_thread(ledger_of, shop, book_id)
    assert all(entry.get("stock_after", 0) in range(5) for entry in entries)
    assert [entry["kind"] for entry in entries].count("returned") == bought > 0
    assert await asyncio.to_thread(stock_of, shop, book_id) == 4
    note("race: purchases and cancels of one book", faults=bought, purchases=bought)
