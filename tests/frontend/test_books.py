"""`GET /books`: what customers can search for, over HTTP, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.support.services import Web


async def _pages(web: Web, path: str) -> list[list[int]]:
    """Follow a list from page to page and return the ids on each."""
    pages = []
    while path:
        said = await web.ask("GET", path)
        assert said.status == 200, said
        pages.append([book["id"] for book in said.json])
        path = said.headers.get("Link", "").partition(">")[0].removeprefix("<")
    return pages


async def test_a_book_as_it_is_found(web: Web) -> None:
    """A hit is what a search of a topic shows; without hits the list is empty."""
    book_id = await web.add_book(title="Crème brûlée", price="25.00", stock=3)
    said = await web.ask("GET", "/books?q=CREME%20br")
    shown = {"id": book_id, "title": "Crème brûlée", "authors": ["Somebody"], "price": "25.00"}
    assert said.json == [{**shown, "stock": 3}]
    assert "Link" not in said.headers
    assert (await web.ask("GET", "/search/tests")).body == said.body
    assert (await web.ask("GET", "/books?q=nothing")).json == []


@pytest.mark.parametrize(
    "query",
    [
        *("", "q=a&", "sort=id&", "sort=title&", "sort=price&", "topic=tests&", "in_stock=true&"),
        *("q=a&topic=TESTS&in_stock=true&", "q=a&sort=relevance&", "in_stock=false&"),
        "q=%22%27%25%2A%20a&",
    ],
)
async def test_links_lead_through_all_pages(web: Web, query: str) -> None:
    """The link of each page leads to the next, with all that was asked for."""
    ids = [await web.add_book(title="A b", price="1.00") for _ in range(5)]
    assert await _pages(web, f"/books?{query}limit=2") == [ids[:2], ids[2:4], ids[4:]]


@pytest.mark.parametrize(
    "query",
    [
        *("q=", "q=%20", "q=%00", "q=a%0Ab", "q=%ff", "q=%E2%80%8B", "q=a&q=b", f"q={'a' * 257}"),
        *("topic=", "topic=%1b", f"topic={'a' * 257}", "in_stock=1", "in_stock=", "in_stock=TRUE"),
        *("sort=", "sort=stock", "sort=ID", "sort=relevance", "q=a&sort=title", "q=a&sort=price"),
        *("topic=a&sort=title", "topic=a&sort=price", "limit=0", "limit=201", "limit=x", "x=1"),
        *("cursor=", "cursor=abc", "cursor=WzFd", "after=1", "tombstones=1", "Q=a"),
    ],
)
async def test_bad_parameters(web: Web, query: str) -> None:
    """What is no search is refused, and the answer names no more than the field."""
    said = await web.ask("GET", f"/books?{query}")
    assert (said.status, said.code) == (400, "invalid_request")


@pytest.mark.parametrize(
    "other",
    ["", "q=b", "q=a&topic=tests", "q=a&in_stock=true", "q=a&sort=id", "topic=a", "sort=price"],
)
async def test_a_cursor_is_of_one_list(web: Web, other: str) -> None:
    """A cursor leads on in the list that gave it, with pages of any size, and in no other."""
    for _ in range(3):
        await web.add_book(title="a b")
    link = (await web.ask("GET", "/books?q=a&limit=1")).headers["Link"]
    cursor = link.partition("cursor=")[2].partition(">")[0]
    assert len((await web.ask("GET", f"/books?q=a&limit=200&cursor={cursor}")).json) == 2
    assert (
        await web.ask("GET", f"/books?{other}&cursor={cursor}".replace("?&", "?"))
    ).status == 400
