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
from servers.storage.database import StorageError, StorageInUse, StorageUnavailable
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

_LEDGER_PAGE = 1000


def database_of(folder: Path, name: str) -> Path:
    """Return where a database lies in a shop's folder, or in a backup."""
    return folder / f"{name}.db"


@contextmanager
def explained() -> Iterator[None]:
    """Raise what goes wrong with a file as an error of the shop."""
    try:
        yield
    except (StorageUnavailable, StorageInUse) as error:
        raise Unavailable(str(error)) from error
    except StorageError as error:
        raise InvalidRequest(str(error)) from error


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


def orders_lack_entries(orders: Session, catalog: Session, after: int) -> bool:
    """Say whether the ledger has decided something above a number that the orders do not show.

    Both sessions must hold a snapshot. With the highest number that the orders know of, this
    is all that can be missing: an order stands there before the catalog hears of it.
    """
    while entries := catalog.run(partial(catalog_store.ledger, after=after, limit=_LEDGER_PAGE)):
        if orders.run(partial(lack_one, entries=entries)):
            return True
        after = entries[-1].number
    return False


async def lack_one(tx: Transaction, entries: Sequence[Entry]) -> bool:
    """Say whether the orders do not show what one of these entries decided."""
    for entry in entries:
        if entry.order_id is None:
            continue
        order = await order_store.order(tx, entry.order_id)
        if order is None or (entry.kind is Kind.RETURNED and order.state is State.CONFIRMED):
            return True
    return False
