"""What customers ask: searching, looking, buying, cancelling."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from servers.domain.sale import order_id_of_key
from tests.support.raw import http_request, send_raw

if TYPE_CHECKING:
    from tests.support.services import Web

KEY = "a-key-of-a-customer"
ISBN = "9780306406157"


async def test_info(web: Web) -> None:
    """A book is shown with all its fields and its version as the ETag, under both paths."""
    book_id = await web.add_book(title="Xen", isbn=ISBN, price="25.00", stock=3)
    said = await web.ask("GET", f"/info/{book_id}")
    fields = said.json
    assert fields.pop("updated_at").endswith("Z")
    assert fields == {
        "id": book_id,
        "title": "Xen",
        "authors": ["Somebody"],
        "isbn": ISBN,
        "topics": ["tests"],
        "price": "25.00",
        "currency": "USD",
        "stock": 3,
        "version": 1,
    }
    assert said.headers["ETag"] == '"1"'
    assert (await web.ask("GET", f"/books/{book_id}")).body == said.body


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ('"1"', 304),
        ('W/"1"', 304),
        ('"9", "1"', 304),
        ("*", 304),
        ('"2"', 200),
        ("1", 200),
        ("", 200),
    ],
)
async def test_info_of_what_is_known(web: Web, given: str, status: int) -> None:
    """Who has the present version is told so without a body; any other tag gets the book."""
    book_id = await web.add_book()
    said = await web.ask("GET", f"/info/{book_id}", headers={"If-None-Match": given})
    assert said.status == status
    assert bool(said.body) == (status == 200)
    assert said.headers["ETag"] == '"1"'


async def test_what_is_known_may_stand_on_two_lines(web: Web) -> None:
    """Tags on several lines are one list, as in any header that holds a list."""
    book_id = await web.add_book()
    lines = ['If-None-Match: "9"', 'If-None-Match: "1"']
    raw = http_request("GET", f"/info/{book_id}", lines)
    assert (await asyncio.to_thread(send_raw, web.urls["frontend"], raw)).status == 304


async def test_a_changed_book_is_not_304(web: Web) -> None:
    """After a purchase the old tag is worth nothing: every read is current."""
    book_id = await web.add_book()
    await web.ask("POST", f"/purchase/{book_id}")
    said = await web.ask("GET", f"/info/{book_id}", headers={"If-None-Match": '"1"'})
    assert (said.status, said.json["stock"], said.headers["ETag"]) == (200, 9, '"2"')


async def test_info_of_nothing(web: Web) -> None:
    """A book that never was is 404, a deleted one 410."""
    assert (await web.ask("GET", "/info/7")).code == "book_not_found"
    book_id = await web.add_book()
    await web.staff("DELETE", f"/books/{book_id}", If_Match="*")
    said = await web.ask("GET", f"/info/{book_id}", headers={"If-None-Match": "*"})
    assert (said.status, said.code) == (410, "book_deleted")


async def test_search(web: Web) -> None:
    """A search is a bare array of the books of a topic; an unknown topic is an empty one."""
    book_id = await web.add_book(topics=["a/b & c", "t"])
    said = await web.ask("GET", "/search/A%2FB%20%26%20c")
    assert said.json == [
        {
            "id": book_id,
            "title": "A test book",
            "authors": ["Somebody"],
            "price": "10.00",
            "stock": 10,
        }
    ]
    unknown = await web.ask("GET", "/search/unknown")
    assert (unknown.status, unknown.body) == (200, b"[]")
    assert "Link" not in said.headers


async def test_search_in_pages(web: Web) -> None:
    """Following the links gives every book of a topic once, by id."""
    ids = [await web.add_book(topics=["t & u/\u00e9"]) for _ in range(5)]
    found, path = [], "/search/t%20%26%20u%2F%C3%A9?limit=2"
    while path:
        page = await web.ask("GET", path)
        assert page.status == 200, page
        assert len(page.json) <= 2
        found += [book["id"] for book in page.json]
        path = page.headers.get("Link", "").partition(">")[0].removeprefix("<")
    assert found == ids


async def test_a_cursor_of_another_search(web: Web) -> None:
    """A cursor is good for the list that gave it, whatever the case of its topic, and no other."""
    for _ in range(2):
        await web.add_book(topics=["t", "u"])
    link = (await web.ask("GET", "/search/t?limit=1")).headers["Link"]
    query = link.partition("?")[2].partition(">")[0]
    assert len((await web.ask("GET", f"/search/T?{query}")).json) == 1
    said = await web.ask("GET", f"/search/u?{query}")
    assert (said.code, said.json["field"]) == ("invalid_request", "cursor")


async def test_topics(web: Web) -> None:
    """The topics come with their counts, by name."""
    await web.add_book(topics=["b", "a"])
    await web.add_book(topics=["b"])
    said = await web.ask("GET", "/topics")
    assert said.json == [{"topic": "a", "count": 1}, {"topic": "b", "count": 2}]


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (None, {}),
        (b"", {"Content-Type": "application/x-www-form-urlencoded"}),
        (b"{}", {}),
        (b'{"quantity":1}', {}),
        (b'{"quantity":1,"version":null,"max_price":null}', {}),
    ],
)
async def test_the_ways_to_buy_one(web: Web, body: bytes | None, headers: dict[str, str]) -> None:
    """No body, an empty one and one that says the defaults mean the same purchase."""
    book_id = await web.add_book()
    key = {"Idempotency-Key": KEY}
    first = await web.ask("POST", f"/purchase/{book_id}", headers=key)
    assert first.status == 201
    again = await web.ask("POST", f"/purchase/{book_id}", body, {**headers, **key})
    assert (again.status, again.body) == (200, first.body)


async def test_a_purchase(web: Web) -> None:
    """A purchase is 201 with its order, which can be looked at and whose stock is gone."""
    book_id = await web.add_book(price="25.00", stock=3)
    said = await web.ask("POST", f"/purchase/{book_id}", {"quantity": 2})
    order = said.json
    assert (said.status, said.headers["Location"]) == (201, f"/orders/{order['id']}")
    assert (order["state"], order["total"], order["stock_after"]) == ("confirmed", "50.00", 1)
    shown = (await web.ask("GET", f"/orders/{order['id']}")).json
    assert [moment["state"] for moment in shown.pop("history")] == ["pending", "confirmed"]
    assert shown.pop("created_at") <= order["decided_at"]
    assert shown.pop("reason") is None
    assert shown == order


@pytest.mark.parametrize(
    ("body", "status", "code", "told"),
    [
        ({"quantity": 11}, 409, "out_of_stock", {"available": 10, "requested": 11}),
        ({"version": 2}, 409, "version_conflict", {}),
        ({"max_price": "9.99"}, 409, "price_changed", {}),
    ],
)
async def test_a_refused_purchase(
    web: Web, body: dict[str, object], status: int, code: str, told: dict[str, int]
) -> None:
    """A refusal says why, is kept as a rejected order, and is replayed as it was."""
    book_id = await web.add_book(stock=10)
    key = {"Idempotency-Key": KEY}
    said = await web.ask("POST", f"/purchase/{book_id}", body, key)
    assert (said.status, said.code) == (status, code)
    assert told.items() <= said.json.items()
    order = (await web.ask("GET", f"/orders/{said.json['order_id']}")).json
    assert (order["state"], order["reason"]) == ("rejected", code)
    again = await web.ask("POST", f"/purchase/{book_id}", body, key)
    assert (again.status, again.body) == (status, said.body)
    assert again.headers["Idempotency-Replayed"] == "true"


async def test_a_purchase_of_nothing(web: Web) -> None:
    """Buying what never was is 404, what was deleted 410; both are final."""
    book_id = await web.add_book()
    await web.staff("DELETE", f"/books/{book_id}", If_Match="*")
    assert (await web.ask("POST", f"/purchase/{book_id}")).code == "book_deleted"
    assert (await web.ask("POST", f"/purchase/{book_id + 1}")).code == "book_not_found"


async def test_a_key_at_once(web: Web) -> None:
    """Of many requests with one key one gets 201, all the others 200 and the same bytes."""
    book_id = await web.add_book()
    key = {"Idempotency-Key": KEY}
    asked = [web.ask("POST", f"/purchase/{book_id}", headers=key) for _ in range(16)]
    answers = await asyncio.gather(*asked)
    assert sorted(said.status for said in answers) == [200] * 15 + [201]
    assert len({said.body for said in answers}) == 1
    assert answers[0].json["id"] == order_id_of_key(KEY)
    for said in answers:
        assert ("Idempotency-Replayed" in said.headers) == (said.status == 200)


async def test_a_key_quoted_or_bare(web: Web) -> None:
    """A key means the same in quotes and without."""
    book_id = await web.add_book()
    first = await web.ask("POST", f"/purchase/{book_id}", headers={"Idempotency-Key": KEY})
    again = await web.ask("POST", f"/purchase/{book_id}", headers={"Idempotency-Key": f'"{KEY}"'})
    assert (again.status, again.body) == (200, first.body)


async def test_a_key_for_another_purchase(web: Web) -> None:
    """A key that comes with another purchase is 422 and buys nothing."""
    one, two = await web.add_book(), await web.add_book()
    key = {"Idempotency-Key": KEY}
    await web.ask("POST", f"/purchase/{one}", headers=key)
    for path, body in ((f"/purchase/{one}", {"quantity": 2}), (f"/purchase/{two}", {})):
        said = await web.ask("POST", path, body, key)
        assert (said.status, said.code) == (422, "key_reused")
    assert [(await web.ask("GET", f"/info/{each}")).json["stock"] for each in (one, two)] == [9, 10]


async def test_cancelling(web: Web) -> None:
    """Cancelling gives the copies back once; the purchase's own answer stays what it was."""
    book_id = await web.add_book(stock=1)
    key = {"Idempotency-Key": KEY}
    bought = await web.ask("POST", f"/purchase/{book_id}", headers=key)
    path = bought.headers["Location"]
    for _ in range(2):
        said = await web.ask("POST", f"{path}/cancel")
        assert (said.status, said.json["state"]) == (200, "cancelled")
    assert (await web.ask("GET", f"/info/{book_id}")).json["stock"] == 1
    again = await web.ask("POST", f"/purchase/{book_id}", headers=key)
    assert (again.status, again.body) == (200, bought.body)
    assert (await web.ask("GET", path)).json["state"] == "cancelled"


async def test_what_cannot_be_cancelled(web: Web) -> None:
    """A rejected order and one that never was cannot be cancelled."""
    refused = await web.ask("POST", f"/purchase/{await web.add_book(stock=0)}")
    said = await web.ask("POST", f"/orders/{refused.json['order_id']}/cancel")
    assert (said.status, said.code) == (409, "not_cancellable")
    assert (await web.ask("POST", f"/orders/{'f' * 32}/cancel")).code == "order_not_found"
    assert (await web.ask("GET", f"/orders/{'f' * 32}")).code == "order_not_found"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"quantity": 0}, "quantity"),
        ({"quantity": 1_000_001}, "quantity"),
        ({"quantity": 1.0}, "quantity"),
        ({"quantity": True}, "quantity"),
        ({"version": 0}, "version"),
        ({"version": 2**63}, "version"),
        ({"max_price": 10}, "max_price"),
        ({"max_price": "10"}, "max_price"),
        ({"copies": 1}, None),
    ],
)
async def test_a_purchase_of_bad_form(web: Web, body: object, field: str | None) -> None:
    """A purchase of bad form is refused by its field and leaves no order."""
    said = await web.ask("POST", f"/purchase/{await web.add_book()}", body)
    assert (said.status, said.code, said.json.get("field")) == (400, "invalid_request", field)
    assert (await web.staff("GET", "/orders")).json == []


@pytest.mark.parametrize("key", ["short", "k" * 256, "", "tab\there-0123456789"])
async def test_a_bad_key(web: Web, key: str) -> None:
    """A key that would be easy to repeat or hard to write is refused, and nothing is bought."""
    book_id = await web.add_book()
    said = await web.ask("POST", f"/purchase/{book_id}", headers={"Idempotency-Key": key})
    assert (said.status, said.json["header"]) == (400, "Idempotency-Key")
    assert (await web.staff("GET", "/orders")).json == []
