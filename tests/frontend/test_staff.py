"""What staff change, who is let in where, and how a request is followed through the logs."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.services import ADMIN_TOKEN, SERVICE_TOKEN, open_servers, wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.services import Web

BOOK = {"title": "Xen", "authors": ["A"], "price": "25.00", "stock": 3, "topics": ["t"]}
WHOLE = {"title": "New", "authors": ["B"], "price": "1.00", "topics": [], "isbn": None}
KEY = "a-key-of-our-staff"


async def test_adding(web: Web) -> None:
    """A new book is 201 with where it is and its version; the same key again is 200."""
    said = await web.staff("POST", "/books", BOOK, Idempotency_Key=KEY)
    path = said.headers["Location"]
    assert (said.status, said.headers["ETag"]) == (201, '"1"')
    assert (await web.ask("GET", path)).body == said.body
    again = await web.staff("POST", "/books", BOOK, Idempotency_Key=KEY)
    assert (again.status, again.body) == (200, said.body)
    assert again.headers["Idempotency-Replayed"] == "true"
    other = await web.staff("POST", "/books", {**BOOK, "stock": 4}, Idempotency_Key=KEY)
    assert (other.status, other.code) == (422, "key_reused")


@pytest.mark.parametrize(
    ("method", "suffix", "body"),
    [
        ("PUT", "", WHOLE),
        ("PATCH", "", {"price": "1.00"}),
        ("POST", "/stock", {"change": 1, "reason": "delivery"}),
        ("POST", "/stock", {"count": 1, "reason": "counted"}),
        ("DELETE", "", None),
    ],
)
async def test_a_change_needs_its_version(web: Web, method: str, suffix: str, body: object) -> None:
    """Without a version 428, with nonsense 400, an old one 412 and the book, else it is made."""
    path = f"/books/{await web.add_book()}{suffix}"
    assert (await web.staff(method, path, body)).status == 428
    for nonsense in ("1", 'W/"1"', '"1", "2"', '""', '"x"'):
        assert (await web.staff(method, path, body, If_Match=nonsense)).status == 400
    old = await web.staff(method, path, body, If_Match='"9"')
    current = (await web.ask("GET", path.removesuffix(suffix))).json
    assert (old.status, old.code, old.json["current"]) == (412, "stale_version", current)
    made = await web.staff(method, path, body, If_Match='"1"')
    assert made.status == (204 if method == "DELETE" else 200)
    if method != "DELETE":
        assert made.headers["ETag"] == '"2"'
        assert made.json["version"] == 2
    assert (await web.staff(method, path, body, If_Match='"1"')).status == (
        410 if method == "DELETE" else 412
    )


@pytest.mark.parametrize(
    ("method", "suffix", "body", "allowed"),
    [
        ("PUT", "", WHOLE, False),
        ("PATCH", "", {"price": "1.00"}, False),
        ("POST", "/stock", {"count": 1, "reason": "counted"}, False),
        ("POST", "/stock", {"change": 1, "reason": "delivery"}, True),
        ("DELETE", "", None, True),
    ],
)
async def test_any_version(web: Web, method: str, suffix: str, body: object, allowed: bool) -> None:
    """Only what does not depend on what was seen may be done whatever the version."""
    path = f"/books/{await web.add_book()}{suffix}"
    said = await web.staff(method, path, body, If_Match="*")
    assert said.status == ((204 if method == "DELETE" else 200) if allowed else 400)


async def test_a_purchase_moves_the_version(web: Web) -> None:
    """An edit made against the version before a purchase is refused with the book as it is."""
    book_id = await web.add_book(stock=5)
    await web.ask("POST", f"/purchase/{book_id}")
    said = await web.staff("PATCH", f"/books/{book_id}", {"title": "New"}, If_Match='"1"')
    assert said.status == 412
    assert (said.json["current"]["stock"], said.json["current"]["version"]) == (4, 2)


async def test_after_a_delete(web: Web) -> None:
    """On a deleted book everything is 410, and its id does not come back."""
    book_id = await web.add_book()
    path = f"/books/{book_id}"
    assert (await web.staff("DELETE", path, If_Match="*")).status == 204
    for method, suffix, body in (
        ("GET", "", None),
        ("PUT", "", WHOLE),
        ("PATCH", "", {"title": "New"}),
        ("POST", "/stock", {"change": 1, "reason": "r"}),
        ("DELETE", "", None),
    ):
        said = await web.staff(method, f"{path}{suffix}", body, If_Match='"1"')
        assert (said.status, said.code) == (410, "book_deleted")
    assert await web.add_book() == book_id + 1
    kinds = [entry["kind"] for entry in (await web.staff("GET", f"{path}/ledger")).json]
    assert kinds == ["deleted", "added"]


async def test_the_ledger_in_pages(web: Web) -> None:
    """A book's ledger comes newest first, and following the links gives all of it."""
    book_id = await web.add_book()
    for _ in range(4):
        await web.ask("POST", f"/purchase/{book_id}")
    numbers, path = [], f"/books/{book_id}/ledger?limit=2"
    while path:
        page = await web.staff("GET", path)
        numbers += [entry["number"] for entry in page.json]
        path = page.headers.get("Link", "").partition(">")[0].removeprefix("<")
    assert numbers == [5, 4, 3, 2, 1]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"title": ""}, "title"),
        ({"title": "x" * 501}, "title"),
        ({"title": "a\x00b"}, "title"),
        ({"title": "\u200b"}, "title"),
        ({"authors": []}, "authors"),
        ({"authors": [""]}, "authors"),
        ({"authors": ["x"] * 51}, "authors"),
        ({"topics": ["x" * 257]}, "topics"),
        ({"topics": "t"}, "topics"),
        ({"isbn": "9780306406158"}, "isbn"),
        ({"price": "1"}, "price"),
        ({"price": 1}, "price"),
        ({"price": "1000000000.01"}, "price"),
        ({"stock": -1}, "stock"),
        ({"stock": 10**9 + 1}, "stock"),
        ({"stock": 1.5}, "stock"),
        ({"stock": True}, "stock"),
        ({"version": 1}, None),
    ],
    ids=repr,
)
async def test_a_bad_book(web: Web, change: dict[str, object], field: str | None) -> None:
    """A book with a bad field is refused by the field's name, and nothing is added."""
    said = await web.staff("POST", "/books", {**BOOK, **change})
    assert (said.status, said.code, said.json.get("field")) == (400, "invalid_request", field)
    assert (await web.ask("GET", "/topics")).json == []


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"change": -11, "reason": "r"}, 409, "out_of_stock"),
        ({"change": 10**9, "reason": "r"}, 409, "stock_limit"),
        ({"change": 1}, 400, "invalid_request"),
        ({"change": 1, "reason": ""}, 400, "invalid_request"),
        ({"reason": "r"}, 400, "invalid_request"),
        ({"change": 1, "count": 1, "reason": "r"}, 400, "invalid_request"),
        ({"change": 10**9 + 1, "reason": "r"}, 400, "invalid_request"),
        ({"change": 0.5, "reason": "r"}, 400, "invalid_request"),
    ],
)
async def test_a_bad_restock(web: Web, body: object, status: int, code: str) -> None:
    """A restock beyond its bounds or of bad form leaves the stock as it is."""
    book_id = await web.add_book(stock=10)
    said = await web.staff("POST", f"/books/{book_id}/stock", body, If_Match="*")
    assert (said.status, said.code) == (status, code)
    assert (await web.ask("GET", f"/info/{book_id}")).json["version"] == 1


async def test_orders_for_staff(web: Web) -> None:
    """Staff see the orders newest first, by state and book, page by page."""
    book_id = await web.add_book(stock=2)
    ids = []
    for _ in range(3):
        said = await web.ask("POST", f"/purchase/{book_id}")
        ids.append(said.json.get("id") or said.json["order_id"])
    assert [each["id"] for each in (await web.staff("GET", "/orders")).json] == ids[::-1]
    rejected = await web.staff("GET", f"/orders?state=rejected&book_id={book_id}")
    assert [each["id"] for each in rejected.json] == ids[2:]
    page = await web.staff("GET", "/orders?limit=2")
    following = page.headers["Link"].partition(">")[0].removeprefix("<")
    assert [each["id"] for each in (await web.staff("GET", following)).json] == ids[:1]
    for bad in ("state=lost", "book_id=0", "limit=201", "cursor=x", "page=2"):
        assert (await web.staff("GET", f"/orders?{bad}")).status == 400


STAFF_ROUTES = [
    ("GET", "/orders"),
    ("POST", "/books"),
    ("PUT", "/books/1"),
    ("PATCH", "/books/1"),
    ("DELETE", "/books/1"),
    ("POST", "/books/1/stock"),
    ("GET", "/books/1/ledger"),
]
INSIDE_ROUTES = [
    ("catalog", "GET", "/books"),
    ("catalog", "POST", "/books/batch"),
    ("catalog", "POST", "/sales"),
    ("catalog", "GET", "/ledger"),
    ("catalog", "GET", "/books/1"),
    ("catalog", "DELETE", "/books/1"),
    ("order", "GET", "/orders"),
    ("order", "POST", "/orders/batch"),
    ("order", "POST", f"/orders/{'0' * 32}/cancel"),
]


async def test_who_is_let_in(web: Web) -> None:
    """No token and a wrong one are 401 everywhere; a server's token does not make staff."""
    routes = [("frontend", *route) for route in STAFF_ROUTES] + INSIDE_ROUTES
    for server, method, path in routes:
        for token in (None, "0" * 64):
            said = await web.ask(method, path, server=server, token=token)
            assert (said.status, said.code) == (401, "unauthorized"), (server, method, path)
    for method, path in STAFF_ROUTES:
        said = await web.ask(method, path, token=SERVICE_TOKEN)
        assert (said.status, said.code) == (403, "forbidden"), (method, path)
    for server, method, path in INSIDE_ROUTES:
        for token in (ADMIN_TOKEN, SERVICE_TOKEN):
            said = await web.ask(method, path, server=server, token=token)
            assert said.status not in {401, 403}, (server, method, path)


async def test_health_is_open_to_anyone(web: Web) -> None:
    """Whether a server lives, is ready and what it counted is told without a token."""
    for server in ("frontend", "catalog", "order"):
        assert (await web.ask("GET", "/livez", server=server)).json == {"live": True}
        assert (await web.ask("GET", "/readyz", server=server)).json == {"ready": True}
        metrics = await web.ask("GET", "/metrics", server=server)
        assert b'bookstore_requests_total{method="GET",route="/livez",status="200"} 1.0' in (
            metrics.body
        )


async def test_a_request_is_followed_through_the_logs(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The id of a customer's request stands in the logs of all three servers, and in no body."""
    found: list[dict[str, Any]] = []

    def lines_of(request_id: str) -> list[dict[str, Any]]:
        found.extend(json.loads(line) for line in capfd.readouterr().err.splitlines())
        return [
            line
            for line in found
            if request_id in {line["request_id"], *line.get("item_request_ids", "").split()}
        ]

    async with open_servers(tmp_path) as web:
        book_id = await web.add_book()
        followed = {"X-Request-Id": "follow-me-1"}
        said = await web.ask("POST", f"/purchase/{book_id}", headers=followed)
        assert said.headers["X-Request-Id"] == "follow-me-1"
        assert b"follow-me" not in said.body
        await wait_until(lambda: len(lines_of("follow-me-1")) >= 3, "all three have logged it")
        assert {line["server"] for line in lines_of("follow-me-1")} == {
            *("frontend", "order", "catalog"),
        }
        followed = {"X-Request-Id": "follow-me-2"}
        await web.ask("GET", f"{said.headers['Location']}", headers=followed)
        await asyncio.gather(
            web.ask("GET", f"/info/{book_id}", headers=followed),
            web.ask("GET", "/search/tests", headers=followed),
        )
        await wait_until(lambda: len(lines_of("follow-me-2")) >= 6, "both have logged each")
        assert {line["server"] for line in lines_of("follow-me-2")} >= {"catalog", "order"}
    assert not any(token in str(found) for token in (ADMIN_TOKEN, SERVICE_TOKEN))
