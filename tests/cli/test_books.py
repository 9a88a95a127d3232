"""What the commands for staff send."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cli.fake_frontend import (
    BOOK,
    answers,
    frontend,
)

if TYPE_CHECKING:
    from tests.cli.conftest import Bookstore


def test_adding_sends_the_whole_book(bookstore: Bookstore) -> None:
    """Authors and topics are lists, the price gets its two places."""
    words = ("--author", "B", "--author", "C", "--topic", "t", "--price", "9.5", "--stock", 0)
    with frontend(answers(BOOK, 201)) as shop:
        ran = bookstore("books", "add", "A", *words, "--isbn", "123", "--url", shop.url)
    assert ran.code == 0
    assert shop.requests[0].json == {
        "title": "A",
        "authors": ["B", "C"],
        "topics": ["t"],
        "price": "9.50",
        "stock": 0,
        "isbn": "123",
    }


@pytest.mark.parametrize(
    ("words", "body", "match"),
    [
        (("-2",), {"change": -2, "reason": "restock"}, "*"),
        (("+5", "--reason", "-x"), {"change": 5, "reason": "-x"}, "*"),
        (("+5", "--version", "4"), {"change": 5, "reason": "restock"}, '"4"'),
        (("--count", "0", "--version", "4"), {"count": 0, "reason": "restock"}, '"4"'),
        (("--count", "9"), {"count": 9, "reason": "restock"}, '"7"'),
    ],
)
def test_restocking_changes_or_counts(
    bookstore: Bookstore, words: tuple[str, ...], body: object, match: str
) -> None:
    """A change holds for any version, a count for the one that was read or named."""
    with frontend(answers(BOOK)) as shop:
        ran = bookstore("books", "restock", 2, *words, "--url", shop.url)
    assert ran.code == 0
    assert shop.requests[-1].path == "/books/2/stock"
    assert shop.requests[-1].json == body
    assert shop.requests[-1].headers["if-match"] == match


def test_an_isbn_can_be_taken_away(bookstore: Bookstore) -> None:
    """An empty --isbn means none."""
    with frontend(answers(BOOK)) as shop:
        bookstore("books", "edit", 2, "--isbn", "", "--url", shop.url)
    assert shop.requests[1].json == {"isbn": None}


def test_deleting_without_a_terminal_does_not_ask(bookstore: Bookstore) -> None:
    """In a script a delete goes ahead, for any version unless one is named."""
    with frontend(answers(None, 204)) as shop:
        first = bookstore("books", "delete", 40, "--yes", "--url", shop.url)
        bookstore("books", "delete", 40, "--yes", "--version", 3, "--url", shop.url)
    assert (first.code, first.out) == (0, "")
    assert [request.headers["if-match"] for request in shop.requests] == ["*", '"3"']


def test_the_ledger_shows_every_field(bookstore: Bookstore) -> None:
    """The columns are those that the rows have."""
    rows = [{"number": 2, "kind": "sold", "change": -1}, {"number": 1, "kind": "added", "at": "x"}]
    with frontend(answers(rows)) as shop:
        ran = bookstore("books", "ledger", 2, "--url", shop.url)
    assert ran.out.splitlines() == ["number\tkind\tchange\tat", "2\tsold\t-1\t", "1\tadded\t\tx"]
