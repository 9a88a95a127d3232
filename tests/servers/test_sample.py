"""The sample catalogue that an empty shop opens with."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pytest

from servers import sample

FIXED = [
    ("How to get a good grade in DOS in 40 minutes a day", "distributed systems"),
    ("RPCs for Noobs", "distributed systems"),
    ("Xen and the Art of Surviving Undergraduate School", "undergraduate school"),
    ("Cooking for the Impatient Undergrad", "undergraduate school"),
    ("How to finish Project 3 on time", "undergraduate school"),
    ("Why theory classes are so hard", "undergraduate school"),
    ("Spring in the Pioneer Valley", "travel"),
]


@pytest.fixture
def books() -> list[dict[str, Any]]:
    """Return the sample catalogue."""
    return sample.load()


def test_the_first_seven_books_are_the_known_ones(books: list[dict[str, Any]]) -> None:
    """Books 1 to 7 have the titles and the topics that people know them by."""
    assert [(book["title"], book["topics"]) for book in books[:7]] == [
        (title, [topic]) for title, topic in FIXED
    ]


def test_ids_count_from_one(books: list[dict[str, Any]]) -> None:
    """The ids are 1 to 40 without a gap, so that an empty catalog gives the same ones."""
    assert [book["id"] for book in books] == list(range(1, 41))


def test_every_book_can_be_sold(books: list[dict[str, Any]]) -> None:
    """Each book has exactly the known members, each in its form."""
    for book in books:
        assert set(book) == {"id", "title", "authors", "isbn", "topics", "price", "stock"}
        assert book["title"]
        assert book["title"] == book["title"].strip()
        assert book["authors"]
        assert all(book["authors"])
        assert re.fullmatch(r"[1-9][0-9]*\.[0-9]{2}", book["price"])
        assert type(book["stock"]) is int
        assert book["stock"] >= 0


def test_topics_are_few_and_each_has_several_books(books: list[dict[str, Any]]) -> None:
    """There are six to eight topics, written as they are searched, with two books or more."""
    topics = Counter(topic for book in books for topic in book["topics"])
    assert 6 <= len(topics) <= 8
    assert min(topics.values()) >= 2
    assert all(topic == " ".join(topic.casefold().split()) for topic in topics)
    assert all(len(set(book["topics"])) == len(book["topics"]) >= 1 for book in books)


def test_isbns_are_valid_and_unique(books: list[dict[str, Any]]) -> None:
    """An ISBN has 13 digits, its check digit is right, and no two books share one."""
    isbns = [book["isbn"] for book in books if book["isbn"] is not None]
    assert len(isbns) > 10
    assert len(set(isbns)) == len(isbns)
    for isbn in isbns:
        assert re.fullmatch(r"97[89][0-9]{10}", isbn)
        assert sum(int(digit) * (1, 3)[place % 2] for place, digit in enumerate(isbn)) % 10 == 0


def test_some_books_are_nearly_gone(books: list[dict[str, Any]]) -> None:
    """One book is sold out and one has a last copy; the first seven can all be bought."""
    stocks = Counter(book["stock"] for book in books)
    assert stocks[0] == 1
    assert stocks[1] == 1
    assert min(book["stock"] for book in books[:7]) >= 10
