"""Putting a backup back: into the folder of a shop that does not run.

Lives here: the order of steps that makes it safe to be cut off anywhere. What stood in the
folder is kept aside and never destroyed. How a backup is made lives in ``backup`` beside this, and
what brings the two databases together again in ``reconcile``.

1. The backup is examined; the shop's locks are taken, so that no server can start.
2. Copies are made beside the databases, and examined again.
3. The log of each database is emptied into it, so that its one file is all of it. One that
   is too damaged for that keeps its log.
4. The file gets a second name in ``replaced-<time>/``; then the copy takes its first one, in
   one step of the file system. The catalog comes first: were the power cut between the two,
   the orders would know more than the ledger, which the servers notice.
"""

from __future__ import annotations

import os
import shutil
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from apsw import Error

from servers.domain.errors import InvalidRequest, Unavailable
from servers.listening import InUse, SupervisorError
from servers.shop_file import only_supervisor
from servers.storage.database import StorageError, StorageInUse
from servers.storage.sqlite import wall_clock_ms
from servers.storage.sqlite_copy import seam_errors
from servers.storage.sqlite_file import DatabaseFile, FileLock, sync_folder
from servers.upkeep.backup import must_be_as_copied, read_backup
from servers.upkeep.shop_files import CATALOG, NAMES, ORDERS, database_of, explained

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from servers.upkeep.backup import Manifest

_REPLACED_FIRST = (CATALOG, ORDERS)
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL
_COPY_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Restored:
    """What was put back: the names of the databases, and where those before them lie.

    ``aside`` is None where there was nothing to keep.
    """

    manifest: Manifest
    databases: tuple[str, ...]
    aside: Path | None


def restore(
    source: Path,
    folder: Path,
    names: Sequence[str],
    *,
    now_ms: Callable[[], int] = wall_clock_ms,
) -> Restored:
    """Put these databases of a backup into a shop's folder, which is made if need be.

    Raises `NotFound` where there is no backup, `InvalidRequest` where it is not whole or the
    folder cannot be used, and `Unavailable` where the shop runs or a disk fails; what was not
    replaced by then is as it was.
    """
    manifest = read_backup(source)
    wanted = tuple(name for name in _REPLACED_FIRST if name in names)
    with explained(), _nobody_else(folder), seam_errors(folder):
        drafts = {name: folder / f".{name}.db.restored" for name in wanted}
        try:
            for name, draft in drafts.items():
                _copy(database_of(source, name), draft)
                must_be_as_copied(draft, name, manifest)
            there = any(_files_of(folder, name) for name in wanted)
            aside = _new_aside(folder, now_ms()) if there else None
            for name, draft in drafts.items():
                if aside is not None:
                    _keep(folder, name, aside)
                draft.replace(database_of(folder, name))
                sync_folder(folder)
        finally:
            for draft in drafts.values():
                draft.unlink(missing_ok=True)
    return Restored(manifest, wanted, aside)


@contextmanager
def _nobody_else(folder: Path) -> Iterator[None]:
    """Keep every server and supervisor out while the block runs.

    Raises `Unavailable` where one runs, `InvalidRequest` where the folder cannot be used.
    """
    with ExitStack() as stack:
        try:
            stack.enter_context(only_supervisor(folder))
            for name in NAMES:
                stack.callback(FileLock(database_of(folder, name)).release)
        except (InUse, StorageInUse) as error:
            detail = f"{error} A backup is put back only while the shop does not run."
            raise Unavailable(detail) from error
        except SupervisorError as error:
            raise InvalidRequest(str(error)) from error
        yield


def _copy(source: Path, draft: Path) -> None:
    """Copy a file, durably, to one that nobody else may read."""
    draft.unlink(missing_ok=True)  # Left by a restore that was cut off.
    with source.open("rb") as original, os.fdopen(os.open(draft, _NEW_FILE, 0o600), "wb") as copy:
        shutil.copyfileobj(original, copy, _COPY_BYTES)
        copy.flush()
        os.fsync(copy.fileno())


def _keep(folder: Path, name: str, aside: Path) -> None:
    """Keep the files of a database aside as well, and leave no log beside it."""
    path = database_of(folder, name)
    log = path.with_name(f"{path.name}-wal")
    kept_log = aside / log.name
    # A log that stayed would be taken for the log of the copy. SQLite may remove one that it
    # cannot apply, so it is kept before SQLite sees it.
    if log.exists():
        _copy(log, kept_log)
    if path.exists():
        with suppress(Error, StorageError):
            DatabaseFile.at(path).open_writer().close()
            kept_log.unlink(missing_ok=True)  # All of it is in the database now.
        os.link(path, aside / path.name)
    sync_folder(aside)
    for beside in (log, path.with_name(f"{path.name}-shm")):
        beside.unlink(missing_ok=True)


def _files_of(folder: Path, name: str) -> list[Path]:
    """Return which of a database and its log are there."""
    path = database_of(folder, name)
    return [each for each in (path, path.with_name(f"{path.name}-wal")) if each.exists()]


def _new_aside(folder: Path, at_ms: int) -> Path:
    """Make the folder (0700) for what is replaced now."""
    moment = datetime.fromtimestamp(at_ms // 1000, UTC).strftime("%Y%m%dT%H%M%SZ")
    name, number = f"replaced-{moment}", 1
    while (folder / name).exists():
        number += 1
        name = f"replaced-{moment}-{number}"
    aside = folder / name
    aside.mkdir(mode=0o700)
    sync_folder(folder)
    return aside
