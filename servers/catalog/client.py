"""The catalog over HTTP: fulfils `servers.domain.protocols.Catalog` for other processes."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlencode

import msgspec

from servers.catalog import mapping
from servers.catalog.finding import following_of, query_of
from servers.catalog.lost import lost_order
from servers.catalog.rows import new_book, row_item
from servers.catalog.wire import (
    BookBody,
    EntryBody,
    FoundBook,
    InfoItem,
    PartOfBook,
    ReenterBody,
    SaleAnswer,
    SearchItem,
    ShelfBody,
    StockBody,
)
from servers.domain.book import Book
from servers.domain.errors import Internal, KeyReused, ShopError, error_of
from servers.domain.money import format_price
from servers.domain.protocols import Change, TopicCount
from servers.domain.sale import Stale
from servers.domain.search import BookPage
from servers.web.answers import Answer
from servers.web.asking import Asking
from servers.web.codec import make_cursor

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from servers.domain.book import Draft, Edit, Restock
    from servers.domain.ledger import Entry
    from servers.domain.order import Order
    from servers.domain.protocols import Addition, AdminKey, TopicPage
    from servers.domain.sale import Purchase, SaleBatch, Seen
    from servers.domain.search import BookSearch, Found
    from servers.web.hop import Hop

T = TypeVar("T")

_REFUSED = 400
_LONG_CALL_S = 30.0
"""For the long lists that an audit reads."""


class CatalogClient:
    """The catalog, asked over a hop; a call is given up after ``call_s`` seconds.

    Besides the errors of the protocol every method raises `Unavailable` where the
    catalog cannot have got the call and `OutcomeUnknown` where it may have.
    """

    def __init__(self, hop: Hop, *, call_s: float) -> None:
        self._asking = Asking(hop, call_s)

    # Reading

    async def books(self, ids: Sequence[int]) -> list[Book | None]:
        """Return the books of these ids; see the protocol.

        Of a tombstone the catalog tells only that it is one, so it comes without its
        other fields.
        """
        items = [InfoItem(book_id) for book_id in ids]
        answers, _ = await self._asking.ask("POST", "/books/batch", list[Answer], body=items)
        return [_book(book_id, said) for book_id, said in zip(ids, answers, strict=True)]

    async def search(self, pages: Sequence[TopicPage]) -> list[list[Found]]:
        """Return a page of books for each page asked for; see the protocol."""
        items = [SearchItem(page.topic, page.limit, page.after_id) for page in pages]
        answers, _ = await self._asking.ask("POST", "/search/batch", list[Answer], body=items)
        found = [msgspec.json.decode(said.body, type=list[FoundBook]) for said in answers]
        return [[mapping.found_of(body) for body in page] for page in found]

    async def find(self, search: BookSearch) -> BookPage:
        """Return a page of books; see the protocol."""
        path = f"/books/search?{urlencode(query_of(search))}"
        bodies, said = await self._asking.ask("GET", path, list[FoundBook])
        found = [mapping.found_of(body) for body in bodies]
        return BookPage(found, following_of(search, said.get("link")))

    async def shelf(self, after_id: int, limit: int, *, tombstones: bool = False) -> list[Book]:
        """Return books sorted by id; see the protocol."""
        path = f"/books?after={after_id}&limit={limit}&tombstones={int(tombstones)}"
        bodies, _ = await self._asking.ask("GET", path, list[ShelfBody], timeout_s=_LONG_CALL_S)
        return [mapping.book_of(body, deleted=body.deleted) for body in bodies]

    async def topics(self) -> list[TopicCount]:
        """Return the topics of living books; see the protocol."""
        return (await self._asking.ask("GET", "/topics", list[TopicCount]))[0]

    async def sale(self, order_id: str) -> list[Entry]:
        """Return the entries of an order; see the protocol."""
        bodies, _ = await self._asking.ask("GET", f"/sales/{order_id}", list[EntryBody])
        return [mapping.entry_of(body) for body in bodies]

    async def book_ledger(self, book_id: int, before: int, limit: int) -> list[Entry]:
        """Return a book's entries, newest first; see the protocol."""
        cursor = make_cursor(f"ledger of {book_id}", before)
        path = f"/books/{book_id}/ledger?limit={limit}&cursor={cursor}"
        bodies, _ = await self._asking.ask("GET", path, list[EntryBody])
        return [mapping.entry_of(body) for body in bodies]

    async def ledger(self, after: int, limit: int) -> list[Entry]:
        """Return entries, oldest first; see the protocol."""
        path = f"/ledger?after={after}&limit={limit}"
        bodies, _ = await self._asking.ask("GET", path, list[EntryBody], timeout_s=_LONG_CALL_S)
        return [mapping.entry_of(body) for body in bodies]

    async def last_number(self) -> int:
        """Return the ledger's highest number."""
        return (await self._asking.ask("GET", "/ledger/last", int))[0]

    # Changes by staff

    async def add(self, draft: Draft, key: AdminKey | None = None) -> Change:
        """Add a book; see the protocol."""
        return await self._change("/books", new_book(draft), _key_header(key))

    async def add_all(self, additions: Sequence[Addition]) -> list[Change | ShopError]:
        """Add books, each decided by itself; see the protocol."""
        items = [row_item(addition) for addition in additions]
        answers, _ = await self._asking.ask("POST", "/books/batch-add", list[Answer], body=items)
        return [_added(said) for said in answers]

    async def edit(self, book_id: int, edit: Edit, version: int) -> Book:
        """Change fields of a book; see the protocol."""
        fields = dict(edit.fields)
        if "price_minor" in fields:
            fields["price"] = format_price(int(str(fields.pop("price_minor"))))
        body = msgspec.convert(fields, PartOfBook)
        change = await self._change(f"/books/{book_id}/edit", body, _version_header(version))
        return change.book

    async def restock(
        self, book_id: int, restock: Restock, version: int | None, key: AdminKey | None = None
    ) -> Change:
        """Change the stock; see the protocol."""
        body = StockBody(restock.reason, restock.change, restock.count)
        headers = _version_header(version) | _key_header(key)
        return await self._change(f"/books/{book_id}/stock", body, headers)

    async def delete(self, book_id: int, version: int | None) -> Book:
        """Leave a tombstone; see the protocol."""
        headers = _version_header(version)
        await _presented(
            self._asking.ask("POST", f"/books/{book_id}/delete", object, headers=headers)
        )
        return _tombstone(book_id)

    async def _change(self, path: str, body: object, headers: dict[str, str]) -> Change:
        made, said = await _presented(
            self._asking.ask("POST", path, BookBody, body=body, headers=headers)
        )
        return Change(mapping.book_of(made), replayed="idempotency-replayed" in said)

    # Orders

    async def sell(self, batch: SaleBatch) -> list[list[Entry | Stale | KeyReused]]:
        """Decide a batch, each order once and for ever; see the protocol."""
        body = mapping.sales_body(batch)
        answers, _ = await self._asking.ask("POST", "/sales", list[list[SaleAnswer]], body=body)
        return [[_outcome(said) for said in book] for book in answers]

    async def void(self, purchase: Purchase, ledger_seen: Seen) -> Entry:
        """Decide that an order will never be sold; see the protocol."""
        body = mapping.one_sale_body(purchase, ledger_seen)
        path = f"/sales/{purchase.order_id}/void"
        return mapping.entry_of((await self._asking.ask("POST", path, EntryBody, body=body))[0])

    async def take_back(self, purchase: Purchase, ledger_seen: Seen) -> Entry:
        """Put the copies of a sold order back on the shelf; see the protocol."""
        body = mapping.one_sale_body(purchase, ledger_seen)
        path = f"/sales/{purchase.order_id}/return"
        return mapping.entry_of((await self._asking.ask("POST", path, EntryBody, body=body))[0])

    async def reenter(self, orders: Sequence[Order]) -> list[Entry]:
        """Enter what the ledger has lost of decided orders; see the protocol."""
        body = ReenterBody([lost_order(order) for order in orders])
        bodies, _ = await self._asking.ask(
            "POST", "/sales/reenter", list[EntryBody], body=body, timeout_s=_LONG_CALL_S
        )
        return [mapping.entry_of(said) for said in bodies]


async def _presented(asked: Awaitable[T]) -> T:
    """Give a refusal's ``current`` book back as a book, as the service raises it."""
    try:
        return await asked
    except ShopError as error:
        if "current" in error.members:
            current = msgspec.convert(error.members["current"], BookBody)
            error.members["current"] = mapping.book_of(current)
        raise


def _book(book_id: int, said: Answer) -> Book | None:
    if said.status < _REFUSED:
        return mapping.book_of(msgspec.json.decode(said.body, type=BookBody))
    error = error_of(msgspec.json.decode(said.body, type=dict[str, object]))
    if error.code == "book_not_found":
        return None
    if error.code == "book_deleted":
        return _tombstone(book_id)
    raise error


def _added(said: Answer) -> Change | ShopError:
    if said.status >= _REFUSED:
        return error_of(msgspec.json.decode(said.body, type=dict[str, object]))
    body = msgspec.json.decode(said.body, type=BookBody)
    return Change(mapping.book_of(body), replayed="Idempotency-Replayed" in said.headers)


def _tombstone(book_id: int) -> Book:
    return Book(book_id, "", (), None, (), 0, 0, 1, 0, deleted=True)


def _outcome(said: SaleAnswer) -> Entry | Stale | KeyReused:
    if said.entry is not None:
        return said.entry
    if said.current is not None:
        return Stale(mapping.book_of(said.current))
    if said.code == KeyReused.code:
        return KeyReused("This idempotency key was used before for another request.")
    raise Internal(f"The catalog gave an answer that is not understood: {said.code}.")


def _version_header(version: int | None) -> dict[str, str]:
    return {"If-Match": "*" if version is None else f'"{version}"'}


def _key_header(key: AdminKey | None) -> dict[str, str]:
    return {} if key is None else {"Idempotency-Key": key.key}
