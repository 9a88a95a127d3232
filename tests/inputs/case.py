"""What one request of the catalogue is, and the words that many of them share.

In heads ``{book}`` stands for a book that the shop sells, ``{gone}`` for one that was deleted,
``{admin}`` and ``{service}`` for the tokens; ``<script>`` is text that no answer may repeat.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from tests.support.raw import http_request

JSON = "Content-Type: application/json"
ADMIN = "Authorization: Bearer {admin}"
SERVICE = "Authorization: Bearer {service}"
ORDER = "0123456789abcdef0123456789abcdef"
LONG = "x" * 20_000
PLACES = ("{book}", "{gone}", "{admin}", "{service}")
BOOK: dict[str, object] = {"title": "A", "authors": ["B"], "price": "1.00", "stock": 1}


@dataclass(frozen=True)
class Case:
    """One request in bytes, the server it goes to, and the status and code that it gets."""

    name: str
    raw: bytes
    status: int
    code: str
    server: str = "frontend"


def get(path: str, *headers: str) -> tuple[str, bytes]:
    """Return the name and the bytes of a GET; both go into a case."""
    return f"GET {short(path)}", http_request("GET", path, headers)


def short(text: str) -> str:
    """Return a text as it may stand in the name of a test."""
    shown = text if len(text) <= 60 else f"{text[:40]}... {len(text)} characters"
    return shown.encode("ascii", "backslashreplace").decode()


def book_with(**fields: object) -> str:
    """Return the body that adds a book, with some fields of its own."""
    return json.dumps({**BOOK, **fields})
