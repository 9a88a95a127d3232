"""The route table of each server, as it is wired, without anything behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from servers import api
from servers.catalog.handlers import CatalogHandlers
from servers.frontend.handlers import FrontendHandlers
from servers.order.handlers import OrderHandlers
from servers.web.health import Health

if TYPE_CHECKING:
    from servers.web.routes import Route

NOBODY: Any = None
"""Stands for what the handlers ask; the tables do not depend on it."""


def tables() -> dict[str, tuple[Route, ...]]:
    """Return all routes of each server, its documents among them."""
    frontend = FrontendHandlers(
        catalog=NOBODY,
        orders=NOBODY,
        to_catalog=NOBODY,
        to_orders=NOBODY,
        orders_wrong=NOBODY,
        new_order_id=NOBODY,
        importer=NOBODY,
    )
    routes = {
        "frontend": frontend.routes(),
        "catalog": CatalogHandlers(NOBODY, NOBODY).routes(),
        "order": OrderHandlers(NOBODY, NOBODY).routes(),
    }
    health = Health({}, None).routes()
    return {name: api.documented(name, table, health) for name, table in routes.items()}
