"""The shop's folder on disk: who else may look into it.

Lives here: which files are the shop's, that a folder in which others may write is refused, and
that files which others can open are closed. Token files are refused where they are read, in
``servers.access.token_files``: what others may have copied must be exchanged, not just closed.
"""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING, Final

from servers.settings import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DATABASES: Final = ("catalog.db", "orders.db")
_BESIDE_A_DATABASE: Final = ("", "-wal", "-shm", ".lock")
_OTHER_FILES: Final = ("shop.json", "shop.lock", "tokens.lock")
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


def guard(folder: Path) -> list[str]:
    """Close the shop's files to others; return a sentence for each that was open.

    Raises `SettingsError` for a folder in which others may write: there they could put a
    database or a token of their own in place of the shop's.
    """
    others = writers(folder)
    if others is not None:
        raise SettingsError(
            f"{others[0].upper()}{others[1:]} may write into {folder}. Choose a folder of the"
            f" shop's own with --data, or close this one with: chmod 700 {folder}"
        )
    told = []
    for path in open_files(folder):
        mode = stat.S_IMODE(path.stat().st_mode)
        try:
            path.chmod(mode & ~_OTHERS)
        except OSError as error:
            raise SettingsError(
                f"{path} is open to other users (mode {mode:04o}) and cannot be closed:"
                f" {error.strerror}."
            ) from error
        told.append(f"{path} was open to other users (mode {mode:04o}); it is closed now")
    return told


def writers(folder: Path) -> str | None:
    """Return who else may write into a folder that has something in it; None: nobody.

    An empty one is closed when the shop moves in.
    """
    try:
        mode = folder.stat().st_mode
        if not mode & (stat.S_IWGRP | stat.S_IWOTH) or not any(folder.iterdir()):
            return None
    except OSError:
        return None
    return "every user of this machine" if mode & stat.S_IWOTH else "every user of its group"


def open_files(folder: Path) -> Iterator[Path]:
    """Yield the shop's files, but for its tokens, that others can read or write."""
    names = [f"{name}{more}" for name in DATABASES for more in _BESIDE_A_DATABASE]
    for name in (*names, *_OTHER_FILES):
        path = folder / name
        try:
            mode = path.stat().st_mode
        except OSError:
            continue
        if mode & _OTHERS:
            yield path
