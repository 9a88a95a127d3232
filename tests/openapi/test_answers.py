"""Real answers held against the documents: every one has a status, headers and body told there."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from servers.catalog import examples
from servers.domain.sale import Purchase
from servers.web.routes import Router
from tests.openapi.documents import SERVERS, checker, closed, document_of, found, operations
from tests.support.services import ADMIN_TOKEN, SERVICE_TOKEN, open_servers
from tests.support.tables import tables

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.support.services import Web
    from tests.support.shop import Reply

BOOK = {"title": "T", "authors": ["A"], "price": "5.00", "stock": 3, "topics": ["tests"]}
ISBN = "9780140449334"
KEY = "a-key-of-these-tests"
NO_ORDER = "0" * 32
OF_HTTP = {"server", "date", "content-length", "content-type", "connection"}
"""Headers that every answer has from HTTP itself."""


@dataclass
class Witness:
    """Asks servers, and holds each answer against what its document tells of the route."""

    web: Web
    documents: dict[str, dict[str, Any]]
    routers: dict[str, Router]
    seen: dict[str, set[tuple[str, int]]] = field(default_factory=dict)

    async def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        server: str = "frontend",
        token: str | None = ADMIN_TOKEN,
        like: str = "",
        **headers: str,
    ) -> Reply:
        """Ask, check the answer, and return it; ``like`` is a good path where this is none."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        said = await self.web.ask(method, path, body, named, server=server, token=token)
        route, _ = self.routers[server].resolve(method, like or path.partition("?")[0])
        name = f"{route.method} {route.path}"
        self._check(server, route.path, route.method, said)
        self.seen.setdefault(server, set()).add((name, said.status))
        return said

    def _check(self, server: str, path: str, method: str, said: Reply) -> None:
        document = self.documents[server]
        plain = path.replace(":id}", "}").replace(":order}", "}").replace(":topic}", "}")
        told = document["paths"][plain][method.lower()]["responses"]
        assert str(said.status) in told, (method, path, said)
        response = found(document, told[str(said.status)])
        named = {header.lower() for header in response["headers"]}
        extra = {header.lower() for header in said.headers} - OF_HTTP - named
        assert not extra, (method, path, said)
        for name, each in response["headers"].items():
            if name in said.headers:
                schema = found(document, each)["schema"]
                given = said.headers[name]
                value = int(given) if schema["type"] == "integer" else given
                assert checker(document, schema).is_valid(value), (name, given)
        contents = response.get("content", {})
        if not contents:
            assert said.body == b""
            return
        content = contents[said.headers["Content-Type"]]
        body = said.json if "json" in said.headers["Content-Type"] else said.body.decode()
        wrong = [str(error) for error in checker(document, content["schema"]).iter_errors(body)]
        assert not wrong, (method, path, wrong, body)

    async def add(self, **fields: object) -> str:
        """Add a book and return its path."""
        return (await self.ask("POST", "/books", {**BOOK, **fields})).headers["Location"]


@pytest.fixture
async def witness(tmp_path: Path) -> AsyncIterator[Witness]:
    """Three running servers, their documents with nothing allowed that they do not name."""
    documents = {server: closed(await document_of(server)) for server in SERVERS}
    routers = {server: Router(routes) for server, routes in tables().items()}
    async with open_servers(tmp_path) as web:
        yield Witness(web, documents, routers)


async def test_what_staff_are_answered(witness: Witness) -> None:
    """Adding, editing, restocking, deleting: what is done, and what is refused."""
    ask = witness.ask
    assert (await ask("POST", "/books", BOOK, Idempotency_Key=KEY)).status == 201
    assert (await ask("POST", "/books", BOOK, Idempotency_Key=KEY)).status == 200
    assert (await ask("POST", "/books", {**BOOK, "stock": 1}, Idempotency_Key=KEY)).status == 422
    path = await witness.add(isbn=ISBN)
    whole = {name: BOOK[name] for name in ("title", "authors", "price", "topics")}
    for status, code, method, suffix, body, version in (
        (409, "isbn_exists", "POST", "", {**BOOK, "isbn": ISBN}, None),
        (400, "invalid_request", "PATCH", "", {"price": 5}, '"1"'),
        (400, "invalid_request", "PATCH", "", {}, '"1"'),
        (428, "version_required", "PATCH", "", {"price": "6.00"}, None),
        (200, "", "PATCH", "", {"price": "6.00"}, '"1"'),
        (412, "stale_version", "PATCH", "", {"price": "7.00"}, '"1"'),
        (200, "", "PUT", "", {**whole, "isbn": None}, '"2"'),
        (412, "stale_version", "PUT", "", {**whole, "isbn": None}, '"2"'),
        (200, "", "POST", "/stock", {"change": 2, "reason": "delivery"}, "*"),
        (409, "out_of_stock", "POST", "/stock", {"change": -9, "reason": "lost"}, "*"),
        (409, "stock_limit", "POST", "/stock", {"change": 10**9, "reason": "many"}, "*"),
        (415, "unsupported_media_type", "POST", "/stock", b"plain", "*"),
        (413, "body_too_large", "POST", "/stock", b"[" * 70_000, "*"),
        (204, "", "DELETE", "", None, "*"),
        (410, "book_deleted", "DELETE", "", None, "*"),
        (410, "book_deleted", "GET", "", None, None),
    ):
        target = "/books" if code == "isbn_exists" else path + suffix
        headers = {} if version is None else {"If_Match": version}
        if code == "unsupported_media_type":
            headers["Content_Type"] = "text/plain"
        said = await ask(method, target, body, **headers)
        assert said.status == status, (method, suffix, body, said)
        assert not code or said.code == code
    assert (await ask("GET", f"{path}/ledger?limit=1")).headers["Link"]
    assert (await ask("GET", f"{path}/ledger?limit=0")).status == 400
    assert (await ask("GET", "/books/99/ledger")).code == "book_not_found"
    for token, status in ((None, 401), (SERVICE_TOKEN, 403)):
        assert (await ask("POST", "/books", BOOK, token=token)).status == status
        assert (await ask("GET", "/orders", token=token)).status == status


async def test_what_customers_are_answered(witness: Witness) -> None:
    """Searching, looking, purchasing, cancelling: what is done, and every kind of refusal."""
    ask = witness.ask
    path = await witness.add(stock=2)
    await witness.add()
    buy = path.replace("/books", "/purchase")
    assert (await ask("GET", path, If_None_Match='"1"')).status == 304
    assert (await ask("GET", "/search/tests?limit=1")).headers["Link"]
    assert (await ask("GET", "/search/tests?limit=x")).status == 400
    assert (await ask("GET", f"/search/{'x' * 300}", like="/search/x")).status == 414
    assert (await ask("GET", "/info/99")).code == "book_not_found"
    assert (await ask("GET", "/info/0", like="/info/1")).code == "not_found"
    assert (await ask("GET", "/topics", X_Deadline_Ms="soon")).status == 400
    bought = await ask("POST", buy, Idempotency_Key=KEY)
    assert bought.status == 201
    again = await ask("POST", buy, Idempotency_Key=KEY)
    assert (again.status, again.headers["Idempotency-Replayed"]) == (200, "true")
    assert (await ask("POST", buy, {"quantity": 2}, Idempotency_Key=KEY)).code == "key_reused"
    assert (await ask("POST", buy, {"quantity": 5})).code == "out_of_stock"
    assert (await ask("POST", buy, {"version": 1})).code == "version_conflict"
    assert (await ask("POST", buy, {"max_price": "1.00"})).code == "price_changed"
    assert (await ask("POST", "/purchase/99", Idempotency_Key=KEY * 2)).code == "book_not_found"
    replayed = await ask("POST", "/purchase/99", Idempotency_Key=KEY * 2)
    assert replayed.headers["Idempotency-Replayed"] == "true"
    order = bought.headers["Location"]
    assert (await ask("GET", order)).status == 200
    assert (await ask("POST", f"{order}/cancel")).status == 200
    assert (await ask("POST", f"/orders/{NO_ORDER}/cancel")).code == "order_not_found"
    orders = await ask("GET", "/orders?limit=1&state=rejected")
    assert orders.headers["Link"]
    refused = orders.json[0]["id"]
    assert (await ask("POST", f"/orders/{refused}/cancel")).code == "not_cancellable"
    await witness.web.shut("order")
    assert (await ask("POST", buy)).status in {503, 504}
    await witness.web.shut("catalog")
    for gone in (path, "/topics", "/search/tests"):
        assert (await ask("GET", gone)).code == "unavailable"


async def test_what_servers_are_answered(witness: Witness) -> None:
    """The routes inside: batches, sales, voids, returns, the ledger, repairs."""
    book = int((await witness.add()).rpartition("/")[2])
    purchase = Purchase(examples.ORDER_ID, book)
    one = {"fingerprint": purchase.fingerprint, "quantity": 1}
    whole = {"ledger_seen": 0, "book_id": book, **one}
    sale = {"order_id": purchase.order_id, **one}
    sales = {"book_id": book, "version": 1, "sales": [sale, sale]}
    orders = "/orders/" + "1" * 32
    placed = [{"order_id": "1" * 32, "book_id": book, "quantity": 1}, {"order_id": "no"}]
    for server, status, method, path, body in (
        ("catalog", 200, "POST", "/books/batch", [{"book_id": book}, {"book_id": 99}, {}]),
        ("catalog", 200, "POST", "/search/batch", [{"topic": "tests", "limit": 1}]),
        ("catalog", 400, "POST", "/search/batch", {"topic": "tests"}),
        ("catalog", 200, "POST", "/sales", {"ledger_seen": 0, "books": [sales]}),
        ("catalog", 200, "POST", "/sales", {"ledger_seen": 0, "books": [sales]}),
        ("catalog", 400, "POST", "/sales", {"books": []}),
        ("catalog", 200, "GET", f"/sales/{purchase.order_id}", None),
        ("catalog", 404, "GET", f"/sales/{NO_ORDER}", None),
        ("catalog", 200, "POST", f"/sales/{purchase.order_id}/return", whole),
        ("catalog", 404, "POST", f"/sales/{NO_ORDER}/return", whole),
        ("catalog", 200, "POST", f"/sales/{'2' * 32}/void", whole),
        ("catalog", 400, "POST", f"/sales/{'2' * 32}/void", {**whole, "quantity": 2}),
        ("catalog", 200, "GET", "/books?tombstones=1", None),
        ("catalog", 200, "GET", "/ledger?limit=2", None),
        ("catalog", 200, "GET", "/ledger/last", None),
        ("catalog", 200, "POST", "/sales/reenter", {"orders": []}),
        ("order", 200, "POST", "/orders/batch", placed),
        ("order", 200, "POST", "/orders/batch", placed),
        ("order", 200, "GET", orders, None),
        ("order", 200, "GET", f"{orders}/kept", None),
        ("order", 200, "GET", "/orders", None),
        ("order", 200, "POST", f"{orders}/cancel", None),
        ("order", 200, "POST", "/orders/restore", {"after": 0, "limit": 100}),
        ("order", 400, "POST", "/orders/restore", {}),
        ("catalog", 409, "POST", "/sales", {"ledger_seen": 999, "books": []}),
        ("catalog", 503, "GET", "/readyz", None),
    ):
        said = await witness.ask(method, path, body, server=server, token=SERVICE_TOKEN)
        assert said.status == status, (path, said)


@pytest.mark.parametrize("server", SERVERS)
async def test_what_every_server_answers(witness: Witness, server: str) -> None:
    """Health, metrics and documents; and each route without what it needs."""
    for path in ("/livez", "/readyz", "/metrics", "/openapi.json"):
        assert (await witness.ask("GET", path, server=server)).status == 200
    for name, operation in operations(witness.documents[server]):
        method, _, path = name.partition(" ")
        for kind, value in (("book_id", "7"), ("order_id", NO_ORDER), ("topic", "none")):
            path = path.replace(f"{{{kind}}}", value)  # filled in one by one
        said = await witness.ask(method, path, server=server, token=None)
        assert (said.status == 401) == bool(operation["security"]), (name, said)
        await witness.ask(method, path, {"nonsense": 1}, server=server)
        await witness.ask(method, f"{path}?nonsense=1", server=server)
    asked = {name for name, _ in witness.seen[server]}
    assert len(asked) == len(tables()[server])
