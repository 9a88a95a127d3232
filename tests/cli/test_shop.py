"""What the commands for customers ask, and what they say about the answer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.cli.conftest import TOKEN
from tests.cli.fake_frontend import (
    BOOK,
    ORDER,
    ORDER_ID,
    answers,
    frontend,
    refuses,
)

if TYPE_CHECKING:
    from tests.cli.conftest import Bookstore


ROW = {"id": 1, "title": "T", "authors": ["A"], "price": "1.00", "stock": 1}


def test_info_prints_what_it_found_and_exits_5(bookstore: Bookstore) -> None:
    """Of two books one missing: the other is printed, the missing one is an error."""
    missing = refuses("book_not_found", "There is no book 999.")
    with frontend(answers(BOOK), missing) as shop:
        ran = bookstore("info", 2, 999, "--json", "--url", shop.url)
    assert ran.code == 5
    assert json.loads(ran.out) == [BOOK]
    assert json.loads(ran.err)["code"] == "book_not_found"


def test_info_of_two_missing_books_names_both(bookstore: Bookstore) -> None:
    """Each missing book is an error of its own; the first gives the exit code."""
    with frontend(refuses("book_deleted", "Gone."), refuses("book_not_found", "Never.")) as shop:
        ran = bookstore("info", 1, 999, "--url", shop.url)
    assert (ran.code, ran.err) == (5, "Error: Gone.\nError: Never.\n")


def test_search_follows_the_pages(bookstore: Bookstore) -> None:
    """All pages are asked for by the server's own cursor, and printed as one list."""
    link = '<http://elsewhere.example/search/x?limit=200&cursor=a%2Bb>; rel="next"'
    with frontend(answers([ROW], Link=link), answers([{**ROW, "id": 2}])) as shop:
        ran = bookstore("search", "a/b c", "--all", "--json", "--url", shop.url)
    assert [book["id"] for book in json.loads(ran.out)] == [1, 2]
    assert shop.asked == [
        "GET /search/a%2Fb%20c?limit=200",
        "GET /search/a%2Fb%20c?limit=200&cursor=a%2Bb",
    ]


def test_search_says_that_there_is_more(bookstore: Bookstore) -> None:
    """A list that was cut says so on stderr, unless it is to be quiet."""
    with frontend(answers([ROW], Link='</search/x?cursor=c>; rel="next"')) as shop:
        ran = bookstore("search", "x", "--limit", 1, "--url", shop.url)
        quiet = bookstore("search", "x", "--limit", 1, "-q", "--url", shop.url)
    assert shop.asked == ["GET /search/x?limit=1"] * 2
    assert "there are more" in ran.err
    assert quiet.err == ""
    assert ran.out == quiet.out


def test_a_page_that_leads_to_itself_ends_the_list(bookstore: Bookstore) -> None:
    """A cursor that never moves on cannot hold the command."""
    with frontend(answers([ROW], Link='</search/x?cursor=c>; rel="next"')) as shop:
        assert bookstore("search", "x", "--all", "--url", shop.url).code == 0
    assert len(shop.requests) == 2


def test_staff_commands_carry_the_token(bookstore: Bookstore) -> None:
    """Commands for staff send the token; what customers do never does."""
    with frontend(answers([])) as shop:
        bookstore("orders", "list", "--state", "pending", "--book", 2, "--url", shop.url)
        bookstore("search", "x", "--url", shop.url)
    staff, customer = shop.requests
    assert staff.path == "/orders?state=pending&book_id=2&limit=50"
    assert staff.headers["authorization"] == f"Bearer {TOKEN}"
    assert "authorization" not in customer.headers


def test_an_order_shows_its_history(bookstore: Bookstore) -> None:
    """Each step of an order stands in the output with its time."""
    history = [{"state": "pending", "at": "t1", "reason": None}, {"state": "confirmed", "at": "t2"}]
    with frontend(answers({**ORDER, "history": history})) as shop:
        ran = bookstore("orders", "show", ORDER_ID, "--url", shop.url)
    assert "pending t1; confirmed t2" in ran.out


def test_a_purchase_says_how_to_give_it_back(bookstore: Bookstore) -> None:
    """Data go to stdout, the sentence to stderr."""
    with frontend(answers(ORDER, 201)) as shop:
        ran = bookstore("buy", 2, "--url", shop.url)
    assert ran.out.splitlines()[1].startswith(ORDER_ID)
    assert f"bookstore orders cancel {ORDER_ID}" in ran.err


def test_topics_are_listed(bookstore: Bookstore) -> None:
    """Each topic stands with its count."""
    with frontend(answers([{"topic": "travel", "count": 1}])) as shop:
        ran = bookstore("topics", "--url", shop.url)
    assert (ran.out, shop.asked) == ("topic\tcount\ntravel\t1\n", ["GET /topics"])
