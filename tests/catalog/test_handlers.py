"""The catalog's routes for other servers: batches, items, fingerprints."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.services import (
    SERVICE_TOKEN,
    add_book,
    asking,
    catalog_app,
    listening,
    open_catalog_service,
    purchase,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from servers.catalog.service import CatalogService
    from servers.domain.sale import Purchase
    from tests.support.services import Web
    from tests.support.shop import Reply


@pytest.fixture
async def catalog(tmp_path: Path) -> AsyncIterator[CatalogService]:
    """The service behind the routes."""
    async with open_catalog_service(tmp_path) as service:
        yield service


@pytest.fixture
async def web(catalog: CatalogService) -> AsyncIterator[Web]:
    """The catalog over HTTP."""
    async with listening(catalog_app(catalog)) as url, asking(catalog=url) as client:
        yield client


async def ask(web: Web, method: str, path: str, body: object = None) -> Reply:
    """Ask as another server does."""
    return await web.ask(method, path, body, server="catalog", token=SERVICE_TOKEN)


def item(sale: Purchase, **changes: object) -> dict[str, Any]:
    """Return a purchase as it stands in a batch of sales."""
    fields = {"order_id": sale.order_id, "fingerprint": sale.fingerprint, "quantity": sale.quantity}
    return {**fields, **changes}


def sales(book_id: int, *items: dict[str, Any]) -> dict[str, Any]:
    """Return a batch of sales of one book at its first version."""
    return {"ledger_seen": 0, "books": [{"book_id": book_id, "version": 1, "sales": [*items]}]}


async def test_books_in_a_batch(web: Web, catalog: CatalogService) -> None:
    """Each book has its own status, headers and body, and a bad item spoils nothing."""
    living, deleted = await add_book(catalog), await add_book(catalog)
    await catalog.delete(deleted, None)
    items: list[object] = [
        {"book_id": living},
        {"book_id": deleted},
        {"book_id": 99},
        {"book_id": 0},
        {"book_id": "1"},
        {"book_id": 1.5},
        7,
        {"book_id": living},
    ]
    said = (await ask(web, "POST", "/books/batch", items)).json
    assert [each["status"] for each in said] == [200, 410, 404, 400, 400, 400, 400, 200]
    assert said[0]["headers"] == {"ETag": '"1"'}
    assert said[0] == said[-1]


async def test_pages_in_a_batch(web: Web, catalog: CatalogService) -> None:
    """Each page says where the next begins, and the last one says nothing."""
    ids = [await add_book(catalog, topics=("t",)) for _ in range(3)]
    items = [
        {"topic": "t", "limit": 2},
        {"topic": "t", "limit": 2, "after_id": ids[1]},
        {"topic": "t", "limit": 3},
        {"topic": "t", "limit": 0},
    ]
    said = (await ask(web, "POST", "/search/batch", items)).json
    assert [each["status"] for each in said] == [200, 200, 200, 400]
    assert [each.get("headers") for each in said[:3]] == [{"Next": str(ids[1])}, None, None]
    assert [[book["id"] for book in each["body"]] for each in said[:3]] == [ids[:2], ids[2:], ids]


@pytest.mark.parametrize("body", [b"", b"{}", b"null", b"[", b'"x"', b"\xff[]"])
@pytest.mark.parametrize("path", ["/books/batch", "/books/batch-add", "/search/batch", "/sales"])
async def test_a_bad_batch(web: Web, path: str, body: bytes) -> None:
    """What is no batch is refused as a whole."""
    assert (await ask(web, "POST", path, body)).code == "invalid_request"


BOOK = {"title": "A", "authors": ["B"], "price": "1.00", "stock": 1}
ROW = json.dumps(BOOK)
KEY = "a-key-of-a-row-01"


async def test_rows_in_a_batch(web: Web, catalog: CatalogService) -> None:
    """Each row is read as strictly as a body of its own; with a key it is added once."""
    rows: list[object] = [
        *({"row": ROW}, {"row": ROW, "key": KEY}, {"row": ROW, "key": KEY}),
        *({"row": ROW[:-1]}, {"row": "[]"}, {"row": ""}, {"row": ROW * 2}),
        *({"row": '{"title": "A", "title": "B"}'}, {"row": '{"stock": NaN}'}),
        *({"row": json.dumps({**BOOK, "price": "1"})}, {"row": json.dumps({**BOOK, "id": 1})}),
        *({"row": json.dumps({**BOOK, "title": "\ud800"})}, {"row": "[" * 100_000}),
        *({}, {"row": BOOK}, {"row": ROW, "key": "short"}, {"row": ROW, "line": 1}, 7),
    ]
    said = (await ask(web, "POST", "/books/batch-add", rows)).json
    assert [each["status"] for each in said] == [201, 201, 200, *[400] * (len(rows) - 3)]
    assert said[0]["headers"] == {"ETag": '"1"', "Location": f"/books/{said[0]['body']['id']}"}
    assert said[2]["headers"]["Idempotency-Replayed"] == "true"
    assert said[9]["body"]["field"] == "price"
    assert await catalog.last_number() == 2
    other = json.dumps({**BOOK, "stock": 2})
    told = (await ask(web, "POST", "/books/batch-add", [{"row": other, "key": KEY}])).json
    assert [(each["status"], each["body"]["code"]) for each in told] == [(422, "key_reused")]
    many = [{"row": ROW}] * 513
    assert (await ask(web, "POST", "/books/batch-add", many)).code == "invalid_request"


async def test_sales(web: Web, catalog: CatalogService) -> None:
    """Each purchase of a batch has its own outcome, with the entry or the present book."""
    book_id = await add_book(catalog, stock=1)
    one, two = purchase(book_id), purchase(book_id)
    said = (await ask(web, "POST", "/sales", sales(book_id, item(one), item(two)))).json
    assert [(each["status"], each["code"]) for each in said[0]] == [(200, "sold"), (200, "refused")]
    assert said[0][0]["entry"]["stock_after"] == 0
    await catalog.delete(book_id, None)
    other_id = await add_book(catalog)
    stale = sales(other_id, item(purchase(other_id)))
    stale["books"][0]["version"] = 2
    ((told,),) = (await ask(web, "POST", "/sales", stale)).json
    assert (told["status"], told["code"]) == (412, "stale_version")
    assert told["current"]["version"] == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"fingerprint": "0" * 64},
        {"quantity": 2},
        {"version": 1},
        {"max_price": "1.00"},
        {"max_price": "1"},
        {"quantity": 0},
        {"quantity": 1.0},
        {"order_id": "0" * 31},
        {"order_id": "F" * 32},
        {"copies": 1},
    ],
    ids=repr,
)
async def test_a_sale_of_bad_form(
    web: Web, catalog: CatalogService, changes: dict[str, object]
) -> None:
    """A purchase that does not fit its fingerprint or its form is never decided."""
    book_id = await add_book(catalog)
    said = await ask(web, "POST", "/sales", sales(book_id, item(purchase(book_id), **changes)))
    assert (said.status, said.code) == (400, "invalid_request")
    assert await catalog.last_number() == 1


async def test_too_many_sales(web: Web, catalog: CatalogService) -> None:
    """More sales than a call may have are refused as a whole."""
    book_id = await add_book(catalog, stock=1000)
    items = [item(purchase(book_id)) for _ in range(513)]
    assert (await ask(web, "POST", "/sales", sales(book_id, *items))).status == 400
    assert (await ask(web, "POST", "/sales", sales(book_id, *items[:512]))).status == 200
    assert await catalog.last_number() == 513


async def test_a_behind_ledger_over_http(web: Web, catalog: CatalogService) -> None:
    """A batch that knows more than the ledger is 409, and nothing changes."""
    book_id = await add_book(catalog)
    body = {**sales(book_id, item(purchase(book_id))), "ledger_seen": 5}
    said = await ask(web, "POST", "/sales", body)
    assert (said.status, said.code, said.json["last"]) == (409, "ledger_behind", 1)
