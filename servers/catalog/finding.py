"""``GET /books/search``: how a search and its pages look on the wire.

The frontend answers it as ``GET /books``, so that is where its links lead.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal
from urllib.parse import parse_qs, urlencode, urlsplit

from msgspec import Struct

from servers.catalog.mapping import found
from servers.catalog.wire import Limit, Topic
from servers.domain.limits import DEFAULT_PAGE_ITEMS, MAX_TOPIC_CHARACTERS
from servers.domain.search import BookSearch, Sort
from servers.domain.text import clean_text, topic_key
from servers.web.answers import answer
from servers.web.codec import make_cursor, read_cursor

if TYPE_CHECKING:
    from servers.domain.search import BookPage
    from servers.web.answers import Answer


class FindQuery(Struct, forbid_unknown_fields=True):
    """``GET /books/search``."""

    q: Topic | None = None
    topic: Topic | None = None
    in_stock: Literal["true", "false"] = "false"
    sort: Sort | None = None
    limit: Limit = DEFAULT_PAGE_ITEMS
    cursor: str | None = None


def search_of(query: FindQuery) -> BookSearch:
    """Return the search that a query asks for. Raises `InvalidRequest` naming the field."""
    search = BookSearch(
        text=_text(query.q, "q"),
        topic=_text(query.topic, "topic"),
        in_stock=query.in_stock == "true",
        sort=query.sort,
        limit=query.limit,
    )
    if query.cursor is None:
        return search
    return replace(search, after=read_cursor(_name(search), query.cursor))


def page_answer(search: BookSearch, page: BookPage) -> Answer:
    """Return a page, with a link to the next."""
    headers = {}
    if page.following is not None:
        following = urlencode(query_of(replace(search, after=page.following)))
        headers["Link"] = f'</books?{following}>; rel="next"'
    return answer([found(book) for book in page.books], headers=headers)


def query_of(search: BookSearch) -> dict[str, str | int]:
    """Return the parameters that ask for a search."""
    given: dict[str, str | int | None] = {
        "q": search.text,
        "topic": search.topic,
        "in_stock": "true" if search.in_stock else None,
        "sort": search.sort,
        "limit": search.limit,
        "cursor": None if search.after is None else make_cursor(_name(search), search.after),
    }
    return {name: value for name, value in given.items() if value is not None}


def following_of(search: BookSearch, link: str | None) -> str | None:
    """Return the position that a link to the next page leads to, or None without a link."""
    if link is None:
        return None
    (cursor,) = parse_qs(urlsplit(link[1:].partition(">")[0]).query)["cursor"]
    return read_cursor(_name(search), cursor)


def _name(search: BookSearch) -> str:
    """Return the name of the list that a cursor belongs to, whatever its pages' size."""
    topic = None if search.topic is None else topic_key(search.topic)
    return repr(("books", search.text, topic, search.in_stock, str(search.order)))


def _text(value: str | None, field: str) -> str | None:
    return None if value is None else clean_text(value, field, MAX_TOPIC_CHARACTERS)
