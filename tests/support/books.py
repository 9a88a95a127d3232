"""What the shop's own books say about one title: its ledger and its orders, page by page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.support.shop import Shop


def ledger_of(shop: Shop, book_id: int) -> list[dict[str, Any]]:
    """Return all ledger entries of a book, oldest first."""
    return _all_pages(shop, f"/books/{book_id}/ledger?limit=200")[::-1]


def orders_of(shop: Shop, book_id: int) -> list[dict[str, Any]]:
    """Return all orders of a book, newest first."""
    return _all_pages(shop, f"/orders?book_id={book_id}&limit=200")


def last_number(shop: Shop) -> int:
    """Return the highest number in the ledger."""
    return int(shop.request("GET", "/ledger/last", server="catalog", admin=True).json)


def stock_of(shop: Shop, book_id: int) -> int:
    """Return how many copies of a book are left."""
    return int(shop.request("GET", f"/info/{book_id}").json["stock"])


def _all_pages(shop: Shop, path: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    while path:
        page = shop.request("GET", path, admin=True)
        assert page.status == 200, page.body
        rows += page.json
        link = page.headers.get("link", "")
        path = link.partition(">")[0].lstrip("<")
    return rows
