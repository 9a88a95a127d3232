"""One idempotency key used more than once: at the same time, and after a restart of all."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.support.books import last_number, ledger_of, stock_of
from tests.support.customers import customers
from tests.support.shop import open_shop

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.customers import Customer
    from tests.support.shop import Shop

AT_ONCE = 32


async def test_one_key_buys_once(shop: Shop, customer: Customer) -> None:
    """32 requests at once with one key: one 201, 31 replays of the very same bytes."""
    for number in range(10):
        book_id = await asyncio.to_thread(shop.add_book, 100)
        key = f"one key, many requests {number}"
        answers = await asyncio.gather(
            *[customer.purchase(book_id, key, quantity=2) for _ in range(AT_ONCE)]
        )
        assert sorted(answer.status for answer in answers) == (AT_ONCE - 1) * [200] + [201]
        for answer in answers:
            replayed = answer.headers.get("idempotency-replayed")
            assert replayed == (None if answer.status == 201 else "true")
            assert answer.headers["location"] == f"/orders/{answer.json['id']}"
        assert len({answer.body for answer in answers}) == 1
        assert await asyncio.to_thread(stock_of, shop, book_id) == 98


async def test_one_key_is_refused_once(shop: Shop, customer: Customer) -> None:
    """32 at once with one key for a sold-out book: one refusal in the ledger, said 32 times."""
    book_id = await asyncio.to_thread(shop.add_book, 0)
    key = "a key that comes too late"
    answers = await asyncio.gather(*[customer.purchase(book_id, key) for _ in range(AT_ONCE)])
    assert {answer.status for answer in answers} == {409}
    assert len({answer.body for answer in answers}) == 1
    replayed = [answer for answer in answers if "idempotency-replayed" in answer.headers]
    assert len(replayed) == AT_ONCE - 1
    entries = await asyncio.to_thread(ledger_of, shop, book_id)
    assert [entry["kind"] for entry in entries] == ["added", "refused"]


@pytest.mark.parametrize(
    "wishes",
    [{"quantity": 2}, {"quantity": 1, "version": 1}, {"max_price": "99.00"}],
    ids=["quantity", "version", "price"],
)
async def test_a_key_stands_for_one_request(
    shop: Shop, customer: Customer, wishes: dict[str, object]
) -> None:
    """The same key with another body or book: 422, and nothing comes of it."""
    book_id, other_id = [await asyncio.to_thread(shop.add_book, 9) for _ in range(2)]
    key = f"this key is taken {sorted(wishes)}"
    bought = await customer.purchase(book_id, key)
    before = await asyncio.to_thread(last_number, shop)
    answers = [
        await customer.purchase(book_id, key, **wishes),
        await customer.purchase(other_id, key),
    ]
    assert bought.status == 201
    assert [(said.status, said.json["code"]) for said in answers] == 2 * [(422, "key_reused")]
    assert await asyncio.to_thread(last_number, shop) == before
    same = [
        await customer.purchase(book_id, key),
        await customer.purchase(book_id, key, quantity=1),
    ]
    assert [(said.status, said.body) for said in same] == 2 * [(200, bought.body)]


async def test_two_requests_race_for_one_key(shop: Shop, customer: Customer) -> None:
    """16 of each of two requests with one key: one kind is answered, all the others are 422."""
    for number in range(10):
        book_id = await asyncio.to_thread(shop.add_book, 100)
        key = f"two requests race {number:04d}"
        answers = await asyncio.gather(
            *[customer.purchase(book_id, key, quantity=1 + place % 2) for place in range(AT_ONCE)]
        )
        codes = sorted(answer.status for answer in answers)
        assert codes == 15 * [200] + [201] + 16 * [422]
        (bought,) = {answer.body for answer in answers if answer.status < 400}
        (sold,) = (
            entry
            for entry in await asyncio.to_thread(ledger_of, shop, book_id)
            if entry["kind"] == "sold"
        )
        (said,) = [answer.json for answer in answers if answer.status == 201]
        assert said["id"] == sold["order_id"]
        assert said["quantity"] == sold["quantity"]
        assert bought == next(answer.body for answer in answers if answer.status == 201)


async def test_a_key_outlives_the_shop(tmp_path: Path) -> None:
    """After a restart of all the same key is answered as before, byte by byte."""
    keys = {name: f"a key for what is {name}" for name in ("bought", "sold out", "missing")}
    with open_shop(tmp_path / "shop", sample="false") as shop:
        books = {"bought": shop.add_book(5), "sold out": shop.add_book(0), "missing": 999}
        async with customers(shop.urls["frontend"]) as customer:
            first = {name: await customer.purchase(books[name], keys[name]) for name in keys}
        assert shop.stop() == 0
    with open_shop(tmp_path / "shop", sample="false") as shop:
        # What made the refusals has changed, but they are final.
        headers = {"If-Match": "*"}
        parcel = {"change": 5, "reason": "a parcel came"}
        path = f"/books/{books['sold out']}/stock"
        assert shop.request("POST", path, parcel, headers, admin=True).status == 200
        async with customers(shop.urls["frontend"]) as customer:
            later = {name: await customer.purchase(books[name], keys[name]) for name in keys}
            other = await customer.purchase(books["bought"], keys["bought"], quantity=3)
        assert [later[name].body for name in keys] == [first[name].body for name in keys]
        assert [first[name].status for name in keys] == [201, 409, 404]
        assert [later[name].status for name in keys] == [200, 409, 404]
        assert all("idempotency-replayed" in later[name].headers for name in keys)
        assert (other.status, other.json["code"]) == (422, "key_reused")
        assert stock_of(shop, books["bought"]) == 4
