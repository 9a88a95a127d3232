"""Searching for books: what can be asked, in which order books are found, and what fits best.

How texts become words, and how books with given words are come by, is not known here.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from servers.domain.errors import InvalidRequest
from servers.domain.limits import DEFAULT_PAGE_ITEMS
from servers.domain.text import topic_key
from servers.domain.value import value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from servers.domain.book import Book


class Sort(StrEnum):
    """An order in which books are listed. Whatever it leaves open is decided by id."""

    RELEVANCE = "relevance"
    ID = "id"
    TITLE = "title"
    PRICE = "price"


@value
class BookSearch:
    """Which page of which living books.

    ``text``: words that must all stand in title, authors or topics, the last one as a
    beginning. ``topic``: one they must have. ``after``: the `BookPage.following` of the page
    before. ``sort`` None is by relevance where there is a text, by id otherwise.
    """

    text: str | None = None
    topic: str | None = None
    in_stock: bool = False
    sort: Sort | None = None
    limit: int = DEFAULT_PAGE_ITEMS
    after: str | None = None

    @property
    def order(self) -> Sort:
        """The order that is meant.

        Raises `InvalidRequest` for one that there is no index for, so that it would cost more
        the more books there are.
        """
        by_text = self.text is not None
        order = self.sort or (Sort.RELEVANCE if by_text else Sort.ID)
        if order is Sort.RELEVANCE and not by_text:
            raise _unsorted("`sort=relevance` needs words to be relevant to: give `q`.")
        if order in {Sort.TITLE, Sort.PRICE} and (by_text or self.topic is not None):
            raise _unsorted(f"`sort={order}` is for the whole catalogue, without `q` and `topic`.")
        return order

    def shows(self, book: Book) -> bool:
        """Return whether a book with the right words is one that was asked for."""
        if book.deleted or (self.in_stock and not book.stock):
            return False
        if self.topic is None:
            return True
        return topic_key(self.topic) in {topic_key(name) for name in book.topics}


class Found(NamedTuple):
    """A book as a search shows it: what tells one from another, and whether it can be bought."""

    id: int
    title: str
    authors: tuple[str, ...]
    price_minor: int
    stock: int

    @classmethod
    def of(cls, book: Book) -> Found:
        """Return what a search shows of a book."""
        return cls(book.id, book.title, book.authors, book.price_minor, book.stock)


@value
class BookPage:
    """Books found, and where the next page begins; None at the end.

    A page can have fewer books than its limit, even none, while more follow: where few of
    many books are shown, the next page goes on looking.
    """

    books: list[Found]
    following: str | None = None


def relevance(asked: Sequence[str], title: Sequence[str], authors: Sequence[str]) -> int:
    """Return how well a book fits the words that were asked for; higher is better.

    Each word counts for where it stands: in the title more than among the authors, there more
    than among the topics; a whole word more than a beginning. A title that begins with all
    the words comes first, and of equals the one with the shorter title.
    """
    points = 0
    for word in asked:
        if word in title:
            points += 6
        elif any(each.startswith(word) for each in title):
            points += 5
        elif word in authors:
            points += 4
        elif any(each.startswith(word) for each in authors):
            points += 3
    if _begins_with(title, asked):
        points += 6
    return points * _LONGEST_TITLE + max(_LONGEST_TITLE - 1 - len(title), 0)


_LONGEST_TITLE = 1000


def _begins_with(title: Sequence[str], asked: Sequence[str]) -> bool:
    count = len(asked)
    if count > len(title):
        return False
    *whole, last = asked
    return list(title[: count - 1]) == whole and title[count - 1].startswith(last)


def _unsorted(detail: str) -> InvalidRequest:
    return InvalidRequest(detail, field="sort")
