"""The frontend's routes: what anyone may ask of the shop, and what its staff may change."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from servers.domain.errors import Unavailable
from servers.domain.money import parse_price
from servers.domain.protocols import TopicPage
from servers.domain.sale import Purchase, order_id_of_key
from servers.domain.text import topic_key
from servers.frontend.wire import BooksQuery, LedgerQuery, OrdersQuery, PurchaseBody, SearchQuery
from servers.web.answers import NDJSON, Answer, empty_answer
from servers.web.auth import STAFF
from servers.web.codec import make_cursor, read_number_cursor
from servers.web.limits import MAX_BODY_BYTES, MAX_IMPORT_BYTES
from servers.web.routes import Route, Streamed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from servers.frontend.backends import CatalogBackend, OrderBackend, Passage
    from servers.frontend.importing import Importer
    from servers.web.call import Call
    from servers.web.routes import Handler

_BOOK = "/books/{book_id:id}"


class FrontendHandlers:
    """Answers customers and staff, with what catalog and order say.

    ``orders_wrong`` says why the order server cannot be reached, or None: then a purchase is
    refused at once, while nothing of it has left.
    """

    def __init__(  # noqa: PLR0913  # the two servers behind it, each in two ways, and ids
        self,
        *,
        catalog: CatalogBackend,
        orders: OrderBackend,
        to_catalog: Passage,
        to_orders: Passage,
        orders_wrong: Callable[[], str | None],
        new_order_id: Callable[[], str],
        importer: Importer,
    ) -> None:
        self._catalog = catalog
        self._orders = orders
        self._to_catalog = to_catalog
        self._to_orders = to_orders
        self._orders_wrong = orders_wrong
        self._new_order_id = new_order_id
        self._importer = importer

    def routes(self) -> tuple[Route, ...]:
        """Return the route table."""
        return (*self._for_customers(), *self._for_staff())

    def _for_customers(self) -> tuple[Route, ...]:
        order = "/orders/{order_id:order}"
        catalog, orders = self._to_catalog, self._to_orders
        return (
            Route(
                "GET", "/search/{topic:topic}", self.search, "Books of a topic", query=SearchQuery
            ),
            Route("GET", "/info/{book_id:id}", self.info, "One book"),
            Route("GET", _BOOK, self.info, "One book"),
            Route(
                "GET",
                "/books",
                _passed(catalog, "GET", "/books/search"),
                "Books by words or in order",
                query=BooksQuery,
            ),
            Route(
                "POST",
                "/purchase/{book_id:id}",
                self.purchase,
                "Purchase a book",
                body=PurchaseBody,
                body_optional=True,
            ),
            Route("GET", order, _passed(orders, "GET", "/orders/{order_id}"), "One order"),
            Route(
                "POST",
                f"{order}/cancel",
                _passed(orders, "POST", "/orders/{order_id}/cancel"),
                "Cancel an order",
            ),
            Route("GET", "/topics", _passed(catalog, "GET", "/topics"), "Topics with counts"),
        )

    def _for_staff(self) -> tuple[Route, ...]:
        book, catalog, orders = _BOOK, self._to_catalog, self._to_orders
        return (
            Route(
                "GET",
                "/orders",
                _passed(orders, "GET", "/orders"),
                "Orders, newest first",
                roles=STAFF,
                query=OrdersQuery,
            ),
            _staff("POST", "/books", _passed(catalog, "POST", "/books"), "Add a book"),
            Route(
                "POST",
                "/books/import",
                self.import_books,
                "Add many books",
                roles=STAFF,
                stream=Streamed(NDJSON, MAX_IMPORT_BYTES),
            ),
            _staff(
                "PUT", book, _passed(catalog, "POST", "/books/{book_id}/replace"), "Edit all of it"
            ),
            _staff(
                "PATCH", book, _passed(catalog, "POST", "/books/{book_id}/edit"), "Edit parts of it"
            ),
            _staff(
                "DELETE", book, _passed(catalog, "POST", "/books/{book_id}/delete"), "Delete it"
            ),
            _staff(
                "POST",
                f"{book}/stock",
                _passed(catalog, "POST", "/books/{book_id}/stock"),
                "Change its stock",
            ),
            Route(
                "GET",
                f"{book}/ledger",
                _passed(catalog, "GET", "/books/{book_id}/ledger"),
                "What happened to it",
                roles=STAFF,
                query=LedgerQuery,
            ),
        )

    async def info(self, call: Call) -> Answer:
        """Answer one book, or 304 where the customer has its present version."""
        book_id: int = call.path["book_id"]
        found = await self._catalog.info(book_id, call.request_id, call.deadline_s)
        given = call.raw.headers.getall("If-None-Match", ())
        if given and found.status == 200 and _matches(given, found.headers["ETag"]):
            return empty_answer(304, {"ETag": found.headers["ETag"]})
        return found

    async def search(self, call: Call) -> Answer:
        """Answer a page of the books of a topic, with a link to the next."""
        topic: str = call.path["topic"]
        query: SearchQuery = call.query
        name = f"search {topic_key(topic)}"
        after_id = read_number_cursor(name, query.cursor) if query.cursor is not None else 0
        page = TopicPage(topic, query.limit, after_id)
        found = await self._catalog.search(page, call.request_id, call.deadline_s)
        after = found.headers.pop("Next", None)
        if after is not None:
            cursor = make_cursor(name, after)
            target = f"/search/{quote(topic, safe='')}?limit={query.limit}&cursor={cursor}"
            found.headers["Link"] = f'<{target}>; rel="next"'
        return found

    async def import_books(self, call: Call) -> Answer:
        """Answer what became of the rows of a long body, read and added as it comes."""
        return await self._importer.run(call)

    async def purchase(self, call: Call) -> Answer:
        """Place a purchase under the order id that its key stands for, or a new one."""
        body: PurchaseBody = call.body
        key = call.idempotency_key()
        max_price = body.max_price
        purchase = Purchase(
            order_id=order_id_of_key(key) if key is not None else self._new_order_id(),
            book_id=call.path["book_id"],
            quantity=body.quantity,
            version=body.version,
            max_price_minor=None if max_price is None else parse_price(max_price, "max_price"),
            request_id=call.request_id,
        )
        wrong = self._orders_wrong()
        if wrong is not None:
            raise Unavailable(f"Nothing was bought: {wrong}. Try again with the same key.")
        return await self._orders.place(purchase, call.deadline_s)


def _passed(to: Passage, method: str, path: str) -> Handler:
    """Return a handler that passes the request on to this path of the server behind."""

    async def handler(call: Call) -> Answer:
        return await to.forward(call, method, path.format(**call.path))

    return handler


def _staff(method: str, path: str, handler: Handler, summary: str) -> Route:
    """Return a change for staff whose body is checked by the server behind."""
    return Route(method, path, handler, summary, roles=STAFF, raw_body_bytes=MAX_BODY_BYTES)


def _matches(if_none_match: Sequence[str], etag: str) -> bool:
    """Compare weakly, as ``If-None-Match`` asks for (RFC 9110 §13.1.2)."""
    tags = [tag.strip().removeprefix("W/") for tag in ",".join(if_none_match).split(",")]
    return "*" in tags or etag in tags
