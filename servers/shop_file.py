"""The note in a shop's folder that says where its servers are.

Lives here: writing, reading and removing ``shop.json``, the right to be the one supervisor
of a folder, and asking whether a process still runs. ::

    {"frontend": {"url": "http://127.0.0.1:8000", "pid": 123},
     "catalog":  {"url": "http://127.0.0.1:8001", "pid": 124},
     "order":    {"url": "http://127.0.0.1:8002", "pid": 125},
     "supervisor_pid": 122}

Where the frontend speaks TLS its entry has a ``certificate`` too, the path of the file: the
command trusts exactly that one when it calls the frontend by this note.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import stat
import time
from typing import TYPE_CHECKING, Any, Final

from servers.listening import InUse, SupervisorError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

SHOP_FILE: Final = "shop.json"
LOCK_FILE: Final = "shop.lock"

_ASKING_S: Final = 0.05


@contextlib.contextmanager
def only_supervisor(folder: Path) -> Iterator[None]:
    """Be the one supervisor of a folder while the block runs.

    Raises `InUse` where another one is, `SupervisorError` where the folder cannot be used.
    The kernel drops the lock when this process dies, however that happens; its file stays.
    """
    try:
        # Where the tokens lie elsewhere, nobody has made the folder yet.
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise _unusable(folder, error) from error
    path = folder / LOCK_FILE
    lock = _opened(path)
    try:
        try:
            _take(lock)
        except BlockingIOError:
            owner = os.pread(lock, 32, 0).decode("ascii", "replace").strip()
            raise InUse(
                f"The shop in {folder} is open already (process {owner or 'unknown'})."
                f" Stop that first, or choose another folder with --data."
            ) from None
        try:
            os.ftruncate(lock, 0)
            os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        except OSError as error:
            raise _unusable(path, error) from error
        yield
    finally:
        os.close(lock)


def _opened(path: Path) -> int:
    """Open a lock file, made if it is missing. Raises `SupervisorError`."""
    try:
        # Were it a FIFO, some systems would wait here for somebody at its other end.
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NONBLOCK, 0o600)
    except OSError as error:
        if not (path.exists() or path.is_symlink()):
            raise _unusable(path.parent, error) from error
        why = str(error.strerror)
    else:
        if stat.S_ISREG(os.fstat(lock).st_mode):
            return lock
        os.close(lock)
        why = "it is not a file"
    raise SupervisorError(
        f"The lock {path} cannot be used: {why}. If no shop is open in {path.parent}, remove it and"
        f" start again; else choose another folder with --data."
    )


def _unusable(path: Path, error: OSError) -> SupervisorError:
    return SupervisorError(
        f"{path} cannot be used: {error.strerror}. Choose another folder with --data."
    )


def _take(lock: int) -> None:
    """Take a lock, at the second try too: a command that asks who has it holds it for an instant.

    Raises BlockingIOError.
    """
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        time.sleep(_ASKING_S)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def write_shop_file(
    folder: Path, servers: Mapping[str, tuple[str, int]], certificate: Path | None = None
) -> None:
    """Note URL and pid of each server, and this process as their supervisor.

    ``certificate`` is what the frontend shows.

    Whoever reads at the same moment sees the old note or the new one, never a part.
    """
    note: dict[str, Any] = {name: {"url": url, "pid": pid} for name, (url, pid) in servers.items()}
    if certificate is not None:
        note["frontend"]["certificate"] = str(certificate)
    note["supervisor_pid"] = os.getpid()
    draft = folder / f".{SHOP_FILE}.{os.getpid()}"
    draft.unlink(missing_ok=True)  # Left by a process that was killed; its mode may be any.
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(json.dumps(note) + "\n")
    draft.replace(folder / SHOP_FILE)


def read_shop_file(folder: Path) -> dict[str, Any] | None:
    """Return the note, or None where there is none or what is there is not one.

    It outlives a supervisor that was killed: `is_alive` tells whether it still holds.
    """
    path = folder / SHOP_FILE
    try:
        # A FIFO would be waited for.
        note = None if path.is_fifo() else json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return note if isinstance(note, dict) else None


def remove_shop_file(folder: Path) -> None:
    """Remove the note if this process wrote it; another supervisor's stays."""
    note = read_shop_file(folder)
    if note is not None and note.get("supervisor_pid") == os.getpid():
        (folder / SHOP_FILE).unlink(missing_ok=True)


def is_alive(pid: int) -> bool:
    """Tell whether a process with this id runs, whoever's it is."""
    try:
        if pid > 0:
            os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return pid > 0
