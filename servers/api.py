"""What callers of each server are told: its routes, described by whoever answers them.

Lives here: who describes what, and what is said of a server as a whole. The frontend knows
neither catalog nor orders; what it passes on is described by them, and handed over here.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from servers.catalog import descriptions as catalog
from servers.frontend import descriptions as frontend
from servers.order import descriptions as order
from servers.web.auth import INSIDE
from servers.web.openapi.described import described
from servers.web.openapi.document import About
from servers.web.openapi.routes import TAG, Documents

if TYPE_CHECKING:
    from collections.abc import Iterable

    from servers.web.openapi.described import Description
    from servers.web.routes import Route

_ABOUT = {
    "frontend": "Search, look and purchase; for staff, keep the shelves. Anyone may do the first; "
    "what staff do needs the admin token.",
    "catalog": "Books, stock and the ledger, for the shop's own servers and keepers.",
    "order": "Orders, for the shop's own servers and keepers.",
}
_FOR_ALL = (
    "Bodies are JSON in UTF-8. Money is a decimal string, times are UTC, an ETag is a book's "
    "version. Errors are application/problem+json (RFC 9457): go by their code.\n\n"
    "Every GET answers HEAD as well, and every path OPTIONS. Another method than a path has is "
    "405 method_not_allowed with Allow."
)
_TAGS = {
    frontend.CUSTOMERS: "Open to anyone. An order can be read and cancelled by who knows its id.",
    frontend.STAFF: "For the people who run the shop, with the admin token.",
    catalog.BOOKS: "Books and their stock.",
    catalog.LEDGER: "Everything that happened to books, in order.",
    catalog.ORDERS: "Orders and what decides them.",
    "health": "Whether the server runs and can work; answered at any load.",
    TAG: "What this server answers.",
}


def documented(server: str, routes: Iterable[Route], health: Iterable[Route]) -> tuple[Route, ...]:
    """Return all routes of a server, described, with those that answer the descriptions.

    The documents of catalog and order are for those who may come in there at all. Raises
    `ValueError` where a route and its description do not find each other.
    """
    about = About(
        f"Bookstore: {server}",
        _version(),
        f"{_ABOUT[server]}\n\n{_FOR_ALL}",
        _TAGS,
    )
    table = (*described(routes, _descriptions(server)), *health)
    inside = server != "frontend"
    return Documents(about, table, INSIDE if inside else frozenset(), page=not inside).routes


@cache
def _version() -> str:
    try:
        return version("bookstore")
    except PackageNotFoundError:
        # Run from its source, without having been installed.
        return "unreleased"


@cache
def _descriptions(server: str) -> dict[str, Description]:
    behind = {"catalog": catalog.descriptions, "order": order.descriptions}
    if server in behind:
        return behind[server]()
    return frontend.descriptions(
        {**catalog.descriptions(), **order.descriptions()}, {**catalog.items(), **order.items()}
    )
