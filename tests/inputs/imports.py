"""Imports that are refused as a whole, and rows that are refused alone."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.inputs import bodies
from tests.inputs.case import ADMIN, BOOK, SERVICE, Case, book_with, get, short
from tests.support.raw import http_request

if TYPE_CHECKING:
    from collections.abc import Iterator

NDJSON = "Content-Type: application/x-ndjson"
ROW = book_with().encode() + b"\n"


def _import(*headers: str, body: bytes | None = ROW, kind: str | None = NDJSON) -> bytes:
    named = [*([kind] if kind is not None else []), *headers]
    return http_request("POST", "/books/import", named, body)


def imports() -> Iterator[Case]:
    """Heads and bodies of which nothing goes in."""
    for headers, status, code in (
        ([], 401, "unauthorized"),
        (["Authorization: Bearer x"], 401, "unauthorized"),
        ([ADMIN, ADMIN], 401, "unauthorized"),
        ([SERVICE], 403, "forbidden"),
        ([ADMIN, "Content-Encoding: gzip"], 415, "unsupported_media_type"),
        ([ADMIN, "Content-Encoding: identity, br"], 415, "unsupported_media_type"),
        ([ADMIN, "Idempotency-Key: short"], 400, "invalid_request"),
        ([ADMIN, f"Idempotency-Key: {'x' * 256}"], 400, "invalid_request"),
        ([ADMIN, *[f"Idempotency-Key: {'x' * 20}"] * 2], 400, "invalid_request"),
        ([ADMIN, "Expect: <script>"], 400, "invalid_request"),
        ([ADMIN, "X-Deadline-Ms: -1"], 400, "invalid_request"),
        ([ADMIN, NDJSON], 400, "invalid_request"),
    ):
        yield Case(f"an import with {headers}", _import(*headers), status, code)
    for kind in (
        *(None, "text/plain", "application/json", "application/ndjson", "text/csv"),
        *("application/x-ndjson; charset=latin-1", "application/x-ndjson, application/json"),
    ):
        named = None if kind is None else f"Content-Type: {kind}"
        raw = _import(ADMIN, kind=named)
        yield Case(f"an import of type {kind}", raw, 415, "unsupported_media_type")
    raw = http_request("POST", "/books/import?dry=1", [NDJSON, ADMIN], ROW)
    yield Case("an import with a query", raw, 400, "invalid_request")
    for method in ("PUT", "PATCH", "DELETE"):
        raw = http_request(method, "/books/import", [NDJSON, ADMIN, "If-Match: *"], ROW)
        yield Case(f"{method} of imports", raw, 405, "method_not_allowed")
    yield Case(*get("/books/import", ADMIN), 405, "method_not_allowed")


def import_bodies() -> Iterator[Case]:
    """Bodies that are too long, too slow, or break off before a batch of rows is there."""
    for length in (2**30 + 1, 10**15):
        raw = _import(ADMIN, f"Content-Length: {length}", body=None)
        yield Case(f"an import of {length} bytes", raw, 413, "body_too_large")
    waits = _import(ADMIN, "Content-Length: 9", "X-Deadline-Ms: 200", body=None)
    yield Case("an import that does not come", waits, 408, "request_timeout")
    yield Case("an import that stops in a row", waits + ROW[:5], 408, "request_timeout")
    chunked = _import(ADMIN, "Transfer-Encoding: chunked", body=None)
    yield Case("an import in a chunk that is none", chunked + b"zz\r\n", 400, "invalid_request")
    part = b"%x\r\n%b\r\n" % (len(ROW), ROW)
    yield Case("a broken chunk behind a row", chunked + part + b"-1\r\n", 400, "invalid_request")
    coded = _import(ADMIN, "Transfer-Encoding: gzip, chunked", body=None)
    yield Case("an import in another coding", coded + part, 415, "unsupported_media_type")


def bad_rows() -> Iterator[tuple[str, bytes, str]]:
    """Yield rows that are refused: each a name, the line, and the code that it gets."""
    for case in bodies.new_books():
        body = case.raw.partition(b"\r\n\r\n")[2]
        if body:
            yield f"{case.name}, in a row", body, case.code
    good = json.dumps(BOOK).encode()
    rows = (
        *(b"{", b"}", b"[]", b"null", b"1", b'"x"', b"{} {}", good + b"x", good + b"," + good),
        *(b"\x00", good + b"\x00", b"\xff", b'{"title": "\xed\xa0\x80"}', "{}".encode("utf-16-be")),
        *(b"\xef\xbb\xbf" + good, b"// " + good, b"[" * 60_000, b"{" * 60_000, b'{"a":' * 40),
        *(good.replace(b"1}", b"NaN}"), good.replace(b"1}", b"1e400}"), good[:-1] + b", }"),
        *(good.replace(b'"stock"', b'"\\u0073tock": 1, "stock"'), good.replace(b'"', b"'")),
        *(b'{"\\ud800": 1}', good.replace(b'"A"', b'"\\ud800"'), b"title,authors,price,stock"),
    )
    for number, row in enumerate(rows):
        yield f"row {number}: {short(ascii(row))}", row, "invalid_request"
    for size in (65_537, 70_000, 1_000_000):
        long = good[:-1] + b" " * (size - len(good)) + b"}"
        yield f"a row of {size} bytes", long, "body_too_large"
    isbn = {"isbn": "9780306406157"}
    yield "an ISBN that is taken", json.dumps({**BOOK, **isbn}).encode(), "isbn_exists"
