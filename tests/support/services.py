"""Services and servers for tests, in this process: real databases, real sockets, no sample.

What a test needs from outside the shop is here as well: a clock that tests move, and dice
that always fall the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import random
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import aiohttp
from yarl import URL

from servers.access.tokens import Tokens
from servers.catalog.client import CatalogClient
from servers.catalog.handlers import CatalogHandlers
from servers.catalog.mapping import BookMapping
from servers.catalog.service import CatalogService
from servers.domain.book import Draft
from servers.domain.ledger import Entry
from servers.domain.sale import BookSales, Purchase, SaleBatch, Seen
from servers.durable import ShopDatabase
from servers.main import Outside, open_catalog, open_frontend, open_order
from servers.settings import load
from servers.storage.sqlite import SqliteDatabase, packaged_migrations
from servers.web.app import App
from servers.web.auth import Doors, Role
from servers.web.hop import open_hop
from servers.web.serving import ShopServer
from tests.support.shop import Reply

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    from servers.domain.protocols import Catalog
    from servers.web.routes import Route

ADMIN_TOKEN = "a" * 64
SERVICE_TOKEN = "5e" * 32
PATIENCE_S = 20.0
"""More than anything here takes; whoever waits this long has failed."""

_numbers = itertools.count(1)


@dataclass
class TestClock:
    """A wall clock that is ten milliseconds later each time somebody looks at it."""

    __test__ = False
    at_ms: int = 1_700_000_000_000

    def now_ms(self) -> int:
        """Return milliseconds since 1970-01-01 UTC."""
        self.at_ms += 10
        return self.at_ms


def draft(**fields: Any) -> Draft:
    """Return a book to be added, ordinary but for the fields that are given."""
    ordinary = Draft("A test book", ("Somebody",), None, ("tests",), 1000, 10)
    return replace(ordinary, **fields)


def purchase(book_id: int, **fields: Any) -> Purchase:
    """Return a purchase of one copy under an id of its own, but for the fields given."""
    fields.setdefault("order_id", f"{next(_numbers):032x}")
    return Purchase(book_id=book_id, **fields)


def batch_of(version: int, *sales: Purchase, ledger_seen: int = 0) -> SaleBatch:
    """Return a batch of sales of one book, made against one version."""
    return SaleBatch(Seen(ledger_seen), (BookSales(sales[0].book_id, version, sales),))


async def add_book(catalog: Catalog, **fields: Any) -> int:
    """Add a book and return its id."""
    return (await catalog.add(draft(**fields))).book.id


async def sell(catalog: Catalog, version: int, *sales: Purchase) -> list[Entry]:
    """Sell a batch of one book and return its answers, which must be entries."""
    (answers,) = await catalog.sell(batch_of(version, *sales))
    entries = [answer for answer in answers if isinstance(answer, Entry)]
    assert len(entries) == len(sales)
    return entries


async def stock_of(catalog: Catalog, book_id: int) -> int:
    """Return how many copies of a book are on the shelf."""
    (book,) = await catalog.books([book_id])
    assert book is not None
    return book.stock


async def wait_until(holds: Any, what: str) -> None:
    """Wait for a fact, giving the loop its turns; fail when it does not come."""
    async with asyncio.timeout(PATIENCE_S):
        while not holds():  # noqa: ASYNC110  # the facts of a test have no event
            await asyncio.sleep(0.001)
    assert holds(), what


@contextlib.asynccontextmanager
async def open_database(folder: Path, name: str) -> AsyncIterator[ShopDatabase]:
    """Open one of the shop's databases; what is in the folder already stays."""

    def must_not_happen(error: BaseException) -> None:
        raise AssertionError("a commit became unknown") from error

    database = ShopDatabase(
        await SqliteDatabase.open(
            folder / f"{name}.db",
            migrations=packaged_migrations(name),
            on_commit_unknown=must_not_happen,
        )
    )
    try:
        yield database
    finally:
        await database.close()


@contextlib.asynccontextmanager
async def open_catalog_service(folder: Path) -> AsyncIterator[CatalogService]:
    """Open the catalog on its database, without HTTP."""
    async with open_database(folder, "catalog") as database:
        yield CatalogService(database, TestClock())


def make_app(routes: tuple[Route, ...], **options: Any) -> App:
    """Return an application that knows the two tokens of the tests."""
    options.setdefault("budget_s", PATIENCE_S)
    return App(
        routes,
        doors=Doors({Role.ADMIN: ADMIN_TOKEN, Role.SERVICE: SERVICE_TOKEN}),
        clock=TestClock(),
        new_request_id=lambda: f"made-{next(_numbers)}",
        **options,
    )


@contextlib.asynccontextmanager
async def listening(app: App) -> AsyncIterator[str]:
    """Serve an application on a free port, and yield its URL."""
    protocols = ShopServer(app)
    server = await asyncio.get_running_loop().create_server(protocols, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await protocols.shutdown(1.0)


def catalog_app(service: Catalog) -> App:
    """Return the catalog's application in front of a service."""
    mapping = BookMapping("USD")
    return make_app(CatalogHandlers(service, mapping).routes(), present=mapping.present)


@contextlib.asynccontextmanager
async def catalog_over_http(service: Catalog) -> AsyncIterator[CatalogClient]:
    """Serve a catalog, and yield the product's own client of it."""
    async with (
        listening(catalog_app(service)) as url,
        open_hop("catalog", url, SERVICE_TOKEN) as hop,
    ):
        yield CatalogClient(hop, call_s=PATIENCE_S)


@dataclass
class Web:
    """Asks servers over HTTP, as any client would."""

    session: aiohttp.ClientSession
    urls: dict[str, str] = field(default_factory=dict)
    sockets: dict[str, contextlib.AsyncExitStack] = field(default_factory=dict)

    async def shut(self, server: str) -> None:
        """Let a server refuse connections from now on, as if its process had ended."""
        await self.sockets[server].aclose()

    async def ask(  # the parts of a request
        self,
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        *,
        server: str = "frontend",
        token: str | None = None,
    ) -> Reply:
        """Make one request; a body goes as JSON, bytes as they are. The path is not changed."""
        sent = dict(headers or {})
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        content: dict[str, Any] = {"data": body} if isinstance(body, bytes) else {}
        if isinstance(body, bytes):
            sent.setdefault("Content-Type", "application/json")
        elif body is not None:
            content = {"json": body}
        url = URL(self.urls[server] + path, encoded=True)
        async with self.session.request(
            method, url, headers=sent, allow_redirects=False, **content
        ) as answer:
            return Reply(answer.status, answer.headers, await answer.read())

    async def staff(self, method: str, path: str, body: object = None, **headers: str) -> Reply:
        """Make one request of staff; headers by name with underscores."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.ask(method, path, body, named, token=ADMIN_TOKEN)

    async def add_book(self, **fields: Any) -> int:
        """Add a book as staff do, and return its id."""
        book = {"title": "A test book", "authors": ["Somebody"], "price": "10.00", "stock": 10}
        said = await self.staff("POST", "/books", {**book, "topics": ["tests"], **fields})
        assert said.status == 201, said
        return int(said.json["id"])


@contextlib.asynccontextmanager
async def asking(**urls: str) -> AsyncIterator[Web]:
    """Yield a client of servers at these URLs."""
    timeout = aiohttp.ClientTimeout(total=PATIENCE_S)
    async with aiohttp.ClientSession(auto_decompress=False, timeout=timeout) as session:
        yield Web(session, dict(urls))


@contextlib.asynccontextmanager
async def open_servers(
    folder: Path, disks: Mapping[str, str] | None = None, **settings: object
) -> AsyncIterator[Web]:
    """Open the three servers as ``servers.main`` wires them, and yield a client of all.

    ``disks`` names for a server the SQLite VFS that its database lies on.
    """
    options = {"data": folder, "sample": False, **settings}
    urls: dict[str, str] = {}
    sockets: dict[str, contextlib.AsyncExitStack] = {}
    async with contextlib.AsyncExitStack() as stack:
        for name, opened in (
            ("catalog", open_catalog),
            ("order", open_order),
            ("frontend", open_frontend),
        ):
            outside = Outside(
                name=name,
                settings=load({**options, **{f"{of}_url": url for of, url in urls.items()}}, {}),
                tokens=Tokens(ADMIN_TOKEN, SERVICE_TOKEN),
                clock=TestClock(),
                random=random.Random(1),
                new_id=lambda: f"{next(_numbers):032x}",
                open_database=functools.partial(SqliteDatabase.open, vfs=(disks or {}).get(name)),
            )
            server = await stack.enter_async_context(opened(outside))
            sockets[name] = await stack.enter_async_context(contextlib.AsyncExitStack())
            urls[name] = await sockets[name].enter_async_context(listening(server.app))
            await server.until_ready()
        web = await stack.enter_async_context(asking(**urls))
        web.sockets = sockets
        yield web
