"""Paths, queries, doors, methods and HTTP itself: what is refused before a body is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.inputs.case import ADMIN, JSON, LONG, ORDER, SERVICE, Case, book_with, get
from tests.support.raw import http_request

if TYPE_CHECKING:
    from collections.abc import Iterator


def paths() -> Iterator[Case]:
    """Ids and paths that can name nothing."""
    ids: tuple[str, ...] = (
        "0",
        "01",
        "+1",
        "-1",
        "1.0",
        "1e3",
        "0x1",
        "abc",
        "1a",
        "%201",
        "1%20",
        "1,2",
        "*",
    )
    ids += ("9223372036854775808", "9" * 40, "%D9%A1", "%EF%BC%91", "1;x=1", "null", "<script>")
    for path in (
        *(f"/info/{each}" for each in ids),
        *("/info", "/info/", "/info/1/", "/info//1", "//info/1", "/info/1/more", "/nothing"),
        *("/info/..", "/info/../info/1", "/info/%2e%2e/1", "/info/%2E%2E%2F1", "/./info/1"),
        *("/books/0", "/books/-1", "/books/1/", "/books/1/nothing", "/INFO/1", "/search/a/b"),
        *("/search", "/search/", "/search/x/", "/topics/", "/orders/", "/.env", "/*"),
        *("/orders/1", f"/orders/{ORDER.upper()}", f"/orders/{ORDER[:-1]}", f"/orders/{ORDER}0"),
        *(f"/orders/{ORDER[:-1]}g", f"/orders/{ORDER}/", f"/orders/{ORDER}/kept", "/orders/batch"),
        *("/sales", "/ledger", "/books/batch"),
    ):
        yield Case(*get(path), 404, "not_found")
    yield Case(*get("/info/9223372036854775807"), 404, "book_not_found")
    yield Case(*get("/info/{gone}"), 410, "book_deleted")
    yield Case(*get(f"/orders/{ORDER}"), 404, "order_not_found")
    for path in ("/info/%00", "/info/1%00", "/%00", "/info/%ff", "/%C3%28", "/orders/%ED%A0%80"):
        yield Case(*get(path), 400, "invalid_request")
    for path in ("/purchase/0", "/purchase/x", "/purchase/", "/purchase/1.5", "/books/0/stock"):
        yield Case(
            f"POST {path}", http_request("POST", path, [JSON, ADMIN], "{}"), 404, "not_found"
        )
    for path in ("/books/batch", "/books/1/delete", "/sales", "/orders/batch", "/ledger/last"):
        raw = http_request("POST", path, [JSON, SERVICE], "[]")
        yield Case(f"POST {path} of the servers inside", raw, 404, "not_found")


def topics() -> Iterator[Case]:
    """Texts in a path that are no texts."""
    for text in ("%00", "a%00b", "%0a", "%1b[31m", "%7f", "%C2%85", "%ff", "%C3%28", "%ED%A0%80"):
        yield Case(*get(f"/search/{text}"), 400, "invalid_request")
    for text in ("%20", "%E2%80%8B", "%E2%80%AE"):
        yield Case(*get(f"/search/{text}"), 400, "invalid_request")
    for text in ("a" * 257, "%C3%A9" * 257):
        yield Case(*get(f"/search/{text}"), 414, "uri_too_long")


def queries() -> Iterator[Case]:
    """Parameters that a path does not take, or not so."""
    for query in (
        *(
            "limit=0",
            "limit=201",
            "limit=-1",
            "limit=1.5",
            "limit=abc",
            "limit=",
            "limit=1&limit=1",
        ),
        *("limit=%2B1", "limit=01", "limit=%D9%A1", f"limit={'9' * 30}", "limit"),
        *("Limit=1", "x=1", "<script>=1", "&", "=", "limit=%ff", "%ff=1", "cursor="),
        *("cursor=abc", "cursor=%00", f"cursor={LONG[:3000]}", "cursor=MTIzNDU2Nzg5MA"),
    ):
        yield Case(*get(f"/search/travel?{query}"), 400, "invalid_request")
    for path in ("/info/{book}?x=1", "/info/{book}?limit=1", "/topics?limit=1", "/livez?x"):
        yield Case(*get(path), 400, "invalid_request")
    for query in ("state=gone", "book_id=0", "book_id=x", "limit=0", "after=1", "cursor=zzz"):
        yield Case(*get(f"/orders?{query}", ADMIN), 400, "invalid_request")
    for query in ("limit=0", "limit=500", "before=1", "cursor=zzz"):
        yield Case(*get(f"/books/{{book}}/ledger?{query}", ADMIN), 400, "invalid_request")


def doors() -> Iterator[Case]:
    """Whoever may not come in."""
    wrong = "0" * 64
    closed = [
        *(("POST", "/books", "frontend"), ("DELETE", "/books/{book}", "frontend")),
        *(("GET", "/orders", "frontend"), ("GET", "/books/{book}/ledger", "frontend")),
        *(("GET", "/books/{book}", "catalog"), ("POST", "/sales", "catalog")),
        *(("GET", "/ledger", "catalog"), ("POST", "/books/batch", "catalog")),
        *(("GET", "/orders", "order"), ("POST", "/orders/batch", "order")),
        *(("GET", f"/orders/{ORDER}", "order"), ("POST", f"/orders/{ORDER}/cancel", "order")),
    ]
    for method, path, server in closed:
        for name, headers in (
            ("nobody", []),
            ("a stranger", [f"Authorization: Bearer {wrong}"]),
            ("a user with a password", ["Authorization: Basic YTpi"]),
            ("an empty bearer", ["Authorization: Bearer"]),
            ("the bare token", ["Authorization: {admin}"]),
            ("more than the token", ["Authorization: Bearer {admin}0"]),
            ("a part of the token", [f"Authorization: Bearer {wrong[:63]}"]),
            ("two tokens", [ADMIN, f"Authorization: Bearer {wrong}"]),
            ("raw bytes", ["Authorization: Bearer \udcff\udcfe"]),
        ):
            raw = http_request(method, path, headers)
            where = f"{method} {path} of {server}"
            yield Case(f"{where} by {name}", raw, 401, "unauthorized", server)
    raw = http_request("POST", "/books", [JSON, SERVICE], book_with())
    yield Case("a new book by a server", raw, 403, "forbidden")


def methods() -> Iterator[Case]:
    """Methods that a path does not answer."""
    for method, path in (
        *(("GET", "/purchase/{book}"), ("PUT", "/purchase/{book}"), ("POST", "/info/{book}")),
        *(("DELETE", "/info/{book}"), ("PUT", "/books"), ("DELETE", "/search/travel")),
        *(("POST", "/topics"), ("PATCH", f"/orders/{ORDER}"), ("GET", f"/orders/{ORDER}/cancel")),
        *(("TRACE", "/info/{book}"), ("PROPFIND", "/info/{book}")),
        *(("POST", "/livez"), ("DELETE", "/metrics"), ("POST", "/books/{book}")),
    ):
        raw = http_request(method, path)
        yield Case(f"{method} {path}", raw, 405, "method_not_allowed")


def http() -> Iterator[Case]:
    """What is no HTTP, or not the HTTP that servers agree on."""
    host = b"Host: shop\r\n"
    line = b"GET /info/{book} HTTP/1.1\r\n"
    post = b"POST /purchase/{book} HTTP/1.1\r\n" + host + b"Content-Type: application/json\r\n"
    for name, raw in {
        "no HTTP at all": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        "nonsense": b"hello\r\n\r\n",
        "HTTP/3": b"GET /info/{book} HTTP/3\r\n" + host + b"\r\n",
        "HTTP/1.x": b"GET /info/{book} HTTP/1.x\r\n" + host + b"\r\n",
        "a method with a slash": b"G/T /info/{book} HTTP/1.1\r\n" + host + b"\r\n",
        "a header without colon": line + host + b"nonsense\r\n\r\n",
        "a blank before the colon": line + host + b"X-Thing : 1\r\n\r\n",
        "a folded header": line + host + b"X-Thing: 1\r\n  2\r\n\r\n",
        "an empty header name": line + host + b": 1\r\n\r\n",
        "NUL in a header": line + host + b"X-Thing: a\x00b\r\n\r\n",
        "a bare CR in a header": line + host + b"X-Thing: a\rb\r\n\r\n",
        "length and chunks": post
        + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "two lengths": post + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        "a negative length": post + b"Content-Length: -2\r\n\r\n{}",
        "a signed length": post + b"Content-Length: +2\r\n\r\n{}",
        "a length in words": post + b"Content-Length: two\r\n\r\n{}",
        "a length in other digits": post + b"Content-Length: \xd9\xa2\r\n\r\n{}",
        "two hosts": line + host + host + b"\r\n",
        "no host": line + b"\r\n",
        "a host with a blank": line + b"Host: sh op\r\n\r\n",
        "a host with a path": line + b"Host: shop/info\r\n\r\n",
        "a host with a name in it": line + b"Host: staff@shop\r\n\r\n",
        "a host with a port in words": line + b"Host: shop:http\r\n\r\n",
        "a host in bytes": line + b"Host: sh\xffp\r\n\r\n",
        "a shop elsewhere": b"GET http://elsewhere.example/info/{book} HTTP/1.1\r\n"
        + host
        + b"\r\n",
        "a path in raw UTF-8": b"GET /search/\xc3\xa9 HTTP/1.1\r\n" + host + b"\r\n",
        "a path in raw bytes": b"GET /info/\xff HTTP/1.1\r\n" + host + b"\r\n",
        "a blank in the path": b"GET /info/1 2 HTTP/1.1\r\n" + host + b"\r\n",
        "another scheme": b"GET ftp://shop/info/{book} HTTP/1.1\r\n" + host + b"\r\n",
        "a path that is none": b"GET info/{book} HTTP/1.1\r\n" + host + b"\r\n",
        "a tunnel": b"CONNECT elsewhere.example:443 HTTP/1.1\r\n" + host + b"\r\n",
        "a deadline in words": line + host + b"X-Deadline-Ms: soon\r\n\r\n",
        "a deadline in the past": line + host + b"X-Deadline-Ms: -1\r\n\r\n",
        "two deadlines": line + host + b"X-Deadline-Ms: 100\r\nX-Deadline-Ms: 100\r\n\r\n",
        "a deadline in a year": line + host + b"X-Deadline-Ms: 99999999\r\n\r\n",
    }.items():
        yield Case(name, raw, 400, "invalid_request")
    for name, raw in {
        "HTTP/0.9": b"GET /info/{book}\r\n\r\n",
        "HTTP/2.0": b"GET /info/{book} HTTP/2.0\r\n" + host + b"\r\n",
    }.items():
        yield Case(name, raw, 505, "http_version")
    yield Case("a long path", http_request("GET", f"/{LONG}"), 414, "uri_too_long")
    yield Case("a long query", http_request("GET", f"/topics?{LONG}"), 414, "uri_too_long")
    long_header = http_request("GET", "/info/{book}", [f"X-Thing: {LONG}"])
    yield Case("a long header", long_header, 431, "head_too_large")
    long_head = http_request(
        "GET", "/info/{book}", [f"X-Thing-{n}: {LONG[:1000]}" for n in range(9)]
    )
    yield Case("a long head", long_head, 431, "head_too_large")
    many = http_request("GET", "/info/{book}", [f"X-Thing-{n}: 1" for n in range(200)])
    yield Case("many headers", many, 431, "head_too_large")
