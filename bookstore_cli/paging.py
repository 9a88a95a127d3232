"""Lists that come in pages: following them by the server's own cursor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from bookstore_cli import wire

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bookstore_cli.client import Client
    from bookstore_cli.connection import Answer

PAGE_ITEMS = 200
"""Most items the shop gives in one page."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list; ``more`` says whether the list goes on."""

    body: bytes
    rows: list[Any]
    more: bool


def pages(
    client: Client, path: str, query: Mapping[str, object], limit: int | None = None
) -> Iterator[Page]:
    """Yield a list page by page, ``limit`` rows at most; each page has the whole time-out."""
    cursor: str | None = None
    left = limit
    while left is None or left > 0:
        items = PAGE_ITEMS if left is None else min(left, PAGE_ITEMS)
        answer = client.call(wire.page(path, {**query, "limit": items, "cursor": cursor}))
        following = _next_cursor(answer)
        # A cursor that leads to itself would never end.
        more = following is not None and following != cursor
        yield Page(answer.body, answer.value, more)
        if not more:
            return
        cursor = following
        left = None if left is None else left - len(answer.value)
        client.deadline.restart()


def _next_cursor(answer: Answer) -> str | None:
    """Return the cursor of the page that follows (RFC 8288 §3).

    Of the link only the cursor is used, so that no answer can lead to another server.
    """
    for link in answer.headers.get("link", "").split(","):
        target, _, parameters = link.strip().partition(">")
        if 'rel="next"' in parameters.replace("rel=next", 'rel="next"'):
            cursors = parse_qs(urlsplit(target.lstrip("<")).query).get("cursor")
            return cursors[0] if cursors else None
    return None
