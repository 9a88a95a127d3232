"""Backups: both databases of a shop, as they were at one moment, in a folder of their own.

Lives here: making one, reading one, and what its manifest says. Putting one back lives in
``restore`` beside this. Tokens are no part of a backup: whoever finds one can read what was sold,
but cannot act as the shop. ::

    monday/                 0700
    ├── orders.db           0600
    ├── catalog.db          0600
    └── manifest.json       0600; written last: without it a folder is no backup
"""

from __future__ import annotations

import hashlib
import os
import shutil
from contextlib import closing, contextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Final

import msgspec
from apsw import sqlite_lib_version

from servers.catalog import store as catalog_store
from servers.domain.errors import InvalidRequest, NotFound, Unavailable
from servers.domain.times import rfc3339
from servers.order import store as order_store
from servers.storage.sqlite import packaged_migrations, wall_clock_ms
from servers.storage.sqlite_check import examine, must_be_whole
from servers.storage.sqlite_copy import (
    begin_snapshot,
    copy_database,
    end_snapshot,
    looking,
    open_still,
    seam_errors,
)
from servers.storage.sqlite_file import sync_folder
from servers.storage.sqlite_session import Session
from servers.upkeep.shop_files import (
    CATALOG,
    NAMES,
    ORDERS,
    RESTORE_OR_GIVE_UP,
    database_of,
    explained,
    explained_of,
    is_lost,
    must_be_a_shop,
    orders_lack_entries,
    orders_lack_newest,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from apsw import Connection

    from servers.storage.sqlite_check import Examined

MANIFEST: Final = "manifest.json"
FORMAT: Final = 1

_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL

_MAX_MANIFEST_BYTES = 64 * 1024
_MAX_SNAPSHOTS = 50
"""How often the two moments are chosen anew until no order fell between them."""


class Copied(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One database in a backup; ``schema`` is the number of its last migration."""

    bytes: int
    sha256: str
    schema: int


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a backup says about itself; the times are RFC 3339.

    ``ledger`` is the last number in the catalog's ledger, ``ledger_seen`` the highest that the
    orders know of: where it is higher, the catalog was lost or is an old one. Where not
    ``orders_complete``, the ledger has decided orders, or taken them back, without the orders
    showing it. Either is mended by `bookstore reconcile`, before or after such a backup is put
    back, which compares the databases anew.
    """

    format: int
    program: str
    sqlite: str
    began_at: str
    ended_at: str
    ledger: int
    ledger_seen: int
    orders_complete: bool
    databases: dict[str, Copied]


def back_up(folder: Path, target: Path, *, now_ms: Callable[[], int] = wall_clock_ms) -> Manifest:
    """Copy both databases of a shop, which may be running, into a new folder.

    Raises `NotFound` where no shop is, `InvalidRequest` where a database is lost or damaged or
    the target is there already, `Unavailable` where a disk fails. Then nothing is left of what
    was begun.
    """
    must_be_a_shop(folder)
    for name in NAMES:
        if is_lost(folder, name):
            advice = RESTORE_OR_GIVE_UP if name == CATALOG else "Run `bookstore reconcile` first."
            raise InvalidRequest(f"The shop in {folder} has lost its {name}.db. {advice}")
    with explained_of(folder), _new_folder(target):
        began_at = rfc3339(now_ms())
        with (
            looking(database_of(folder, ORDERS)) as orders,
            looking(database_of(folder, CATALOG)) as catalog,
        ):
            complete = _hold_one_moment(orders, catalog)
            copy_database(orders, database_of(target, ORDERS))
            copy_database(catalog, database_of(target, CATALOG))
            ledger_seen = Session(orders).run(order_store.newest_known).number
            ledger = Session(catalog).run(catalog_store.last_number)
        manifest = Manifest(
            format=FORMAT,
            program=f"bookstore {_own_version()}",
            sqlite=sqlite_lib_version(),
            began_at=began_at,
            ended_at=rfc3339(now_ms()),
            ledger=ledger,
            ledger_seen=ledger_seen,
            orders_complete=complete,
            databases={
                name: _described(database_of(target, name), name, of=database_of(folder, name))
                for name in NAMES
            },
        )
        _write_manifest(target / MANIFEST, manifest)
    return manifest


def read_backup(source: Path) -> Manifest:
    """Return the manifest of a backup whose files are as they were when it was made.

    Raises `NotFound` where there is no backup, `InvalidRequest` where it is damaged, was mixed
    from several, or does not fit this program.
    """
    path = source / MANIFEST
    try:
        with path.open("rb") as file:
            manifest = msgspec.json.decode(file.read(_MAX_MANIFEST_BYTES), type=Manifest)
    except FileNotFoundError:
        detail = f"There is no backup in {source}: it has no {MANIFEST}, which is written last."
        raise NotFound(detail) from None
    except OSError as error:
        raise Unavailable(f"{path} cannot be read: {error.strerror}.") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"{path} is not the manifest of a backup: {error}.") from error
    if manifest.format != FORMAT or set(manifest.databases) != set(NAMES):
        detail = f"{source} was made by {manifest.program}; this program cannot read it."
        raise InvalidRequest(detail)
    for name in NAMES:
        must_be_as_copied(database_of(source, name), name, manifest)
    return manifest


def must_be_as_copied(path: Path, name: str, manifest: Manifest) -> None:
    """Raise `InvalidRequest` where a copy is not the one that a manifest tells of."""
    if not path.exists():
        raise InvalidRequest(f"{path} is missing: the backup is not whole. Use another one.")
    with explained():
        found = _described(path, name, of=path)
    if found != manifest.databases[name]:
        detail = (
            f"{path} is not the file that its manifest tells of: it was damaged, or comes from "
            f"another backup. Use another one."
        )
        raise InvalidRequest(detail)


def _hold_one_moment(orders: Connection, catalog: Connection) -> bool:
    """Take a snapshot of both, orders first; say whether the orders show all that was decided.

    What was sold between them would stand in the ledger without its order. The two moments
    lie so near to each other that choosing them anew soon finds a pair with nothing between.
    What is then still missing, or where none is found, the orders really lack.
    """
    for attempt in range(_MAX_SNAPSHOTS):
        if attempt:
            end_snapshot(orders)
            end_snapshot(catalog)
        begin_snapshot(orders)
        begin_snapshot(catalog)
        seen = Session(orders).run(order_store.newest_known).number
        if not orders_lack_newest(Session(orders), Session(catalog), seen):
            return not orders_lack_entries(Session(orders), Session(catalog))
    return False


def _described(path: Path, name: str, of: Path) -> Copied:
    """Return what there is to say about a copy.

    Raises `StorageError` where it is damaged, which names the file that it is a copy ``of``.
    """
    with seam_errors(path):
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        with closing(open_still(path)) as connection:
            found: Examined = examine(connection, packaged_migrations(name))
        must_be_whole(found, of)
        return Copied(path.stat().st_size, digest, found.schema)


@contextmanager
def _new_folder(target: Path) -> Iterator[None]:
    """Make a folder (0700) for the block to fill; it goes again where the block fails."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.mkdir(mode=0o700)
    except FileExistsError:
        detail = f"{target} is there already, and a backup never overwrites. Name a new folder."
        raise InvalidRequest(detail) from None
    except OSError as error:
        raise Unavailable(f"{target} cannot be made: {error.strerror}.") from error
    try:
        yield
        with seam_errors(target):
            sync_folder(target)
            sync_folder(target.parent)
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)
        raise


def _write_manifest(path: Path, manifest: Manifest) -> None:
    content = msgspec.json.format(msgspec.json.encode(manifest), indent=2)
    with seam_errors(path), os.fdopen(os.open(path, _NEW_FILE, 0o600), "wb") as file:
        file.write(content + b"\n")
        file.flush()
        os.fsync(file.fileno())


def _own_version() -> str:
    try:
        return version("bookstore")
    except PackageNotFoundError:
        return "(not installed)"
