"""A real shop under customers and staff at once: what they saw agrees with what it wrote down."""

from __future__ import annotations

import asyncio
import os
import random
from typing import TYPE_CHECKING

import pytest

from servers.upkeep.backoffice import open_stopped
from tests.checker.check import check
from tests.checker.history import Kind, collect
from tests.checker.witness import Witness
from tests.support.services import ADMIN_TOKEN, open_servers

if TYPE_CHECKING:
    from pathlib import Path

CLIENTS = 32
REQUESTS = int(os.environ.get("WITNESSED_REQUESTS", "3000"))
BOOKS = 4


async def client(witness: Witness, books: list[int], dice: random.Random, requests: int) -> None:
    """Make requests of every kind, one after the other."""
    sold: list[str] = []
    for number in range(requests):
        book_id = dice.choice(books)
        throw = dice.random()
        if throw < 0.4:
            await witness.look(book_id)
        elif throw < 0.8:
            key = f"a key of nobody else {dice.getrandbits(64):x} {number}"
            told = await witness.purchase(book_id, key, quantity=dice.choice((1, 1, 2)))
            again = await witness.purchase(book_id, key, quantity=dice.choice((1, 1, 2)))
            sold += [each.order_id for each in (told, again) if each.confirmed]
        elif throw < 0.9 and sold:
            await witness.cancel(sold.pop())
        elif throw < 0.97:
            parcel = {"change": dice.randrange(1, 9), "reason": "a parcel"}
            await witness.staff("POST", f"/books/{book_id}/stock", parcel, If_Match="*")
        elif throw < 0.99:
            seen = await witness.look(book_id)
            if seen.status == 200:
                version = f'"{seen.json["version"]}"'
                price = f"{dice.randrange(1, 99)}.00"
                await witness.staff(
                    "PATCH", f"/books/{book_id}", {"price": price}, If_Match=version
                )
        else:
            seen = await witness.look(book_id)
            if seen.status == 200:
                version = f'"{seen.json["version"]}"'
                await witness.staff("DELETE", f"/books/{book_id}", If_Match=version)
            else:
                books.append(await a_book(witness))


async def a_book(witness: Witness) -> int:
    """Add a book that is soon sold out, and return its id."""
    book = {"title": "A test book", "authors": ["Somebody"], "price": "10.00", "stock": 20}
    said = await witness.staff("POST", "/books", {**book, "topics": ["tests"]})
    assert said.status == 201
    return int(said.json["id"])


@pytest.mark.timeout(600)
async def test_many_clients_at_once(tmp_path: Path) -> None:
    """Nothing that 32 clients saw contradicts the books, the orders, the ledger or time."""
    async with open_servers(tmp_path) as web:
        loop = asyncio.get_running_loop()
        witness = Witness(web.ask, loop.time, ADMIN_TOKEN)
        books = [await a_book(witness) for _ in range(BOOKS)]
        each = REQUESTS // CLIENTS
        await asyncio.gather(
            *[client(witness, books, random.Random(number), each) for number in range(CLIENTS)]
        )
    async with open_stopped(tmp_path, to_change=False) as shop:
        records = await collect(shop)
    history = witness.history
    assert check(history, records) == []
    seen = {kind: sum(each.kind is kind for each in history.operations) for kind in Kind}
    assert min(seen[Kind.EFFECT], seen[Kind.READ]) > REQUESTS / 10, seen
    assert {"", "key_reused"} < {told.code for told in history.told}
