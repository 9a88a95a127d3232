"""Wires everything: settings, databases, services, routes, sockets. Nobody imports this.

Each server is one ``async with`` stack: what is opened first is closed last. Time,
randomness and ids enter the shop here and nowhere else.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import os
import random
import secrets
import sys
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from servers import api, sample
from servers.access import shop_folder, strangers, tls, tokens
from servers.catalog.client import CatalogClient
from servers.catalog.filling import fill_if_new
from servers.catalog.gateway import CatalogGateway
from servers.catalog.handlers import CatalogHandlers
from servers.catalog.mapping import BookMapping, draft_of
from servers.catalog.service import CatalogService
from servers.catalog.wire import NewBook
from servers.chance import WallClock, secret_ids, stopwatch
from servers.domain.errors import LedgerBehind
from servers.domain.sale import SaleBatch, order_id_without_key
from servers.durable import ShopDatabase, let_go
from servers.foreground import Server, loop_factory, serve_until_stopped
from servers.frontend.handlers import FrontendHandlers
from servers.frontend.importing import Importer
from servers.meanwhile import meanwhile
from servers.order.gateway import OrderGateway
from servers.order.handlers import OrderHandlers
from servers.order.mapping import OrderMapping
from servers.order.resolver import Resolver
from servers.order.service import OrderService, Timing
from servers.settings import SettingsError
from servers.storage.facts import keep_fact
from servers.storage.sqlite import SqliteDatabase, packaged_migrations
from servers.upkeep.shop_files import seen_by_orders
from servers.web.app import App
from servers.web.auth import Doors, Role
from servers.web.forwarding import Forwarder
from servers.web.health import Health, Peer, SharedCheck
from servers.web.hop import open_hop
from servers.web.log import AccessLog, configure
from servers.web.metrics import Metrics
from servers.web.room import raise_file_limit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

    from servers.access.tokens import Tokens
    from servers.domain.book import Draft
    from servers.domain.protocols import Clock
    from servers.settings import Settings
    from servers.storage.database import Database
    from servers.web.health import Check
    from servers.web.hop import Hop
    from servers.web.routes import Route

_COMMIT_UNKNOWN_EXIT = 70


@dataclass(frozen=True)
class Outside:
    """What comes into a server from outside: its name, settings, time, randomness and disk."""

    name: str
    settings: Settings
    tokens: Tokens
    clock: Clock
    random: random.Random
    new_id: Callable[[], str]
    open_database: Callable[..., Awaitable[Database]] = SqliteDatabase.open
    timer: Callable[[], float] = stopwatch


def serve(name: str, settings: Settings) -> int:
    """Run one server in the foreground until it is told to stop; return its exit code."""
    outside = Outside(
        name=name,
        settings=settings,
        tokens=tokens.load(settings),
        clock=WallClock(),
        random=random.Random(secrets.randbits(64)),  # noqa: S311  # for jitter only; ids are secrets
        new_id=secret_ids().__next__,
    )
    configure(name, settings.log_prefix, settings.log_level, outside.clock)
    for closed in shop_folder.guard(settings.data):
        logging.getLogger("servers").warning("%s", closed)
    raise_file_limit()
    with asyncio.Runner(loop_factory=loop_factory(settings)) as runner:
        opening = partial(_OPEN[name], outside)
        return runner.run(serve_until_stopped(name, settings, outside.tokens, opening))


@contextlib.asynccontextmanager
async def open_catalog(outside: Outside) -> AsyncIterator[Server]:
    """Open the catalog on its database; the one of a new shop gets the sample catalogue."""
    async with _database(outside, "catalog") as database:
        service = CatalogService(database, outside.clock)
        await _begin(service, database, outside)
        mapping = BookMapping(outside.settings.currency)
        handlers = CatalogHandlers(service, mapping)
        checks: dict[str, Check] = {
            "database": SharedCheck(database.wrong),
            "ledger": service.ledger_wrong,
        }
        yield _server(outside, handlers.routes(), checks, present=mapping.present)


async def _begin(service: CatalogService, database: ShopDatabase, outside: Outside) -> None:
    """Tell the catalog what the orders beside it know; put the sample catalogue on new shelves.

    The order server will tell it too; but until then staff could change a catalog that was lost
    or is old, and a new book would get an id that orders know.
    """
    new = await service.last_number() == 0
    seen = seen_by_orders(outside.settings.data, surely=new)
    try:
        if seen is not None and seen.number:
            await service.sell(SaleBatch(seen, ()))
        elif new and outside.settings.sample and seen is not None:
            await fill_if_new(database, _sample(), outside.clock.now_ms())
    except LedgerBehind as behind:
        logging.getLogger("servers").warning("%s", behind.detail)


@contextlib.asynccontextmanager
async def open_order(outside: Outside) -> AsyncIterator[Server]:
    """Open the order server on its database, with a hop to the catalog."""
    settings = outside.settings
    async with contextlib.AsyncExitStack() as stack:
        database = await stack.enter_async_context(_database(outside, "orders"))
        hop = await stack.enter_async_context(_hop(outside, "catalog"))
        new_id = outside.new_id()
        orders_id = await database.write(lambda tx: keep_fact(tx, "orders_id", new_id))
        service = OrderService(
            database,
            CatalogClient(hop, call_s=settings.catalog_call_s),
            outside.clock,
            outside.random,
            Timing(settings.order_deadline_s, settings.resolve_after_s, settings.void_after_s),
            catalog_wrong=lambda: peer.wrong,
            orders_id=orders_id,
        )
        peer = Peer(hop, greet=service.introduce)
        await service.start()
        await stack.enter_async_context(meanwhile(peer.watch))
        await stack.enter_async_context(meanwhile(Resolver(service).run))
        handlers = OrderHandlers(service, OrderMapping(settings.currency))
        checks: dict[str, Check] = {"database": SharedCheck(database.wrong), "catalog": peer.check}
        server = _server(
            outside, handlers.routes(), checks, until_ready=peer.until_ready, hops=[hop]
        )
        if server.app.metrics is not None:
            server.app.metrics.gauge(
                "orders_under_way", "Orders being sold now.", lambda: service.seller.under_way
            )
        yield server


@contextlib.asynccontextmanager
async def open_frontend(outside: Outside) -> AsyncIterator[Server]:
    """Open the frontend, with hops to the catalog and the order server."""
    settings = outside.settings
    async with contextlib.AsyncExitStack() as stack:
        catalog = await stack.enter_async_context(_hop(outside, "catalog"))
        orders = await stack.enter_async_context(_hop(outside, "order"))
        peers = [Peer(hop, guards=True) for hop in (catalog, orders)]
        for peer in peers:
            await stack.enter_async_context(meanwhile(peer.watch))
        order_peer = peers[1]
        books = CatalogGateway(catalog, call_s=settings.catalog_call_s, random=outside.random)
        handlers = FrontendHandlers(
            catalog=books,
            orders=OrderGateway(orders, call_s=settings.catalog_call_s * 2, random=outside.random),
            to_catalog=Forwarder(catalog),
            to_orders=Forwarder(orders),
            orders_wrong=lambda: None if order_peer.reachable else order_peer.wrong,
            new_order_id=lambda: order_id_without_key(outside.clock.now_ms(), outside.new_id()),
            importer=Importer(books, outside.new_id, settings.frontend_deadline_s),
        )
        checks = {peer.name: peer.check for peer in peers}

        async def until_ready() -> None:
            await asyncio.gather(*[peer.until_ready() for peer in peers])

        hops = [catalog, orders]
        yield _server(outside, handlers.routes(), checks, until_ready=until_ready, hops=hops)


_OPEN = {"catalog": open_catalog, "order": open_order, "frontend": open_frontend}


async def _at_once() -> None:
    return


def _server(
    outside: Outside,
    routes: Sequence[Route],
    checks: Mapping[str, Check],
    *,
    present: Callable[[object], object] | None = None,
    until_ready: Callable[[], Awaitable[None]] = _at_once,
    hops: Sequence[Hop] = (),
) -> Server:
    settings = outside.settings
    doors = Doors({})
    doors.open_to([(Role[role.upper()], digest) for role, digest in outside.tokens.valid()])
    metrics = Metrics() if settings.metrics else None
    health = Health(checks, metrics)
    prefix = f"{outside.new_id()[:8]}-"
    numbers = itertools.count(1)
    access_log = AccessLog(
        asyncio.get_running_loop(),
        outside.name,
        settings.log_prefix,
        sys.stderr.buffer,
    )
    app = App(
        api.documented(outside.name, routes, health.routes()),
        doors=doors,
        budget_s=_budget_s(outside),
        clock=outside.clock,
        new_request_id=lambda: f"{prefix}{next(numbers):x}",
        present=present,
        max_in_flight=settings.max_in_flight,
        rates=strangers.rates_of(settings) if outside.name == "frontend" else None,
        metrics=metrics,
        access_log=access_log if settings.access_log else None,
        timer=outside.timer,
    )
    if metrics is not None:
        metrics.gauge("requests_in_flight", "Requests being answered.", lambda: app.in_flight)
    return Server(app, health, until_ready, doors, hops)


def _budget_s(outside: Outside) -> float:
    """Return how long a request may take where its caller does not say."""
    settings = outside.settings
    return settings.order_deadline_s if outside.name == "order" else settings.frontend_deadline_s


@contextlib.asynccontextmanager
async def _database(outside: Outside, name: str) -> AsyncIterator[ShopDatabase]:
    settings = outside.settings

    def opening() -> Awaitable[Database]:
        return outside.open_database(
            settings.data / f"{name}.db",
            migrations=packaged_migrations(name),
            on_commit_unknown=_exit_at_once,
        )

    # A supervisor that was killed leaves servers behind that still finish; a person who
    # starts one server by hand is told at once that another has its file.
    patience_s = settings.shutdown_s if settings.parent_pipe else 0.0
    database = ShopDatabase(await let_go(opening, patience_s))
    try:
        kept = await database.write(lambda tx: keep_fact(tx, "currency", settings.currency))
        if kept != settings.currency:
            message = (
                f"This shop's currency is {kept}, not {settings.currency}; it stays so. "
                f"Set BOOKSTORE_CURRENCY={kept}, or `currency` in the file of settings."
            )
            raise SettingsError(message)
        yield database
    finally:
        await database.close()


def _hop(outside: Outside, name: str) -> contextlib.AbstractAsyncContextManager[Hop]:
    settings = outside.settings
    url = settings.catalog_url if name == "catalog" else settings.order_url
    context = tls.client_context(settings) if url.startswith("https:") else None
    return open_hop(name, url, outside.tokens.service, tls=context)


def _sample() -> list[Draft]:
    fields = ("title", "authors", "isbn", "topics", "price", "stock")
    return [draft_of(NewBook(**{name: book[name] for name in fields})) for book in sample.load()]


def _exit_at_once(error: BaseException) -> None:
    """End the process: only a restart can tell whether the last commit is on disk."""
    logging.getLogger("servers").critical("a commit failed, the process ends: %s", error)
    os._exit(_COMMIT_UNKNOWN_EXIT)
