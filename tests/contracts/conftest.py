"""Every implementation of the two protocols, each on a database of its own."""

from __future__ import annotations

import contextlib
import random
from typing import TYPE_CHECKING

import pytest

from servers.catalog.service import CatalogService
from servers.order.client import OrderClient
from servers.order.handlers import OrderHandlers
from servers.order.mapping import OrderMapping
from servers.order.service import OrderService, Timing
from servers.web.hop import open_hop
from tests.support.reluctant import ReluctantDatabase
from tests.support.services import (
    PATIENCE_S,
    SERVICE_TOKEN,
    TestClock,
    catalog_over_http,
    listening,
    make_app,
    open_catalog_service,
    open_database,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from servers.domain.protocols import Catalog, Orders
    from servers.durable import ShopDatabase
    from servers.storage.database import Database


@pytest.fixture(params=["service", "reluctant", "http"])
async def catalog(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Catalog]:
    """An empty catalog: the service on SQLite, also at its worst, or the client in front of it."""
    async with contextlib.AsyncExitStack() as stack:
        database = await stack.enter_async_context(open_database(tmp_path, "catalog"))
        service = CatalogService(_as_asked(request, database), TestClock())
        if request.param == "http":
            yield await stack.enter_async_context(catalog_over_http(service))
            return
        yield service


@pytest.fixture
async def books(tmp_path: Path) -> AsyncIterator[Catalog]:
    """The catalog that the orders of the suite are sold by."""
    async with open_catalog_service(tmp_path) as service:
        yield service


@pytest.fixture(params=["service", "reluctant", "http"])
async def orders(
    request: pytest.FixtureRequest, tmp_path: Path, books: Catalog
) -> AsyncIterator[Orders]:
    """An empty order server: the service on SQLite, also at its worst, or the client before it."""
    async with contextlib.AsyncExitStack() as stack:
        database = await stack.enter_async_context(open_database(tmp_path, "orders"))
        service = OrderService(
            _as_asked(request, database), books, TestClock(), random.Random(1), Timing()
        )
        if request.param != "http":
            yield service
            return
        app = make_app(OrderHandlers(service, OrderMapping("USD")).routes())
        url = await stack.enter_async_context(listening(app))
        hop = await stack.enter_async_context(open_hop("order", url, SERVICE_TOKEN))
        yield OrderClient(hop, call_s=PATIENCE_S)


def _as_asked(request: pytest.FixtureRequest, database: ShopDatabase) -> Database:
    return ReluctantDatabase(database) if request.param == "reluctant" else database
