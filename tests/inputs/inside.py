"""What catalog and order refuse, also of one another: paths, queries, headers, HTTP itself."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tests.inputs import heads
from tests.inputs.case import ADMIN, JSON, ORDER, SERVICE, Case, book_with, short
from tests.support.raw import http_request

if TYPE_CHECKING:
    from collections.abc import Iterator

INSIDE = {"catalog": "/books/batch", "order": "/orders/batch"}
"""The servers that only answer to tokens, and a POST that each has."""

_NO_IDS = (
    *("0", "01", "+1", "-1", "1.0", "1e3", "0x1", "1_0", "abc", "%201", "1%20", "1,2", "*", "%2A"),
    *("9223372036854775808", "9" * 4000, "%D9%A1", "%EF%BC%91", "%E0%A5%A7", "null", "<script>"),
    *("..", "%2e%2e", "..%2f1", "%2e%2e%2f%2e%2e%2f1", ".", "1%2F", "1%5C..", "1;x=1", "%31"),
)
_NO_ORDERS = (
    *(ORDER.upper(), ORDER[:-1], f"{ORDER}0", f"{ORDER[:-1]}g", "0x" + ORDER[2:], "f" * 4000),
    *(f"%30{ORDER[1:]}", f"{ORDER}%0A", f"{ORDER}%20", "%D9%A1" * 32, "..", "%2e%2e", "<script>"),
)
_NO_TEXT = ("%00", "1%00", "%ff", "%C3%28", "%ED%A0%80", "%C0%AF", "%E0%80%AF", "%F5%80%80%80")


def _get(path: str, status: int, code: str, server: str) -> Case:
    raw = http_request("GET", path, [SERVICE])
    return Case(f"GET {short(path)} of {server}", raw, status, code, server)


def paths() -> Iterator[Case]:
    """Ids and paths that name nothing there."""
    for text in _NO_IDS:
        yield _get(f"/books/{text}", 404, "not_found", "catalog")
        yield _get(f"/books/{text}/ledger", 404, "not_found", "catalog")
    for text in _NO_ORDERS:
        yield _get(f"/sales/{text}", 404, "not_found", "catalog")
        yield _get(f"/orders/{text}", 404, "not_found", "order")
        yield _get(f"/orders/{text}/kept", 404, "not_found", "order")
        raw = http_request("POST", f"/orders/{text}/cancel", [SERVICE])
        yield Case(f"POST cancel {short(text)} of order", raw, 404, "not_found", "order")
    for text in _NO_TEXT:
        yield _get(f"/books/{text}", 400, "invalid_request", "catalog")
        yield _get(f"/orders/{text}", 400, "invalid_request", "order")
    for path in (
        "//books",
        "/books/",
        "/ledger/",
        "/./ledger",
        "/books/1/./ledger",
        "/info/1",
        "/",
    ):
        yield _get(path, 404, "not_found", "catalog")
    for path in ("//orders", "/orders/", "/orders/../orders", "/purchase/1", "/sales", "/books"):
        yield _get(path, 404, "not_found", "order")
    yield _get(f"/orders/{ORDER}", 404, "order_not_found", "order")
    yield _get("/books/9223372036854775807", 404, "book_not_found", "catalog")
    yield _get("/books/{gone}", 410, "book_deleted", "catalog")


def queries() -> Iterator[Case]:
    """Parameters that a list there does not take, or not so."""
    limits = ("0", "-1", "5001", "1.0", "1e2", "%2B1", "01", "%D9%A1", "9" * 30, "", "true", "%00")
    lists = (("/books", "catalog"), ("/ledger", "catalog"), ("/orders", "order"))
    wrong = [f"limit={value}" for value in limits]
    wrong += ["limit=1&limit=1", "Limit=1", "x=1", "<script>=1", "%ff=1", "limit=%ff", "&", "="]
    for path, server in lists:
        for query in wrong:
            yield _get(f"{path}?{query}", 400, "invalid_request", server)
    for query in ("after=-1", "after=1.0", "after=9223372036854775808", "after=x", "cursor=x"):
        yield _get(f"/books?{query}", 400, "invalid_request", "catalog")
        yield _get(f"/ledger?{query}", 400, "invalid_request", "catalog")
    for query in ("tombstones=2", "tombstones=true", "tombstones=-1"):
        yield _get(f"/books?{query}", 400, "invalid_request", "catalog")
    # The last four are made as the list of all orders makes them, of what is no order.
    cursors: tuple[str, ...] = (
        "",
        "x",
        "%00",
        "a" * 3000,
        "MTIzNDU2Nzg5MA",
        "Mjk4NWNjNjN6eno",
        "Mjk4NWNjNjNhAGI",
    )
    cursors += ("Mjk4NWNjNjMnIg", "Mjk4NWNjNjM")
    for cursor in cursors:
        yield _get(f"/orders?cursor={cursor}", 400, "invalid_request", "order")
        yield _get(f"/books/{{book}}/ledger?cursor={cursor}", 400, "invalid_request", "catalog")
        name = f"all orders from {short(cursor)}"
        raw = http_request("GET", f"/orders?cursor={cursor}", [ADMIN])
        yield Case(name, raw, 400, "invalid_request")
    for query in (
        "state=gone",
        "state=<script>",
        "state=%00",
        "state=",
        "book_id=0",
        "book_id=1.0",
    ):
        yield _get(f"/orders?{query}", 400, "invalid_request", "order")
    raw = http_request("GET", "/orders?state=<script>", [ADMIN])
    yield Case("all orders in a state that is none", raw, 400, "invalid_request")
    for path, server in (("/topics?x=1", "catalog"), (f"/sales/{ORDER}?x=1", "catalog")):
        yield _get(path, 400, "invalid_request", server)
    yield _get(f"/orders/{ORDER}?x=1", 400, "invalid_request", "order")


def headers() -> Iterator[Case]:
    """Versions and keys that are none, where the frontend is not asked first."""
    tags: tuple[str, ...] = (
        'W/"1"',
        '"1", "2"',
        "1",
        '"0"',
        '"01"',
        '"1.0"',
        '""',
        '"1',
        "<script>",
        '"\u0661"',
    )
    tags += ('"9223372036854775808"', '"' + "9" * 400 + '"', "'1'", '"1" ;x')
    changes: tuple[tuple[str, str, str | None], ...] = (
        ("PATCH", "/books/{book}", '{"title": "A"}'),
        ("POST", "/books/{book}/edit", '{"title": "A"}'),
        ("PUT", "/books/{book}", WHOLE),
        ("POST", "/books/{book}/replace", WHOLE),
        ("POST", "/books/{book}/stock", '{"reason": "x", "change": 1}'),
        ("DELETE", "/books/{book}", None),
        ("POST", "/books/{book}/delete", None),
    )
    for method, path, body in changes:
        where = f"{method} {path} of catalog"
        for tag in tags:
            raw = http_request(method, path, [JSON, SERVICE, f"If-Match: {tag}"], body)
            yield Case(f"{where}: {short(tag)}", raw, 400, "invalid_request", "catalog")
        raw = http_request(method, path, [JSON, SERVICE], body)
        yield Case(f"{where}, no version", raw, 428, "version_required", "catalog")
        raw = http_request(method, path, [JSON, SERVICE, 'If-Match: "999"'], body)
        yield Case(f"{where}, a version to come", raw, 412, "stale_version", "catalog")
    for key in ("", "short", "x" * 256, "x" * 20 + "\x7f", "é" * 20, '"' * 2, "\u0661" * 16):
        given = f"Idempotency-Key: {key}"
        raw = http_request("POST", "/books", [JSON, SERVICE, given], book_with())
        yield Case(f"key of catalog {short(key)}", raw, 400, "invalid_request", "catalog")
        body = '{"reason": "x", "change": 1}'
        raw = http_request(
            "POST", "/books/{book}/stock", [JSON, SERVICE, "If-Match: *", given], body
        )
        yield Case(f"key of a restock {short(key)}", raw, 400, "invalid_request", "catalog")
    for server, path in {"frontend": "/topics", "catalog": "/topics", "order": "/orders"}.items():
        for value in ("", "soon", "-1", "+1", "1.0", "1e3", "60001", "9" * 400, "\u0661", "0x1"):
            raw = http_request("GET", path, [SERVICE, f"X-Deadline-Ms: {value}"])
            name = f"deadline of {server} {short(value)}"
            yield Case(name, raw, 400, "invalid_request", server)


WHOLE = '{"title": "A", "authors": ["B"], "price": "1.00", "topics": [], "isbn": null}'


def http() -> Iterator[Case]:
    """What is no HTTP for the frontend is none for the servers behind it."""
    for case in heads.http():
        for server, post in INSIDE.items():
            raw = case.raw.replace(b"/purchase/{book}", post.encode())
            raw = raw.replace(b"/info/{book}", b"/livez")
            yield replace(case, name=f"{case.name}, {server}", raw=raw, server=server)


def methods() -> Iterator[Case]:
    """Methods that a path there does not answer."""
    for method, path, server in (
        *(("POST", "/ledger", "catalog"), ("DELETE", "/ledger", "catalog")),
        *(("PUT", "/sales", "catalog"), ("GET", "/sales/reenter", "catalog")),
        *(("DELETE", f"/sales/{ORDER}", "catalog"), ("TRACE", "/books", "catalog")),
        *(("GET", f"/sales/{ORDER}/void", "catalog"), ("POST", "/topics", "catalog")),
        *(("POST", "/orders", "order"), ("DELETE", f"/orders/{ORDER}", "order")),
        *(("GET", "/orders/restore", "order"), ("PATCH", f"/orders/{ORDER}", "order")),
        *(("PROPFIND", "/orders", "order"), ("GET", "/orders/batch", "order")),
    ):
        raw = http_request(method, path, [SERVICE])
        yield Case(f"{method} {path} of {server}", raw, 405, "method_not_allowed", server)
