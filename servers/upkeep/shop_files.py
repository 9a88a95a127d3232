"""The two database files of a shop, looked at from outside by whoever keeps it.

Lives here: examining them, and whether the orders know all that the ledger has decided.
Copying them lives in ``backup`` beside this, putting copies back in ``restore``. Rows are
compared for good by ``audit``.
"""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Final

from servers.catalog import store as catalog_store
from servers.domain.errors import InvalidRequest, NotFound, Unavailable
from servers.domain.ledger import Kind
from servers.domain.order import State
from servers.domain.sale import Seen
from servers.order import store as order_store
from servers.storage.database import (
    MigrationError,
    StorageError,
    StorageInUse,
    StorageUnavailable,
)
from servers.storage.facts import fact
from servers.storage.sqlite import packaged_migrations
from servers.storage.sqlite_check import Examined, examine
from servers.storage.sqlite_copy import looking
from servers.storage.sqlite_peek import peek
from servers.storage.sqlite_session import Session

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from servers.domain.ledger import Entry
    from servers.storage.database import Transaction

ORDERS: Final = "orders"
CATALOG: Final = "catalog"
NAMES: Final = (ORDERS, CATALOG)
"""The databases in the order in which they are copied, so that the ledger is never behind."""

RESTORE_OR_GIVE_UP: Final = (
    "With the shop stopped put its backup back, `bookstore db restore DIR --only catalog`; then "
    "run `bookstore reconcile`. Only where there is no backup: `bookstore reconcile "
    "--without-backup` enters the sales of the orders anew, and then every book that they tell of "
    "is a deleted one, and all other books are gone."
)
"""What to do where the catalog is lost, and what it costs to go on without it."""

NEXT_STEP: Final = (
    "Look with `bookstore db check`, and put a backup back with `bookstore db restore DIR`, which "
    "keeps the broken file."
)
"""What to do about a damaged database."""

_PAGE = 1000


def database_of(folder: Path, name: str) -> Path:
    """Return where a database lies in a shop's folder, or in a backup."""
    return folder / f"{name}.db"


def is_lost(folder: Path, name: str) -> bool:
    """Say whether one database of a shop is not there, or has nothing in it beside the other."""
    path = database_of(folder, name)
    if not path.exists():
        return True
    # To SQLite a file of no bytes is a new database; beside the other one it is a lost one.
    other = ORDERS if name == CATALOG else CATALOG
    return path.stat().st_size == 0 and database_of(folder, other).exists()


@contextmanager
def explained() -> Iterator[None]:
    """Raise what goes wrong with a file as an error of the shop."""
    try:
        yield
    except (StorageUnavailable, StorageInUse) as error:
        raise Unavailable(str(error)) from error
    except StorageError as error:
        raise InvalidRequest(str(error)) from error


@contextmanager
def explained_of(folder: Path) -> Iterator[None]:
    """Raise what goes wrong with a shop's own databases as errors of the shop.

    What is damaged is told with the next step.
    """
    with explained():
        try:
            yield
        except (MigrationError, StorageUnavailable, StorageInUse):
            raise
        except StorageError as error:
            raise damaged(folder, error) from error


def damaged(folder: Path, error: Exception) -> InvalidRequest:
    """Return what is said of a shop whose databases are not what the servers wrote."""
    why = str(error).rstrip(".")
    return InvalidRequest(
        f"The databases in {folder} are not as the shop wrote them: {why}. {NEXT_STEP}"
    )


def check(folder: Path) -> dict[str, Examined]:
    """Examine both databases of a shop, whether it runs or not; change nothing.

    A database that is lost has that as its problem. Raises `NotFound` where neither is
    there, `Unavailable` where one cannot be read now.
    """
    must_be_a_shop(folder)
    found: dict[str, Examined] = {}
    for name in NAMES:
        path = database_of(folder, name)
        if not path.exists():
            found[name] = Examined(problems=("there is no such file",))
            continue
        with explained(), looking(path) as connection:
            found[name] = examine(connection, packaged_migrations(name))
    return found


def seen_by_orders(folder: Path, *, surely: bool) -> Seen | None:
    """Return the newest ledger entry that the orders in a folder know of; number 0 for none.

    None where the file cannot be read now. Unless it is to be known ``surely``, that includes one
    that an order server has open or has not closed: looking into it could keep that server from
    starting. Changes nothing.
    """
    path = database_of(folder, ORDERS)
    if not path.exists():
        return Seen()
    try:
        if not surely:
            return peek(path, _seen)
        with looking(path) as connection:
            return Session(connection).run(_seen)
    except StorageUnavailable:
        return None
    except StorageError:
        return Seen()  # Its tables are only being made.


async def _seen(tx: Transaction) -> Seen:
    """Return what an order server tells of these orders."""
    seen = await order_store.newest_known(tx)
    return seen._replace(orders=await fact(tx, "orders_id"))


def must_be_a_shop(folder: Path) -> None:
    """Raise `NotFound` where a folder has neither of a shop's databases."""
    if not any(database_of(folder, name).exists() for name in NAMES):
        detail = (
            f"There is no shop in {folder}: it has no catalog.db. Name the shop's folder with "
            f"--data, or start one there with `bookstore up`."
        )
        raise NotFound(detail)


def orders_lack_entries(orders: Session, catalog: Session) -> bool:
    """Say whether the ledger has decided an order, or taken one back, that the orders do not show.

    All are compared, so that rows are found missing also below the newest entry that the orders
    know: so it is where they were lost, and others were placed since.
    """
    for ids in _order_ids(catalog, returned=False):
        there = orders.run(partial(order_store.ids_between, first=ids[0], last=ids[-1]))
        if not there.issuperset(ids):
            return True
    return any(
        orders.run(partial(order_store.in_state, order_ids=ids, state=State.CONFIRMED))
        for ids in _order_ids(catalog, returned=True)
    )


def _order_ids(catalog: Session, *, returned: bool) -> Iterator[list[str]]:
    """Yield the ids of orders that the ledger decided, or took back, page by page."""
    after = ""
    while ids := catalog.run(
        partial(catalog_store.order_ids, after=after, limit=_PAGE, returned=returned)
    ):
        yield ids
        after = ids[-1]


def orders_lack_newest(orders: Session, catalog: Session, after: int) -> bool:
    """Say whether the ledger has decided something above a number that the orders do not show.

    Above the highest number that the orders know of lies all that came between two moments.
    """
    while entries := catalog.run(partial(catalog_store.ledger, after=after, limit=_PAGE)):
        if orders.run(partial(_lack_one, entries=entries)):
            return True
        after = entries[-1].number
    return False


async def _lack_one(tx: Transaction, entries: Sequence[Entry]) -> bool:
    """Say whether the orders do not show what one of these entries decided."""
    for entry in entries:
        if entry.order_id is None:
            continue
        order = await order_store.order(tx, entry.order_id)
        if order is None or (entry.kind is Kind.RETURNED and order.state is State.CONFIRMED):
            return True
    return False
