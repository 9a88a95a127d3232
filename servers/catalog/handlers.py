"""The catalog's routes: decode, one call of the service, encode."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from servers.catalog import mapping
from servers.catalog.finding import FindQuery, page_answer, search_of
from servers.catalog.lost import order_of
from servers.catalog.rows import ADD, RowItem, addition_of, admin_key
from servers.catalog.wire import (
    BookLedgerQuery,
    InfoItem,
    LedgerQuery,
    NewBook,
    OneSaleBody,
    PartOfBook,
    ReenterBody,
    SaleAnswer,
    SalesBody,
    SearchItem,
    ShelfQuery,
    StockBody,
    WholeBook,
)
from servers.domain.errors import (
    BookDeleted,
    BookNotFound,
    InvalidRequest,
    KeyReused,
    ShopError,
    StaleVersion,
)
from servers.domain.ledger import Entry
from servers.domain.limits import MAX_BATCH_ITEMS, MAX_ID
from servers.domain.protocols import Addition, TopicPage
from servers.web.answers import REPLAYED, answer, empty_answer, problem
from servers.web.auth import INSIDE
from servers.web.codec import make_cursor, read_number_cursor
from servers.web.items import BatchDecoder, ItemsDecoder, in_time, log_note
from servers.web.limits import MAX_BATCH_BYTES
from servers.web.routes import Route

if TYPE_CHECKING:
    from servers.catalog.mapping import BookMapping
    from servers.domain.book import Book
    from servers.domain.protocols import Catalog, Change
    from servers.domain.sale import Stale
    from servers.domain.search import Found
    from servers.web.answers import Answer
    from servers.web.call import Call
    from servers.web.routes import Handler


class CatalogHandlers:
    """Answers about books, sales and the ledger, for the shop's servers and keepers."""

    def __init__(self, catalog: Catalog, mapping: BookMapping) -> None:
        self._catalog = catalog
        self._mapping = mapping
        self._info_items = ItemsDecoder(InfoItem)
        self._search_items = ItemsDecoder(SearchItem)
        self._rows = ItemsDecoder(RowItem)
        self._sales = BatchDecoder(SalesBody)
        self._lost = BatchDecoder(ReenterBody)

    def routes(self) -> tuple[Route, ...]:
        """Return the route table. Each change is a POST too, for hops that must not repeat it."""
        book = "/books/{book_id:id}"
        sale = "/sales/{order_id:order}"
        routes = (
            _batch("/books/batch", self.info_batch, "Several books by id"),
            _batch("/search/batch", self.search_batch, "Several pages of topics"),
            _batch("/books/batch-add", self.add_batch, "Add several books"),
            _batch("/sales", self.sell, "Sell a batch: the only way to take stock for orders"),
            Route("GET", "/books", self.shelf, "Books by id", query=ShelfQuery),
            Route("GET", "/books/search", self.find, "Books by words or in order", query=FindQuery),
            Route("POST", "/books", self.add, "Add a book", body=NewBook),
            Route("GET", book, self.info, "One book"),
            Route("PUT", book, self.edit, "Edit all of a book", body=WholeBook),
            Route("POST", f"{book}/replace", self.edit, "Edit all of a book", body=WholeBook),
            Route("PATCH", book, self.edit, "Edit parts of a book", body=PartOfBook),
            Route("POST", f"{book}/edit", self.edit, "Edit parts of a book", body=PartOfBook),
            Route("DELETE", book, self.delete, "Delete a book"),
            Route("POST", f"{book}/delete", self.delete, "Delete a book"),
            Route("POST", f"{book}/stock", self.restock, "Change the stock", body=StockBody),
            Route(
                "GET", f"{book}/ledger", self.book_ledger, "A book's ledger", query=BookLedgerQuery
            ),
            Route("GET", "/topics", self.topics, "Topics with counts"),
            Route("GET", "/ledger", self.ledger, "The whole ledger", query=LedgerQuery),
            Route("GET", "/ledger/last", self.last_number, "The ledger's highest number"),
            Route("GET", sale, self.sale, "An order's entries"),
            Route("POST", f"{sale}/void", self.void, "Never sell this order", body=OneSaleBody),
            Route("POST", f"{sale}/return", self.take_back, "Take copies back", body=OneSaleBody),
            _batch("/sales/reenter", self.reenter, "Enter what the ledger lost of orders"),
        )
        return tuple(replace(route, roles=INSIDE) for route in routes)

    # Reading

    async def info_batch(self, call: Call) -> Answer:
        """Answer several books, each with its own status."""
        items = in_time(self._info_items.decode(call.body), call.raw.age_s())
        good = [item for item in items if isinstance(item, InfoItem)]
        call.note = log_note([item.request_id for item in good])
        books = iter(await self._catalog.books([item.book_id for item in good]))
        return answer(
            [
                self._info(item.book_id, next(books))
                if isinstance(item, InfoItem)
                else problem(item)
                for item in items
            ]
        )

    async def info(self, call: Call) -> Answer:
        """Answer one book."""
        book_id: int = call.path["book_id"]
        (book,) = await self._catalog.books([book_id])
        return self._info(book_id, book)

    async def search_batch(self, call: Call) -> Answer:
        """Answer several pages of topics; the header ``Next`` says where the next one begins."""
        items = in_time(self._search_items.decode(call.body), call.raw.age_s())
        good = [item for item in items if isinstance(item, SearchItem)]
        call.note = log_note([item.request_id for item in good])
        # One book more than was asked for tells whether there is a next page.
        pages = [TopicPage(item.topic, item.limit + 1, item.after_id) for item in good]
        found = iter(await self._catalog.search(pages))
        return answer(
            [
                _page(item.limit, next(found)) if isinstance(item, SearchItem) else problem(item)
                for item in items
            ]
        )

    async def find(self, call: Call) -> Answer:
        """Answer a page of the books that have these words, or of all, in an order."""
        search = search_of(call.query)
        async with call.in_time():
            page = await self._catalog.find(search)
        return page_answer(search, page)

    async def topics(self, _call: Call) -> Answer:
        """Answer all topics."""
        return answer(await self._catalog.topics())

    async def shelf(self, call: Call) -> Answer:
        """Answer books by id, with tombstones where asked for."""
        query: ShelfQuery = call.query
        books = await self._catalog.shelf(
            query.after, query.limit, tombstones=bool(query.tombstones)
        )
        return answer([self._mapping.shelf(book) for book in books])

    async def book_ledger(self, call: Call) -> Answer:
        """Answer a page of one book's ledger, newest first."""
        book_id, query = call.path["book_id"], call.query
        name = f"ledger of {book_id}"
        before = read_number_cursor(name, query.cursor) if query.cursor is not None else MAX_ID
        entries = await self._catalog.book_ledger(book_id, before, query.limit + 1)
        page = entries[: query.limit]
        headers = {}
        if len(entries) > query.limit:
            cursor = make_cursor(name, page[-1].number)
            target = f"/books/{book_id}/ledger?limit={query.limit}&cursor={cursor}"
            headers["Link"] = f'<{target}>; rel="next"'
        return answer([mapping.entry_body(entry) for entry in page], headers=headers)

    async def ledger(self, call: Call) -> Answer:
        """Answer a stretch of the whole ledger, oldest first."""
        entries = await self._catalog.ledger(call.query.after, call.query.limit)
        return answer([mapping.entry_body(entry) for entry in entries])

    async def last_number(self, _call: Call) -> Answer:
        """Answer the ledger's highest number."""
        return answer(await self._catalog.last_number())

    async def sale(self, call: Call) -> Answer:
        """Answer the entries of one order."""
        entries = await self._catalog.sale(call.path["order_id"])
        return answer([mapping.entry_body(entry) for entry in entries])

    # Changes by staff

    async def add(self, call: Call) -> Answer:
        """Add a book: 201, or 200 where the same key added it before."""
        key = admin_key(call.idempotency_key(), ADD, call.body)
        return self._added(await self._catalog.add(mapping.draft_of(call.body), key))

    async def add_batch(self, call: Call) -> Answer:
        """Add several books, each with its own status."""
        items = [addition_of(item) for item in self._rows.decode(call.body)]
        good = [item for item in items if isinstance(item, Addition)]
        changes = iter(await self._catalog.add_all(good))
        outcomes = [next(changes) if isinstance(item, Addition) else item for item in items]
        return answer(
            [
                problem(each) if isinstance(each, ShopError) else self._added(each)
                for each in outcomes
            ]
        )

    async def edit(self, call: Call) -> Answer:
        """Edit all or parts of a book, made against the version in ``If-Match``."""
        version = call.if_match()
        edit = mapping.edit_of(call.body)
        book = await self._catalog.edit(call.path["book_id"], edit, version or 0)
        return self._book(book)

    async def restock(self, call: Call) -> Answer:
        """Change the stock; a count needs the version that it was counted against."""
        restock = mapping.restock_of(call.body)
        version = call.if_match(any_allowed=restock.count is None)
        what = f"stock of {call.path['book_id']}"
        key = admin_key(call.idempotency_key(), what, call.body)
        return self._changed(
            await self._catalog.restock(call.path["book_id"], restock, version, key)
        )

    async def delete(self, call: Call) -> Answer:
        """Delete a book; its tombstone stays."""
        await self._catalog.delete(call.path["book_id"], call.if_match(any_allowed=True))
        return empty_answer()

    # Orders

    async def sell(self, call: Call) -> Answer:
        """Decide a batch of sales, answered item by item, in order."""
        body = self._sales.decode(call.body)
        count = sum(len(book.sales) for book in body.books)
        if count > MAX_BATCH_ITEMS:
            raise InvalidRequest(f"A batch has {MAX_BATCH_ITEMS} sales at most.")
        call.note = log_note([sale.request_id for book in body.books for sale in book.sales])
        outcomes = await self._catalog.sell(mapping.batch_of(body))
        return answer([[self._sold(outcome) for outcome in book] for book in outcomes])

    async def void(self, call: Call) -> Answer:
        """Decide that an order is never sold."""
        purchase = mapping.purchase_of(call.path["order_id"], call.body)
        entry = await self._catalog.void(purchase, mapping.seen_of(call.body))
        return answer(mapping.entry_body(entry))

    async def take_back(self, call: Call) -> Answer:
        """Put a sold order's copies back on the shelf."""
        purchase = mapping.purchase_of(call.path["order_id"], call.body)
        entry = await self._catalog.take_back(purchase, mapping.seen_of(call.body))
        return answer(mapping.entry_body(entry))

    async def reenter(self, call: Call) -> Answer:
        """Enter what the ledger lost of decided orders."""
        body = self._lost.decode(call.body)
        entries = await self._catalog.reenter([order_of(lost) for lost in body.orders])
        return answer([mapping.entry_body(entry) for entry in entries])

    # Inside

    def _info(self, book_id: int, book: Book | None) -> Answer:
        if book is None:
            detail = f"There is no book {book_id}. Search for a topic."
            return problem(BookNotFound(detail, book_id=book_id))
        if book.deleted:
            detail = f"Book {book_id} was deleted; its id will not be used again."
            return problem(BookDeleted(detail, book_id=book_id))
        return self._book(book)

    def _book(self, book: Book, status: int = 200) -> Answer:
        return answer(self._mapping.book(book), status, {"ETag": f'"{book.version}"'})

    def _changed(self, change: Change, status: int = 200) -> Answer:
        changed = self._book(change.book, 200 if change.replayed else status)
        if change.replayed:
            changed.headers.update(REPLAYED)
        return changed

    def _added(self, change: Change) -> Answer:
        added = self._changed(change, status=201)
        added.headers["Location"] = f"/books/{change.book.id}"
        return added

    def _sold(self, outcome: Entry | Stale | KeyReused) -> SaleAnswer:
        if isinstance(outcome, Entry):
            return SaleAnswer(200, outcome.kind.value, entry=outcome)
        if isinstance(outcome, KeyReused):
            return SaleAnswer(KeyReused.status, KeyReused.code)
        current = self._mapping.book(outcome.current)
        return SaleAnswer(StaleVersion.status, StaleVersion.code, current=current)


def _batch(path: str, handler: Handler, summary: str) -> Route:
    return Route("POST", path, handler, summary, raw_body_bytes=MAX_BATCH_BYTES)


def _page(limit: int, books: list[Found]) -> Answer:
    headers = {"Next": str(books[limit - 1].id)} if len(books) > limit else {}
    return answer([mapping.found(book) for book in books[:limit]], headers=headers)
