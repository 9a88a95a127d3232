"""What `bookstore search` asks for, and how it follows pages that are shorter than asked."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.cli.fake_frontend import answers, frontend

if TYPE_CHECKING:
    from tests.cli.conftest import Bookstore

ROW = {"id": 4, "title": "Cooking", "authors": ["A"], "price": "1.00", "stock": 2}


@pytest.mark.parametrize(
    ("words", "path"),
    [
        (("--text", "cook impati"), "/books?q=cook+impati&limit=50"),
        (("art", "--text", "a b"), "/books?q=a+b&topic=art&limit=50"),
        (("art", "--in-stock"), "/books?topic=art&in_stock=true&limit=50"),
        (("--text", 'a" OR *', "--limit", "3"), "/books?q=a%22+OR+%2A&limit=3"),
        (("art",), "/search/art?limit=50"),
    ],
)
def test_what_is_asked_for(bookstore: Bookstore, words: tuple[str, ...], path: str) -> None:
    """Words go to the list of books, a topic alone to the topic's own page."""
    with frontend(answers([ROW])) as shop:
        ran = bookstore("search", *words, "--url", shop.url)
    assert (ran.code, shop.asked) == (0, [f"GET {path}"])


def test_nothing_is_asked_for(bookstore: Bookstore) -> None:
    """Neither a topic nor words is a mistake of usage."""
    ran = bookstore("search", "--in-stock", "--url", "http://127.0.0.1:1")
    assert ran.code == 2
    assert "--text" in ran.err


@pytest.mark.parametrize("form", ["table", "tsv", "csv", "json", "ndjson"])
def test_nothing_found(bookstore: Bookstore, form: str) -> None:
    """Nothing found is no error, in every form of output."""
    with frontend(answers([])) as shop:
        ran = bookstore("search", "--text", "zzz", "-o", form, "--url", shop.url)
    assert (ran.code, ran.err) == (0, "Nothing found.\n" if form == "table" else "")
    assert json.loads(ran.out) == [] if form == "json" else "4" not in ran.out


def test_short_pages_are_followed(bookstore: Bookstore) -> None:
    """A page may be shorter than asked, even empty, while more follow."""
    link = '</books?q=a&limit=50&cursor={}>; rel="next"'
    steps = (answers([], Link=link.format("c1")), answers([ROW], Link=link.format("c2")))
    with frontend(*steps, answers([ROW])) as shop:
        ran = bookstore("search", "--text", "a", "--json", "--url", shop.url)
    assert shop.asked[1:] == [
        "GET /books?q=a&limit=50&cursor=c1",
        "GET /books?q=a&limit=49&cursor=c2",
    ]
    assert json.loads(ran.out) == [ROW, ROW]
