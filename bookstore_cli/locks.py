"""Who holds the locks in a shop's folder, and so whether a shop is open there."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

DATABASES = ("catalog.db", "orders.db")
SUPERVISOR_LOCK = "shop.lock"


def owner_of(lock: Path) -> int | None:
    """Return the process that holds a lock file, 0 if it is not said which; None if nobody does.

    Raises OSError. The lock is asked for together with others, and let go at once.
    """
    # Were it a FIFO, opening it would wait for somebody to write.
    descriptor = os.open(lock, os.O_RDONLY | os.O_NONBLOCK)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        text = os.pread(descriptor, 32, 0).strip()
        return int(text) if text.isdigit() else 0
    finally:
        os.close(descriptor)
    return None


def is_closed(folder: Path, note: Mapping[str, object]) -> bool:
    """Say whether a shop lies in a folder and nobody is known to run it there.

    Of a folder that cannot be looked into, or has no shop, nothing is known: it is not closed. One
    that has lost its catalog still has a shop.
    ``note`` is what a shop that was opened by `up` wrote down. It is one of old until the
    supervisor that holds the folder has written its own: that a process has the id in it proves
    nothing. While such a shop's catalog is started anew nobody holds the lock of that.
    """
    try:
        database = next((name for name in DATABASES if (folder / name).exists()), None)
        if database is None:
            return False
        supervisor = _owner_if_any(folder / SUPERVISOR_LOCK)
        if supervisor is not None:
            return supervisor != note.get("supervisor_pid")
        return _owner_if_any(folder / f"{database}.lock") is None
    except OSError:
        return False


def _owner_if_any(lock: Path) -> int | None:
    """Return the same as `owner_of`; None, too, where there is no such file."""
    try:
        return owner_of(lock)
    except FileNotFoundError:
        return None
