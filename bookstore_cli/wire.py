"""Every request that a command makes: path, body, headers, and whether it may be repeated.

The routes of the frontend stand here and nowhere else in the command line. How a
request is sent, and repeated, lives in ``client``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

ANY_VERSION = "*"
READINESS = "/readyz"
MAX_DEADLINE_MS = 60_000
"""Most time that the shop lets a request name; a command that has more asks again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request to the frontend.

    ``repeatable``: sending it again does no harm, whatever became of the first one.
    ``parts`` makes a long body, sent as it comes, which has no deadline but for silence;
    where it is ``once``, what was begun cannot be sent again.
    ``purchase``: whatever goes wrong on the server leaves its outcome open.
    ``expects``: the JSON type of a good answer, None for an empty one.
    ``look``: what to do when the outcome stays unknown, a sentence.
    """

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    parts: Callable[[], Iterable[bytes]] | None = None
    once: bool = False
    repeatable: bool = True
    purchase: bool = False
    expects: type | None = dict
    look: str = ""

    @property
    def changes(self) -> bool:
        """Whether the request may change anything at the shop."""
        return self.method != "GET"


def look_up(path: str) -> Request:
    """Return the request for one thing."""
    return Request(method="GET", path=path)


def page(path: str, query: Mapping[str, object]) -> Request:
    """Return the request for one page of a list; parts of the query that are None are left out."""
    named = {name: value for name, value in query.items() if value is not None}
    whole = f"{path}?{urlencode(named)}" if named else path
    return Request(method="GET", path=whole, expects=list)


def topic_path(topic: str) -> str:
    """Return the path of a topic's books; a topic of dots alone stays a topic."""
    return "/search/" + quote(topic, safe="").replace(".", "%2E")


def purchase(book_id: int, wishes: Mapping[str, object], key: str) -> Request:
    """Return a purchase; with its key it may be sent any number of times."""
    return Request(
        method="POST",
        path=f"/purchase/{book_id}",
        headers=_json_headers({"Idempotency-Key": key}),
        body=_encoded(wishes),
        purchase=True,
        look="Repeat it with the same key to learn which; it is never made twice.",
    )


def cancel(order_id: str) -> Request:
    """Return the request that gives an order back; the copies return once, sent how often ever."""
    return Request(
        method="POST",
        path=f"/orders/{order_id}/cancel",
        look=f"Repeat `bookstore orders cancel {order_id}`; the copies are returned once.",
    )


def add(book: Mapping[str, object], key: str) -> Request:
    """Return the request that adds a book."""
    return Request(
        method="POST",
        path="/books",
        headers=_json_headers({"Idempotency-Key": key}),
        body=_encoded(book),
        look="Repeat it with the same key; the book is added once.",
    )


def import_books(parts: Callable[[], Iterable[bytes]], key: str, *, once: bool) -> Request:
    """Return the request that adds many books; with its key no row is added twice."""
    return Request(
        method="POST",
        path="/books/import",
        headers={"Content-Type": "application/x-ndjson", "Idempotency-Key": key},
        parts=parts,
        once=once,
        repeatable=not once,
        look="Repeat it with the same key; no row is added twice.",
    )


def edit(book_id: int, fields: Mapping[str, object], version: int) -> Request:
    """Return the request that edits a book at the version it was read."""
    return Request(
        method="PATCH",
        path=f"/books/{book_id}",
        headers=_json_headers({"If-Match": _tag(version)}),
        body=_encoded(fields),
        repeatable=False,
        look=f"Look at it with `bookstore info {book_id}` before you repeat it.",
    )


def restock(book_id: int, wish: Mapping[str, object], version: int | None, key: str) -> Request:
    """Return the request that changes or counts a book's stock; ``version`` None means any."""
    return Request(
        method="POST",
        path=f"/books/{book_id}/stock",
        headers=_json_headers({"Idempotency-Key": key, "If-Match": _tag(version)}),
        body=_encoded(wish),
        look="Repeat it with the same key; the stock is changed once.",
    )


def delete(book_id: int, version: int | None) -> Request:
    """Return the request that deletes a book; ``version`` None means any."""
    return Request(
        method="DELETE",
        path=f"/books/{book_id}",
        headers={"If-Match": _tag(version)},
        repeatable=False,
        expects=None,
        look=f"Look for it with `bookstore info {book_id}` before you repeat it.",
    )


def _tag(version: int | None) -> str:
    return ANY_VERSION if version is None else f'"{version}"'


def _json_headers(more: Mapping[str, str]) -> dict[str, str]:
    return {"Content-Type": "application/json", **more}


def _encoded(value: Mapping[str, object]) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
