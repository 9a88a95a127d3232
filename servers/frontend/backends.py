"""What the frontend needs of the servers behind it; ``servers.main`` hands it in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from servers.domain.protocols import TopicPage
    from servers.domain.sale import Purchase
    from servers.web.answers import Answer
    from servers.web.call import Call


class CatalogBackend(Protocol):
    """Reads, each answered as the catalog is at that moment."""

    def info(self, book_id: int, request_id: str, deadline_s: float) -> Awaitable[Answer]:
        """Return one book."""

    def search(self, page: TopicPage, request_id: str, deadline_s: float) -> Awaitable[Answer]:
        """Return a page of a topic; the header ``Next`` says what the next begins after."""


class RowBackend(Protocol):
    """Rows of an import, a few at a time."""

    async def add_rows(
        self, rows: Sequence[tuple[str, str]], request_id: str, deadline_s: float
    ) -> list[Answer]:
        """Add books and return what became of each, in order.

        A row is the text of a JSON object and the idempotency key that it is added under, once,
        sent how often ever. Raises `Unavailable` where nothing was done until ``deadline_s``,
        `OutcomeUnknown` where that is not known, and what refuses them all.
        """


class OrderBackend(Protocol):
    """Purchases, each answered once it is decided or its time is out."""

    def place(self, purchase: Purchase, deadline_s: float) -> Awaitable[Answer]:
        """Return what became of a purchase."""


class Passage(Protocol):
    """Passes a whole request on to one server behind the frontend."""

    async def forward(self, call: Call, method: str, path: str) -> Answer:
        """Return the other server's answer to this request on that path."""
