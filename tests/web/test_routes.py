"""Which route a request takes: paths are decoded once, and what names nothing is not found."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servers.domain.errors import InvalidRequest, MethodNotAllowed, NotFound, ShopError, UriTooLong
from servers.domain.limits import MAX_ID
from servers.web.answers import Answer, empty_answer
from servers.web.auth import Role
from servers.web.routes import Route, Router

if TYPE_CHECKING:
    from servers.web.call import Call


async def handler(_call: Call) -> Answer:
    """Answer nothing; these tests do not get so far."""
    return empty_answer()


ROUTER = Router(
    [
        Route("GET", "/", handler, "Root"),
        Route("GET", "/topics", handler, "Topics"),
        Route("GET", "/books/{book_id:id}", handler, "A book"),
        Route("PUT", "/books/{book_id:id}", handler, "Edit it"),
        Route("POST", "/books/{book_id:id}/stock", handler, "Its stock"),
        Route("POST", "/books/batch", handler, "Books"),
        Route("GET", "/orders/{order_id:order}", handler, "An order"),
        Route("GET", "/search/{topic:topic}", handler, "Search"),
    ]
)
ORDER_ID = "0123456789abcdef" * 2


@pytest.mark.parametrize(
    ("method", "path", "route", "values"),
    [
        ("GET", "/", "/", {}),
        ("GET", "/topics", "/topics", {}),
        ("HEAD", "/topics", "/topics", {}),
        ("GET", "/books/1", "/books/{book_id:id}", {"book_id": 1}),
        ("PUT", f"/books/{MAX_ID}", "/books/{book_id:id}", {"book_id": MAX_ID}),
        ("POST", "/books/batch", "/books/batch", {}),
        ("POST", "/books/12/stock", "/books/{book_id:id}/stock", {"book_id": 12}),
        ("GET", f"/orders/{ORDER_ID}", "/orders/{order_id:order}", {"order_id": ORDER_ID}),
        ("GET", "/search/a", "/search/{topic:topic}", {"topic": "a"}),
        ("GET", "/search/a%20b", "/search/{topic:topic}", {"topic": "a b"}),
        ("GET", "/search/a+b", "/search/{topic:topic}", {"topic": "a+b"}),
        ("GET", "/search/a%2Fb", "/search/{topic:topic}", {"topic": "a/b"}),
        ("GET", "/search/..", "/search/{topic:topic}", {"topic": ".."}),
        ("GET", "/search/%2E%2E%2Fbooks", "/search/{topic:topic}", {"topic": "../books"}),
        ("GET", "/search/a%252Fb", "/search/{topic:topic}", {"topic": "a%2Fb"}),
        ("GET", "/search/100%25", "/search/{topic:topic}", {"topic": "100%"}),
        ("GET", "/search/e%CC%81", "/search/{topic:topic}", {"topic": "\u00e9"}),
        ("GET", "/search/" + "x" * 256, "/search/{topic:topic}", {"topic": "x" * 256}),
    ],
)
def test_good_paths(method: str, path: str, route: str, values: dict[str, object]) -> None:
    """A path finds its route and its parameters, typed."""
    found, parameters = ROUTER.resolve(method, path)
    assert (found.path, parameters) == (route, values)


@pytest.mark.parametrize(
    "path",
    [
        *("", "*", "topics", "//", "//topics", "/topics/", "/Topics", "/nothing", "/topics/more"),
        *("/%74opics", "/books", "/books/", "/books/1/", "/books//stock", "/books/1/stock/2"),
        *("/books/0", "/books/-1", "/books/+1", "/books/01", "/books/1.0", "/books/1e1"),
        *("/books/%31", "/books/x", "/books/ 1", "/books/\u0661", "/books/%D9%A1"),
        *(f"/books/{MAX_ID + 1}", "/books/" + "9" * 4000, "/books/0x1", "/books/1_0"),
        *(f"/orders/{ORDER_ID.upper()}", f"/orders/{ORDER_ID[1:]}", f"/orders/{ORDER_ID}0"),
        *("/orders/" + "g" * 32, "/orders/", "/search", "/search/", "/search/a/", "/search/a/b"),
        *("/books/../topics", "/./topics", "/..", "/search//a"),
    ],
)
def test_nothing_there(path: str) -> None:
    """A path that names nothing is not found, for every method."""
    for method in ("GET", "POST", "OPTIONS", "WHATEVER"):
        with pytest.raises(NotFound):
            ROUTER.resolve(method, path)


@pytest.mark.parametrize(
    "path",
    [
        *("/search/%00", "/search/a%00b", "/search/%FF", "/search/%ED%A0%80", "/search/%C3"),
        *("/books/1%00", "/%00", "/topics%FF", "/search/\udcff", "/nothing/%C3%28"),
    ],
)
def test_a_path_that_is_no_text(path: str) -> None:
    """A path with a NUL or broken Unicode is refused, whatever it might name."""
    with pytest.raises(InvalidRequest):
        ROUTER.resolve("GET", path)


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("/search/%0A", InvalidRequest),
        ("/search/%1B%5B31m", InvalidRequest),
        ("/search/%C2%85", InvalidRequest),
        ("/search/%20", InvalidRequest),
        ("/search/%E2%80%8B", InvalidRequest),
        ("/search/" + "x" * 257, UriTooLong),
        ("/search/" + "%C3%A9" * 257, UriTooLong),
    ],
)
def test_bad_topics(path: str, error: type[ShopError]) -> None:
    """A topic of controls, of nothing visible or of too many characters is refused."""
    with pytest.raises(error) as refused:
        ROUTER.resolve("GET", path)
    assert type(refused.value) is error
    assert refused.value.members == {"field": "topic"}


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("POST", "/topics", "GET, HEAD, OPTIONS"),
        ("DELETE", "/books/1", "GET, HEAD, OPTIONS, PUT"),
        ("OPTIONS", "/books/1", "GET, HEAD, OPTIONS, PUT"),
        ("GET", "/books/1/stock", "OPTIONS, POST"),
        ("HEAD", "/books/1/stock", "OPTIONS, POST"),
        ("GET", "/books/batch", "OPTIONS, POST"),
        ("get", "/topics", "GET, HEAD, OPTIONS"),
        ("WHATEVER", "/topics", "GET, HEAD, OPTIONS"),
    ],
)
def test_another_method(method: str, path: str, allow: str) -> None:
    """A path that is there says which methods it answers."""
    with pytest.raises(MethodNotAllowed) as refused:
        ROUTER.resolve(method, path)
    assert refused.value.members == {"allow": allow}


@pytest.mark.parametrize("path", ["/", "/nothing", "/docs/more"])
@pytest.mark.parametrize(
    ("roles", "told"), [(frozenset(), True), (frozenset({Role.ADMIN}), False), (None, False)]
)
def test_a_path_with_nothing_says_where_to_look(
    path: str, roles: frozenset[Role] | None, told: bool
) -> None:
    """A server whose page for people anyone may see names it, and no other does."""
    page = [Route("GET", "/docs", handler, "Page", roles=roles)] if roles is not None else []
    with pytest.raises(NotFound) as refused:
        Router([Route("GET", "/topics", handler, "Topics"), *page]).resolve("GET", path)
    assert ("/docs tells what there is" in refused.value.detail) is told


def test_a_route_twice() -> None:
    """A table that declares a method on a path twice is a mistake that shows at once."""
    route = Route("GET", "/topics", handler, "Topics")
    with pytest.raises(ValueError, match="declared twice"):
        Router([route, route])


@given(st.text(min_size=1, max_size=40))
def test_any_path(path: str) -> None:
    """Whatever comes as a path is a route or one of the refusals; there is no third."""
    with contextlib.suppress(NotFound, MethodNotAllowed, InvalidRequest):
        assert ROUTER.resolve("GET", f"/{path}")[0] in ROUTER.routes
