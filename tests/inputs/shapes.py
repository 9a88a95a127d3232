"""Every broken shape of a body, at every route that takes one, on all three servers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.inputs.case import ADMIN, JSON, ORDER, SERVICE, Case
from tests.support.raw import http_request

if TYPE_CHECKING:
    from collections.abc import Iterator

_OBJECTS = (
    ("frontend", "POST", "/purchase/{book}"),
    ("frontend", "POST", "/books"),
    ("frontend", "PUT", "/books/{book}"),
    ("frontend", "PATCH", "/books/{book}"),
    ("frontend", "POST", "/books/{book}/stock"),
    ("catalog", "POST", "/books"),
    ("catalog", "PUT", "/books/{book}"),
    ("catalog", "POST", "/books/{book}/replace"),
    ("catalog", "PATCH", "/books/{book}"),
    ("catalog", "POST", "/books/{book}/edit"),
    ("catalog", "POST", "/books/{book}/stock"),
    ("catalog", "POST", "/sales"),
    ("catalog", "POST", "/sales/reenter"),
    ("catalog", "POST", f"/sales/{ORDER}/void"),
    ("catalog", "POST", f"/sales/{ORDER}/return"),
    ("order", "POST", "/orders/restore"),
)
_ARRAYS = (
    ("catalog", "POST", "/books/batch"),
    ("catalog", "POST", "/search/batch"),
    ("order", "POST", "/orders/batch"),
)
_NO_JSON = {
    "cut off": b"{",
    "cut off in a text": b'{"x": "',
    "a text": b'"text"',
    "a number": b"1",
    "null": b"null",
    "true": b"true",
    "NaN": b"NaN",
    "two objects": b"{}{}",
    "more behind it": b"{} x",
    "NUL behind it": b"{}\x00",
    "single quotes": b"{'x': 1}",
    "a comma too many": b'{"x": 1,}',
    "a comment": b"{} // no",
    "a byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"x": 1}'.encode("utf-16"),
    "UTF-32": '{"x": 1}'.encode("utf-32"),
    "Latin-1": '{"x": "é"}'.encode("latin-1"),
    "overlong UTF-8": b'{"x": "\xc0\x80"}',
    "a surrogate in UTF-8": b'{"x": "\xed\xa0\x80"}',
    "UTF-8 cut off": b'{"x": "\xe2\x82"}',
    "blanks": b"  \n ",
    "a depth without end": b'{"x":' + b"[" * 60_000,
    "a depth that closes": b'{"x":' + b"[" * 30_000 + b"]" * 30_000 + b"}",
    "arrays upon arrays": b"[" * 60_000,
    "a raw line feed in a text": b'{"x": "a\nb"}',
}
_NO_OBJECT = {
    "an array": b"[]",
    "an object in an array": b"[{}]",
    "an unknown field": b'{"<script>": 1}',
    "an unknown field of no name": b'{"": 1}',
    "a key twice": b'{"ledger_seen": 0, "ledger_seen": 0, "title": "A", "title": "A"}',
    "a key twice below": b'{"x": {"a": 1, "a": 1}}',
    "a key twice, once escaped": b'{"ledger_seen": 0, "ledger\\u005fseen": 0}',
    "a key in other case": b'{"Quantity": 1, "Title": "A", "Orders": [], "After": 1}',
    "a lone surrogate": b'{"title": "\\ud800", "reason": "\\udfff", "max_price": "\\ud800"}',
    "33 levels": b'{"x":' + b"[" * 32 + b"]" * 32 + b"}",
    "infinity": b'{"quantity": 1e999, "stock": 1e999, "after": 1e999}',
    "a number of 5,000 digits": b'{"quantity": ' + b"9" * 5000 + b"}",
    "NaN in it": b'{"quantity": NaN, "stock": NaN, "after": NaN}',
    "a prototype": b'{"__proto__": {"stock": 1}, "constructor": 1}',
}
_NO_ARRAY = {"an object": b"{}", "an array cut off": b"[", "a comma too many": b"[{},]"}
_NO_TYPE: tuple[tuple[str, ...], ...] = (
    (),
    ("text/plain",),
    ("application/x-www-form-urlencoded",),
    ("multipart/form-data; boundary=x",),
    ("application/json; charset=utf-16",),
    ("application/json; charset=latin-1; charset=utf-8",),
    ("application/json, application/json",),
    ("application/problem+json",),
    ("<script>",),
    ("",),
)


def shapes() -> Iterator[Case]:
    """Bodies that are no JSON, no object, or no array where one is wanted."""
    for server, method, path in _OBJECTS:
        for name, body in (_NO_JSON | _NO_OBJECT).items():
            yield _case(server, method, path, name, body)
    for server, method, path in _ARRAYS:
        for name, body in (_NO_JSON | _NO_ARRAY).items():
            yield _case(server, method, path, name, body)


def media() -> Iterator[Case]:
    """Bodies whose type is not JSON in UTF-8, that are encoded, or too long."""
    for server, method, path in _OBJECTS + _ARRAYS:
        where = f"{method} {path} of {server}"
        for types in _NO_TYPE:
            lines = [f"Content-Type: {kind}" for kind in types]
            raw = http_request(method, path, [*lines, *_rights(server)], "{}")
            name = f"{where} as {len(types)} {''.join(types)}"
            yield Case(name, raw, 415, "unsupported_media_type", server)
        raw = http_request(method, path, [JSON, JSON, *_rights(server)], "{}")
        yield Case(f"{where} of two types", raw, 400, "invalid_request", server)
        encoded = [JSON, "Content-Encoding: gzip", *_rights(server)]
        raw = http_request(method, path, encoded, b"\x1f\x8b\x08\x00")
        yield Case(f"{where} in gzip", raw, 415, "unsupported_media_type", server)
        announced = [JSON, "Content-Length: 1000000000000", *_rights(server)]
        raw = http_request(method, path, announced)
        yield Case(f"{where}, endless", raw, 413, "body_too_large", server)
    for path in (f"/orders/{ORDER}/cancel", "/books/{book}/delete"):
        server = "order" if "cancel" in path else "catalog"
        for body in ("[]", '{"x": 1}', "null", "{", "\x00"):
            raw = http_request("POST", path, [JSON, SERVICE, "If-Match: *"], body)
            name = f"{path} of {server}, which takes no body: {body!a}"
            yield Case(name, raw, 400, "invalid_request", server)


def lost_orders() -> Iterator[Case]:
    """Orders that cannot be entered again."""
    order: dict[str, object] = {
        "order_id": "f" * 32,
        "book_id": 1,
        "quantity": 1,
        "state": "confirmed",
        "title": "A",
        "unit_price": "1.00",
        "version_after": 2,
        "stock_after": 1,
    }
    wrong: dict[str, tuple[object, ...]] = {
        "order_id": ("", "f" * 31, "F" * 32, "f" * 32 + "\n", 1, None),
        "book_id": (0, 2**63, "1", 1.0, True, None),
        "quantity": (0, 10**6 + 1, 1.0, "1"),
        "state": ("pending", "<script>", "", 1, None),
        "version": (0, 2**63, "1"),
        "max_price": ("1", "-1.00", 1, "1.00\n"),
        "decided_at": ("", "now", "2026-01-01", "2026-01-01T00:00:00", "2026-02-30T00:00:00.000Z"),
        "decided_at ": ("0001-01-01T00:00:00.000Z", "2026-01-01T00:00:00.000+01:00", 1, "\u0662"),
        "title": ("", "a\x00", "a\n", "x" * 501, 1, None),
        "unit_price": ("1", "", None, 1.5, "1000000000.01"),
        "version_after": (0, -1, 2**63, 2**70, 1.5, None),
        "stock_after": (-1, 2**63, "1", None),
        "version_seen": (-1, 2**64),
        "stock_seen": (-1, 2**64),
        "reason": ("", "a\x00", "x" * 257, 1),
        "<script>": (1,),
    }
    for name, values in wrong.items():
        for number, value in enumerate(values):
            body = json.dumps({"orders": [{**order, name.strip(): value}]})
            raw = http_request("POST", "/sales/reenter", [JSON, SERVICE], body)
            yield Case(f"lost: {name} {number}", raw, 400, "invalid_request", "catalog")
    twice = json.dumps({"orders": [order]}).replace('"book_id": 1', '"book_id": 1, "book_id": 1')
    raw = http_request("POST", "/sales/reenter", [JSON, SERVICE], twice)
    yield Case("lost: a key twice", raw, 400, "invalid_request", "catalog")


def _rights(server: str) -> list[str]:
    """Return the headers with which nothing but the body is wrong."""
    return [ADMIN if server == "frontend" else SERVICE, 'If-Match: "1"']


def _case(server: str, method: str, path: str, name: str, body: bytes) -> Case:
    raw = http_request(method, path, [JSON, *_rights(server)], body)
    return Case(f"{method} {path} of {server}: {name}", raw, 400, "invalid_request", server)
