"""Bodies, and the headers that say how they are meant."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.inputs.case import ADMIN, BOOK, JSON, ORDER, SERVICE, Case, book_with, short
from tests.support.raw import http_request

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def purchases() -> Iterator[Case]:
    """Bodies of a purchase."""
    quantities: tuple[str, ...] = (
        "0",
        "-1",
        "1.0",
        "1.5",
        "1e0",
        '"1"',
        "true",
        "null",
        "[1]",
        "{}",
        "1000001",
    )
    quantities += (str(2**63), str(2**64), "1" * 400, "01", "+1", "0x1", "NaN", "Infinity")
    versions: tuple[str, ...] = ("0", "-1", '"1"', "1.0", "true", str(2**63), "[]")
    prices: tuple[str, ...] = (
        "10",
        "10.00",
        "null_",
        '"10"',
        '"10.0"',
        '"10.000"',
        '"-1.00"',
        '"+1.00"',
        '"1e3"',
    )
    prices += ('"1,00"', '"NaN"', '"Infinity"', '"1000000000.01"', '" 1.00"', '"1.00 "', '"01.00"')
    prices += ('""', '"\u0661.00"', '"1.00\\n"', '"$1.00"', '["1.00"]', f'"{"9" * 400}.00"')
    fields = [("quantity", each) for each in quantities]
    fields += [("version", each) for each in versions]
    fields += [("max_price", each) for each in prices]
    bodies = [f'{{"{name}": {value}}}' for name, value in fields]
    bodies += ["{", "}", "[]", "[{}]", '"text"', "1", "null", "true", "{}{}", "{} x", "{'a': 1}"]
    bodies += ['{"quantity": 1, "quantity": 1}', '{"quantity": 1,}', '{"Quantity": 1}', "\ufeff{}"]
    bodies += ['{"price": "1.00"}', '{"book_id": 1}', '{"<script>": 1}', "// {}", "{}\x00"]
    bodies += ['{"x": ' + "[" * 40 + "]" * 40 + "}", "[" * 60_000, '{"quantity": 1e400}']
    bodies += [r'{"\ud800": 1}', r'{"quantity": 1, "\udfff": 1}', r'{"x": {"\ud800": 1}}']
    for body in bodies:
        raw = http_request("POST", "/purchase/{book}", [JSON], body)
        yield Case(f"purchase {short(body)}", raw, 400, "invalid_request")
    for name, data in (
        ("broken UTF-8", b'{"max_price": "\xff"}'),
        ("UTF-16", '{"quantity": 1}'.encode("utf-16")),
        ("Latin-1", '{"é": 1}'.encode("latin-1")),
        ("a lone surrogate", b'{"max_price": "\xed\xa0\x80"}'),
        ("zeros", b"\x00" * 100),
    ):
        raw = http_request("POST", "/purchase/{book}", [JSON], data)
        yield Case(f"purchase in {name}", raw, 400, "invalid_request")


def media() -> Iterator[Case]:
    """Bodies of the wrong type, encoding or size."""
    for kind in ("text/plain", "application/x-www-form-urlencoded", "application/jsonx", "json"):
        raw = http_request("POST", "/purchase/{book}", [f"Content-Type: {kind}"], "{}")
        yield Case(f"a body of type {kind}", raw, 415, "unsupported_media_type")
    raw = http_request("POST", "/purchase/{book}", [], '{"quantity": 1}')
    yield Case("a body of no type", raw, 415, "unsupported_media_type")
    for encoding in ("gzip", "deflate", "br", "<script>", "identity, gzip"):
        raw = http_request(
            "POST", "/purchase/{book}", [JSON, f"Content-Encoding: {encoding}"], "{}"
        )
        yield Case(f"a body in {encoding}", raw, 415, "unsupported_media_type")
    twice = [JSON, "Content-Encoding: identity", "Content-Encoding: gzip"]
    raw = http_request("POST", "/purchase/{book}", twice, "{}")
    yield Case("a body in gzip, said second", raw, 415, "unsupported_media_type")
    large = json.dumps({"x": "y" * 65_536})
    yield Case("a large body", _purchase(large), 413, "body_too_large")
    raw = http_request("POST", "/books", [JSON, ADMIN], large)
    yield Case("a large new book", raw, 413, "body_too_large")
    head = http_request("POST", "/purchase/{book}", [JSON, "Content-Length: 1000000000000"])
    yield Case("a body announced and never sent", head, 413, "body_too_large")
    chunk = b"10000\r\n" + b"x" * 65_536 + b"\r\n"
    chunked = http_request("POST", "/purchase/{book}", [JSON, "Transfer-Encoding: chunked"])
    yield Case("chunks without end", chunked + 2 * chunk, 413, "body_too_large")
    yield Case("a chunk that is none", chunked + b"zz\r\n{}\r\n", 400, "invalid_request")
    yield Case("a chunk of negative size", chunked + b"-2\r\n{}\r\n", 400, "invalid_request")
    coded = http_request("POST", "/purchase/{book}", [JSON, "Transfer-Encoding: gzip, chunked"])
    said = coded + b"2\r\n{}\r\n0\r\n\r\n"
    yield Case("a coding beside chunks", said, 415, "unsupported_media_type")


def _purchase(body: str, *headers: str) -> bytes:
    return http_request("POST", "/purchase/{book}", [JSON, *headers], body)


def new_books() -> Iterator[Case]:
    """Books that cannot be added."""
    bad: dict[str, Iterable[object]] = {
        "title": (
            *("", " ", "\u200b", "\u3164", "\u2800 ", "x" * 501),
            *("a\x00b", "a\nb", "\x1b[31m", "\ud800", 1, None),
        ),
        "authors": ([], "B", [""], [1], [None], ["x" * 501], ["\x07"], ["B"] * 51, {}, None),
        "price": (1, 1.5, "1", "1.0", "-1.00", "1000000000.01", "", None, True, "1.00\n"),
        "stock": (-1, 10**9 + 1, 1.5, 1.0, "1", True, None, 2**63, 2**64),
        "topics": ("x", [""], ["x" * 257], [1], ["a\x00"], ["x"] * 51, None),
        "isbn": ("123", "9780306406158", "0306406153", "978030640615X", 9780306406157, "", []),
        "id": (1,),
        "version": (1,),
        "<script>": (1,),
    }
    for field, values in bad.items():
        for number, value in enumerate(values):
            raw = http_request("POST", "/books", [JSON, ADMIN], book_with(**{field: value}))
            name = f"a new book, {field} {number}: {short(repr(value))}"
            yield Case(name, raw, 400, "invalid_request")
    for field in BOOK:
        body = json.dumps({name: value for name, value in BOOK.items() if name != field})
        raw = http_request("POST", "/books", [JSON, ADMIN], body)
        yield Case(f"a new book without {field}", raw, 400, "invalid_request")
    twice = '{"title": "A", "title": "A", "authors": ["B"], "price": "1.00", "stock": 1}'
    for name, body in (("twice a title", twice), ("a list", f"[{book_with()}]"), ("nothing", "")):
        raw = http_request("POST", "/books", [JSON, ADMIN], body)
        yield Case(f"a new book, {name}", raw, 400, "invalid_request")


def edits() -> Iterator[Case]:
    """Edits that cannot be made."""
    headers = [JSON, ADMIN, 'If-Match: "1"']
    bodies = ["{}", "[]", "", '{"stock": 1}', '{"id": 7}', '{"version": 2}', '{"title": ""}']
    bodies += ['{"title": null}', '{"price": 1}', '{"authors": []}', '{"topics": null}']
    bodies += ['{"isbn": "1"}', '{"price": "1.00", "price": "1.00"}', '{"<script>": ""}']
    for body in bodies:
        raw = http_request("PATCH", "/books/{book}", headers, body)
        yield Case(f"PATCH {body}", raw, 400, "invalid_request")
    for body in ("{}", '{"title": "A"}', book_with(topics=[], isbn=None)):
        raw = http_request("PUT", "/books/{book}", headers, body)
        yield Case(f"PUT {body}", raw, 400, "invalid_request")
    raw = http_request("PATCH", "/books/999999", headers, '{"title": "A"}')
    yield Case("PATCH of no book", raw, 404, "book_not_found")
    raw = http_request("PATCH", "/books/{gone}", headers, '{"title": "A"}')
    yield Case("PATCH of a deleted book", raw, 410, "book_deleted")


def stocks() -> Iterator[Case]:
    """Restocks that cannot be made."""
    headers = [JSON, ADMIN, 'If-Match: "1"']
    bodies = ["{}", '{"change": 1}', '{"count": 1}', '{"reason": "x"}']
    bodies += ['{"reason": "x", "change": 1, "count": 1}', '{"reason": "", "change": 1}']
    bodies += ['{"reason": "\\u0000", "change": 1}', '{"reason": 1, "change": 1}']
    for value in ("1.5", '"1"', "true", "[]", str(10**9 + 1), str(2**64)):
        bodies += [f'{{"reason": "x", "{name}": {value}}}' for name in ("change", "count")]
    bodies += ['{"reason": "x", "count": -1}', f'{{"reason": "x", "change": {-(10**9) - 1}}}']
    for body in bodies:
        raw = http_request("POST", "/books/{book}/stock", headers, body)
        yield Case(f"stock {body}", raw, 400, "invalid_request")
    for body, code in (
        ('{"reason": "x", "change": -1000}', "out_of_stock"),
        ('{"reason": "x", "change": 1000000000}', "stock_limit"),
    ):
        raw = http_request("POST", "/books/{book}/stock", headers, body)
        yield Case(f"stock {body}", raw, 409, code)
    counted = http_request(
        "POST", "/books/{book}/stock", [JSON, ADMIN, "If-Match: *"], '{"reason": "x", "count": 1}'
    )
    yield Case("a count against any version", counted, 400, "invalid_request")


def keys() -> Iterator[Case]:
    """Idempotency keys that are none."""
    keys = ("", "short", "x" * 15, "x" * 256, '"short"', "x" * 20 + "\x7f", "é" * 20, '"' * 2)
    half_quoted = ('"' + "x" * 20, "x" * 20 + '"', '""' + "x" * 20 + '""', '"x", ' * 9 + '"x"')
    for key in (*keys, *half_quoted):
        raw = http_request("POST", "/purchase/{book}", [f"Idempotency-Key: {key}"])
        yield Case(f"key {short(key)}", raw, 400, "invalid_request")
        raw = http_request("POST", "/books", [JSON, ADMIN, f"Idempotency-Key: {key}"], book_with())
        yield Case(f"key of a new book {short(key)}", raw, 400, "invalid_request")
    twice = [f"Idempotency-Key: {'x' * 20}", f"Idempotency-Key: {'x' * 20}"]
    raw = http_request("POST", "/purchase/{book}", twice)
    yield Case("two keys", raw, 400, "invalid_request")
    raw = http_request("POST", "/books", [JSON, ADMIN, *twice], book_with())
    yield Case("two keys of a new book", raw, 400, "invalid_request")


def versions() -> Iterator[Case]:
    """If-Match headers that name no version."""
    tags: tuple[str, ...] = (
        'W/"1"',
        '"1", "2"',
        "1",
        '"0"',
        '"01"',
        '"-1"',
        '"1.0"',
        '"abc"',
        '""',
        '"1',
    )
    tags += ('"9223372036854775808"', '"' + "9" * 400 + '"', "<script>", '"1"x', '"\u0661"')
    for tag in tags:
        for method, path, body in _CHANGES:
            raw = http_request(method, path, [JSON, ADMIN, f"If-Match: {tag}"], body)
            yield Case(f"{method} {path} against {short(tag)}", raw, 400, "invalid_request")
    for method, path, body in _CHANGES:
        raw = http_request(method, path, [JSON, ADMIN], body)
        yield Case(f"{method} {path} against nothing", raw, 428, "version_required")
        two = ['If-Match: "1"', 'If-Match: "1"']
        raw = http_request(method, path, [JSON, ADMIN, *two], body)
        yield Case(f"{method} {path} against two", raw, 400, "invalid_request")
        raw = http_request(method, path, [JSON, ADMIN, 'If-Match: "999"'], body)
        yield Case(f"{method} {path} against one to come", raw, 412, "stale_version")
    raw = http_request("PATCH", "/books/{book}", [JSON, ADMIN, "If-Match: *"], '{"title": "A"}')
    yield Case("PATCH against any", raw, 400, "invalid_request")


_CHANGES: list[tuple[str, str, str | None]] = [
    ("PATCH", "/books/{book}", '{"title": "A"}'),
    ("POST", "/books/{book}/stock", '{"reason": "x", "change": 1}'),
    ("DELETE", "/books/{book}", None),
]


def inside() -> Iterator[Case]:
    """What the servers inside refuse, even of one another."""
    headers = [JSON, SERVICE]
    sale = {"order_id": ORDER, "fingerprint": "0" * 64, "quantity": 1}

    def sales(**fields: object) -> str:
        one_book = {"book_id": 1, "version": 1, "sales": [{**sale, **fields}]}
        return json.dumps({"ledger_seen": 0, "books": [one_book]})

    bodies = ["", "{}", "[]", "null", '{"ledger_seen": -1, "books": []}', sales()]
    bodies += [sales(quantity=0), sales(quantity="1"), sales(quantity=1.5), sales(order_id="x")]
    bodies += [sales(fingerprint="x"), sales(version=0), sales(max_price=1), sales(more=1)]
    for number, body in enumerate(bodies):
        raw = http_request("POST", "/sales", headers, body)
        yield Case(f"sales {number}", raw, 400, "invalid_request", "catalog")
    for path, server in (
        ("/books/batch", "catalog"),
        ("/books/batch-add", "catalog"),
        ("/orders/batch", "order"),
    ):
        for body in ("", "{}", "null", "1", "[", "[" + "1," * 600 + "1]"):
            raw = http_request("POST", path, headers, body)
            yield Case(f"{path} {short(body)}", raw, 400, "invalid_request", server)
        raw = http_request("POST", path, headers, "[" + " " * 1_048_576 + "]")
        yield Case(f"{path}, a large one", raw, 413, "body_too_large", server)
    for path in ("/sales/x", f"/sales/{ORDER.upper()}", "/books/0", "/ledger/x"):
        yield Case(f"{path} of the catalog", *_inside_get(path), "catalog")
    for body in ("{}", '{"after": -1, "limit": 1}', '{"after": 0, "limit": 0}'):
        raw = http_request("POST", "/orders/restore", headers, body)
        yield Case(f"restore {body}", raw, 400, "invalid_request", "order")
    for end in ("void", "return"):
        raw = http_request("POST", f"/sales/{ORDER}/{end}", headers, "{}")
        yield Case(f"a {end} of nothing", raw, 400, "invalid_request", "catalog")


def _inside_get(path: str) -> tuple[bytes, int, str]:
    return http_request("GET", path, [SERVICE]), 404, "not_found"
