"""The route tables: what is declared is what is answered, and what the public is promised."""

from __future__ import annotations

import re

import pytest

from servers.web.auth import INSIDE, STAFF
from servers.web.routes import Route, Router
from tests.support.tables import tables

ORDER_ID = "0123456789abcdef" * 2
EXAMPLES = {"id": "7", "order": ORDER_ID, "topic": "a%2Fb"}

HEALTH = {"GET /livez", "GET /readyz", "GET /metrics"}
PUBLIC = {
    "GET /search/{topic}",
    "GET /info/{book_id}",
    "GET /books",
    "GET /books/{book_id}",
    "POST /purchase/{book_id}",
    "GET /orders/{order_id}",
    "POST /orders/{order_id}/cancel",
    "GET /topics",
    "GET /openapi.json",
    "GET /docs",
} | HEALTH
FOR_STAFF = {
    "GET /orders",
    "POST /books",
    "POST /books/import",
    "PUT /books/{book_id}",
    "PATCH /books/{book_id}",
    "DELETE /books/{book_id}",
    "POST /books/{book_id}/stock",
    "GET /books/{book_id}/ledger",
}


def name_of(route: Route) -> str:
    """Return a route as it is written about: without the types of its parameters."""
    return f"{route.method} {re.sub(r':[a-z]+}', '}', route.path)}"


@pytest.mark.parametrize("server", tables())
def test_each_route_is_found(server: str) -> None:
    """A request on an example of its path finds exactly the route that was declared."""
    routes = tables()[server]
    router = Router(routes)
    assert len(router.routes) == len(routes) > len(HEALTH)
    for route in routes:
        path = re.sub(r"{\w+:(\w+)}", lambda found: EXAMPLES[found[1]], route.path)
        found, values = router.resolve(route.method, path)
        assert found is route
        assert list(values) == re.findall(r"{(\w+):", route.path)


def test_what_the_public_is_promised() -> None:
    """The frontend answers these routes to anyone and these to staff, and no others."""
    routes = tables()["frontend"]
    assert {name_of(route) for route in routes if not route.roles} == PUBLIC
    assert {name_of(route) for route in routes if route.roles} == FOR_STAFF
    assert all(route.roles in {frozenset(), STAFF} for route in routes)


@pytest.mark.parametrize("server", ["catalog", "order"])
def test_inside_is_closed(server: str) -> None:
    """Catalog and order answer nothing but their health without one of the two tokens."""
    for route in tables()[server]:
        assert route.roles == (frozenset() if name_of(route) in HEALTH else INSIDE), route


@pytest.mark.parametrize("server", tables())
def test_what_is_said_of_a_route(server: str) -> None:
    """Each route says what it does in a line, and reads never take a body."""
    for route in tables()[server]:
        assert route.summary
        assert not route.summary.endswith(".")
        assert "\n" not in route.summary
        if route.method in {"GET", "DELETE"}:
            assert route.body is None
        forms = (route.body is not None, bool(route.raw_body_bytes), route.stream is not None)
        assert sum(forms) <= 1
        assert route.health == (name_of(route) in HEALTH)


def test_each_change_is_a_post_too() -> None:
    """What a hop must not repeat by itself can be asked of the catalog by POST."""
    routes = tables()["catalog"]
    by_post = {route.handler for route in routes if route.method == "POST"}
    for route in routes:
        if route.method in {"PUT", "PATCH", "DELETE"}:
            assert route.handler in by_post, name_of(route)
