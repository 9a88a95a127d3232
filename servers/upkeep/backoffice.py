"""The door for the shop's keepers: a shop opened for an audit or a repair.

A shop that runs is reached over HTTP with the admin token. One that is stopped is opened here,
in this process, on its databases, which stay locked meanwhile: no server can start.
"""

from __future__ import annotations

import contextlib
import random
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from servers.catalog.client import CatalogClient
from servers.catalog.service import CatalogService
from servers.chance import WallClock
from servers.domain.errors import InvalidRequest, Unavailable
from servers.durable import ShopDatabase
from servers.order.client import OrderClient
from servers.order.service import OrderService, Timing
from servers.shop_file import SHOP_FILE, is_alive, read_shop_file
from servers.storage.database import (
    StorageDamaged,
    StorageError,
    StorageInUse,
    StorageUnavailable,
)
from servers.storage.sqlite import SqliteDatabase, packaged_migrations
from servers.storage.sqlite_check import lacks_migrations
from servers.storage.sqlite_copy import looking
from servers.upkeep.audit import OpenShop
from servers.upkeep.shop_files import (
    CATALOG,
    NAMES,
    ORDERS,
    RESTORE_OR_GIVE_UP,
    damaged,
    database_of,
    explained_of,
    is_lost,
    must_be_a_shop,
)
from servers.web.hop import HopError, open_hop

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Iterable

    from servers.web.hop import Hop

_SERVERS = ("catalog", "order", "frontend")


@dataclass(frozen=True, slots=True)
class Urls:
    """Where a running shop's catalog and order server are, and since when all of it is up."""

    catalog: str
    order: str
    up_since_ms: int = 0


def running_at(folder: Path) -> Urls | None:
    """Return where the shop in a folder runs, or None where its note names no living process."""
    note = read_shop_file(folder)
    if note is None:
        return None
    try:
        pids = [note["supervisor_pid"], *(note[name]["pid"] for name in _SERVERS)]
        if not any(is_alive(pid) for pid in pids):
            return None
        up_since_ms = (folder / SHOP_FILE).stat().st_mtime_ns // 1_000_000
        return Urls(note["catalog"]["url"], note["order"]["url"], up_since_ms)
    except (KeyError, TypeError, OSError):
        return None


@contextlib.asynccontextmanager
async def open_running(
    urls: Urls, token: str, *, call_s: float, tls: ssl.SSLContext | None = None
) -> AsyncIterator[OpenShop]:
    """Open a shop whose servers run; a short call is given up after ``call_s`` seconds.

    ``tls`` says whose certificates are trusted, where not those that the system trusts.
    """
    async with (
        open_hop("catalog", urls.catalog, token, tls) as catalog,
        open_hop("order", urls.order, token, tls) as order,
    ):
        for hop in (catalog, order):
            await _must_answer(hop, call_s)
        yield OpenShop(
            CatalogClient(catalog, call_s=call_s),
            OrderClient(order, call_s=call_s),
            WallClock(),
            urls.up_since_ms,
        )


@contextlib.asynccontextmanager
async def open_stopped(
    folder: Path, *, to_change: bool, without_catalog: bool = False
) -> AsyncIterator[OpenShop]:
    """Open a shop whose servers do not run.

    An orders database that is lost counts as empty, and so does a catalog where one is opened
    ``without_catalog``; they are only made if something is ``to_change``. Raises `NotFound` where
    no shop is, `InvalidRequest` where its catalog is lost, `Unavailable` where a server runs.
    """
    must_be_a_shop(folder)
    lost = [name for name in NAMES if is_lost(folder, name)]
    if CATALOG in lost and not without_catalog:
        raise InvalidRequest(f"The shop in {folder} has lost its catalog.db. {RESTORE_OR_GIVE_UP}")
    if not to_change:
        _must_be_up_to_date(folder, [name for name in NAMES if name not in lost])
    async with contextlib.AsyncExitStack() as stack:
        places = dict.fromkeys(NAMES, folder)
        if lost and not to_change:
            elsewhere = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            places |= dict.fromkeys(lost, elsewhere)
        databases = {
            name: await stack.enter_async_context(_database(places[name], name))
            for name in (CATALOG, ORDERS)
        }
        clock = WallClock()
        catalog = CatalogService(databases[CATALOG], clock)
        orders = OrderService(databases[ORDERS], catalog, clock, random.Random(), Timing())  # noqa: S311  # jitter is no secret
        try:
            yield OpenShop(catalog, orders, clock)
        except StorageError as error:
            raise damaged(folder, error) from error


def _must_be_up_to_date(folder: Path, names: Iterable[str]) -> None:
    """Raise `InvalidRequest` where opening these databases would change their schema."""
    for name in names:
        path = database_of(folder, name)
        with explained_of(folder), looking(path) as connection:
            old = lacks_migrations(connection, packaged_migrations(name))
        if old:
            detail = (
                f"{path} is not as this program needs it, and an audit changes nothing. Start "
                f"the shop once, or run `bookstore reconcile`."
            )
            raise InvalidRequest(detail)


async def _must_answer(hop: Hop, call_s: float) -> None:
    """Raise `Unavailable` where a server does not answer; the long calls would find out late."""
    try:
        await hop.call("GET", "/livez", timeout_s=call_s)
    except HopError as error:
        raise Unavailable(f"Nothing was done: {error}. Try again.") from error


@contextlib.asynccontextmanager
async def _database(folder: Path, name: str) -> AsyncIterator[ShopDatabase]:
    database = ShopDatabase(await _opened(folder / f"{name}.db", packaged_migrations(name)))
    try:
        yield database
    finally:
        await database.close()


async def _opened(path: Path, migrations: Path) -> SqliteDatabase:
    try:
        return await SqliteDatabase.open(
            path, migrations=migrations, on_commit_unknown=_already_ending
        )
    except StorageInUse as error:
        detail = (
            f"{path} is in use by process {error.pid}, though no shop that `bookstore up` "
            f"started runs there. Name its servers with --catalog-url and --order-url, or stop "
            f"them first."
        )
        raise Unavailable(detail) from error
    except StorageDamaged as error:
        raise damaged(path.parent, error) from error
    except StorageUnavailable as error:
        raise Unavailable(f"The shop cannot be opened: {error}") from error
    except StorageError as error:
        raise InvalidRequest(f"The shop cannot be opened: {error}") from error


def _already_ending(_error: BaseException) -> None:
    """Do nothing: whoever waits for the write gets its error, and the command ends with it."""
