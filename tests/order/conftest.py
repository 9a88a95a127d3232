"""An order server whose catalog fails as the test says, both on real databases."""

from __future__ import annotations

import contextlib
import random
from typing import TYPE_CHECKING, Protocol

import pytest

from servers.order.service import OrderService, Timing
from tests.order.unreliable import UnreliableCatalog
from tests.support.services import TestClock, open_database

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


class OpenOrders(Protocol):
    """Opens the order server on the one orders database, as a start of its process would."""

    def __call__(self, **timing: float) -> contextlib.AbstractAsyncContextManager[OrderService]: ...


@pytest.fixture
async def catalog(tmp_path: Path) -> AsyncIterator[UnreliableCatalog]:
    """The real catalog, which fails when it is told to."""
    async with open_database(tmp_path, "catalog") as database:
        yield UnreliableCatalog(database, TestClock())


@pytest.fixture
def open_orders(tmp_path: Path, catalog: UnreliableCatalog) -> OpenOrders:
    """Open the order server, again and again if need be: the database stays."""

    @contextlib.asynccontextmanager
    async def opened(**timing: float) -> AsyncIterator[OrderService]:
        async with open_database(tmp_path, "orders") as database:
            service = OrderService(
                database, catalog, TestClock(), random.Random(1), Timing(**timing)
            )
            await service.start()
            yield service

    return opened


@pytest.fixture
async def orders(open_orders: OpenOrders) -> AsyncIterator[OrderService]:
    """An order server whose resolver takes on every order at once."""
    async with open_orders(resolve_after_s=0.0) as service:
        yield service
