"""The items of a batched call between servers: a bad one is refused alone and spoils nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.books import last_number
from tests.support.shop import open_shop

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.shop import Reply, Shop

ORDER = "e" * 32
ROW = json.dumps({"title": "A", "authors": ["B"], "price": "1.00", "stock": 1})
GOOD = {
    "/books/batch-add": json.dumps({"row": ROW, "key": "a-key-of-a-row-01"}),
    "/books/batch": '{"book_id": 1}',
    "/search/batch": '{"topic": "nowhere", "limit": 1}',
    "/orders/batch": f'{{"order_id": "{ORDER}", "book_id": 1, "quantity": 1000000}}',
}
"""An item that changes nothing, for each batch: the row is in, and the last is out of stock."""

_IDS = ("0", "-1", "1.0", "1e0", '"1"', "true", "null", "[1]", "{}", str(2**63), "9" * 400)
_TEXTS = ("1", "null", '""', '"a\\u0000"', '"\\u001b[31m"', '"\\u0085"', f'"{"x" * 257}"', '"a\\n"')
_LIMITS = ("0", "201", "-1", "1.0", '"1"', "null", str(2**64))
_ORDERS: tuple[str, ...] = (
    "1",
    "null",
    '""',
    f'"{ORDER[1:]}"',
    f'"{ORDER}0"',
    f'"{ORDER.upper()}"',
)
_ORDERS += (f'"{ORDER}\\n"', f'"{ORDER[1:]}\\u0661"')
_PRICES = ("1", "1.00", '"1"', '"1.0"', '"-1.00"', '"1.00\\n"', '"\\u0661.00"', '"1e3"')
_FIELDS = {
    ("/books/batch-add", "row"): ("1", "null", "{}", '""', '"{}"', '"[]"', ROW),
    ("/books/batch-add", "key"): (
        "1",
        '""',
        '"short"',
        f'"{"x" * 256}"',
        '"\u00e9-a-key-that-is"',
    ),
    ("/books/batch-add", "<script>"): ("1",),
    ("/books/batch", "book_id"): _IDS,
    ("/books/batch", "request_id"): ("1", "null", f'"{"x" * 65}"'),
    ("/books/batch", "deadline_ms"): ("1.5", '"1"', "null"),
    ("/books/batch", "<script>"): ("1",),
    ("/search/batch", "topic"): _TEXTS,
    ("/search/batch", "limit"): _LIMITS,
    ("/search/batch", "after_id"): ("-1", "1.0", "null", str(2**63)),
    ("/search/batch", "<script>"): ("1",),
    ("/orders/batch", "order_id"): _ORDERS,
    ("/orders/batch", "book_id"): _IDS,
    ("/orders/batch", "quantity"): (*_IDS, "1000001"),
    ("/orders/batch", "version"): ("0", "1.0", '"1"', str(2**63)),
    ("/orders/batch", "max_price"): _PRICES,
    ("/orders/batch", "request_id"): ("1", "null", f'"{"x" * 65}"'),
    ("/orders/batch", "<script>"): ("1",),
}
_SHAPES = ("{}", "[]", "1", "null", '"x"', "true", "[" * 900 + "]" * 900)


def _bad_items() -> Iterator[tuple[str, str]]:
    for (path, field), values in _FIELDS.items():
        item = json.loads(GOOD[path])
        for value in values:
            others = {name: it for name, it in item.items() if name != field}
            yield path, f'{json.dumps(others)[:-1]}, "{field}": {value}}}'.replace("{, ", "{")
    for path, good in GOOD.items():
        for shape in _SHAPES:
            yield path, shape
        # The same key once more, plainly and with an escape in it.
        name = next(iter(json.loads(good)))
        for again in (name, name.replace("o", "\\u006f", 1)):
            yield path, f'{good[:-1]}, "{again}": {json.dumps(json.loads(good)[name])}}}'


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A shop with its sample books; the order of the good items is placed, and refused."""
    with open_shop(tmp_path_factory.mktemp("batches") / "shop") as shop:
        assert _ask(shop, "/books/batch-add", GOOD["/books/batch-add"]).json[0]["status"] == 201
        assert _ask(shop, "/orders/batch", GOOD["/orders/batch"]).json[0]["status"] == 409
        yield shop


def _ask(shop: Shop, path: str, *items: str) -> Reply:
    server = "order" if path.startswith("/orders") else "catalog"
    token = {"Authorization": f"Bearer {shop.token('service')}"}
    return shop.request("POST", path, f"[{','.join(items)}]".encode(), token, server=server)


@pytest.mark.parametrize(("path", "item"), list(_bad_items()), ids=lambda text: ascii(text)[:70])
def test_a_bad_item_spoils_nothing(shop: Shop, path: str, item: str) -> None:
    """It is invalid_request in its place, repeats nothing; its neighbours are answered."""
    before = last_number(shop), shop.request("GET", "/orders", admin=True).body
    said = _ask(shop, path, GOOD[path], item, GOOD[path])
    assert said.status == 200, said.body
    first, bad, last = said.json
    assert first == last
    assert first["status"] in {200, 409}
    assert (bad["status"], bad["body"]["code"]) == (400, "invalid_request")
    assert b"script>" not in said.body
    assert (last_number(shop), shop.request("GET", "/orders", admin=True).body) == before


@pytest.mark.parametrize("path", GOOD)
def test_how_many_items_a_batch_has(shop: Shop, path: str) -> None:
    """None and 512 are answered, 513 are refused as a whole, good or bad."""
    assert _ask(shop, path).json == []
    assert len(_ask(shop, path, *[GOOD[path]] * 512).json) == 512
    for item in (GOOD[path], "{}"):
        said = _ask(shop, path, *[item] * 513)
        assert (said.status, said.json["code"]) == (400, "invalid_request")


def _sales(**fields: Any) -> bytes:
    """Return a batch of one sale that would be stale, but for the fields given."""
    sale = {"order_id": ORDER, "fingerprint": "0" * 64, "quantity": 1, **fields}
    books = [{"book_id": 1, "version": 10**6, "sales": [sale]}]
    return json.dumps({"ledger_seen": 0, "books": books}).encode()


@pytest.mark.parametrize(
    "body",
    [
        *(_sales(), _sales(order_id=ORDER + "\n"), _sales(fingerprint="0" * 64 + "\n")),
        *(_sales(order_id=ORDER.upper()), _sales(quantity=True), _sales(quantity=10**6 + 1)),
        *(_sales(version=0), _sales(max_price="1.0"), _sales(max_price=1), _sales(more="<script>")),
        *(_sales(request_id="x" * 65), _sales(request_id="\ud800"), _sales(quantity=2**70)),
        _sales().replace(b'"quantity"', b'"quantity": 1, "quantity"'),
        _sales().replace(b'"quantity"', b'"quantity": 1, "\\u0071uantity"'),
        _sales().replace(b'"version"', b'"version": 1, "version"'),
        _sales().replace(b'"ledger_seen": 0', b'"ledger_seen": 9223372036854775808'),
        _sales().replace(b'"ledger_seen": 0', b'"ledger_seen": -1'),
        _sales().replace(b'"book_id": 1', b'"book_id": NaN'),
    ],
    ids=lambda body: ascii(body)[:70],
)
def test_a_batch_of_sales_is_one_thing(shop: Shop, body: bytes) -> None:
    """It is made by the order server alone: one bad sale refuses all, and none is recorded."""
    before = last_number(shop)
    token = {"Authorization": f"Bearer {shop.token('service')}"}
    said = shop.request("POST", "/sales", body, token, server="catalog")
    assert (said.status, said.json["code"]) == (400, "invalid_request"), said.body
    assert b"script>" not in said.body
    assert last_number(shop) == before


def test_no_refusal_was_a_mistake_of_the_shop(shop: Shop) -> None:
    """After all of this the log has no traceback, and every line of a request is JSON."""
    assert "Traceback" not in shop.log
    for line in shop.log.splitlines():
        text = line.partition("| ")[2]
        assert not text.startswith("{") or json.loads(text)
