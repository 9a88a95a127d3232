"""The two tokens of a shop, kept as files in its folder.

Lives here: making and reading them. Comparing one with what a caller sent does not; that is
done where requests are answered.
"""

from __future__ import annotations

import os
import re
import secrets
import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from servers.settings import SettingsError

if TYPE_CHECKING:
    from pathlib import Path

    from servers.settings import Settings

ADMIN_FILE: Final = "admin.token"
SERVICE_FILE: Final = "service.token"

_TOKEN_BYTES: Final = 32
_MAX_FILE_BYTES: Final = 4096
_TOKEN: Final = re.compile(r"[0-9a-f]{64}")
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


class TokenError(SettingsError):
    """A token file cannot be used; the sentence says which and what to do."""


@dataclass(frozen=True)
class Tokens:
    """One token per role: ``admin`` for staff, ``service`` for the servers among themselves."""

    admin: str = field(repr=False)
    service: str = field(repr=False)


def load(settings: Settings) -> Tokens:
    """Return the tokens a server is to use.

    A token in the environment comes first. A token file that was named must be there; the
    usual ones in the shop's folder are made when they are missing. Raises `TokenError`.
    """
    return Tokens(
        admin=settings.admin_token or _of_file(settings.admin_token_file, settings, "admin"),
        service=settings.service_token
        or _of_file(settings.service_token_file, settings, "service"),
    )


def ensure(folder: Path) -> Tokens:
    """Return the tokens of the shop in ``folder``; make the folder and them if need be.

    The folder is made with mode 0700, the files with 0600. Several processes may do this at
    once: all get the same tokens. Raises `TokenError`.
    """
    return Tokens(admin=_ensured(folder / ADMIN_FILE), service=_ensured(folder / SERVICE_FILE))


def read(path: Path) -> str:
    """Return the token in a file. Raises `TokenError` if others may read it or it holds none."""
    try:
        # Asked about the open file, not about its name: between two questions about a name
        # somebody could exchange what it stands for.
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.read(_MAX_FILE_BYTES).decode("ascii", errors="replace").strip()
    except OSError as error:
        raise TokenError(f"The token file {path} cannot be read: {error.strerror}.") from error
    if mode & _OTHERS:
        raise TokenError(
            f"The token file {path} is open to other users of this machine (mode"
            f" {stat.S_IMODE(mode):04o}). Close it with: chmod 600 {path}"
        )
    if not _TOKEN.fullmatch(text):
        raise TokenError(
            f"The token file {path} does not hold a token, which is one line of 64 hexadecimal"
            f" digits. Delete it to have a new one made at the next start."
        )
    return text


def _of_file(path: Path, settings: Settings, role: str) -> str:
    usual = settings.sources.get(f"{role}_token_file", "default") == "default"
    return _ensured(path) if usual else read(path)


def _ensured(path: Path) -> str:
    try:
        if not path.exists():
            _close_folder(path.parent)
            _make(path)
    except OSError as error:
        raise TokenError(f"The token file {path} cannot be made: {error.strerror}.") from error
    return read(path)


def _close_folder(folder: Path) -> None:
    """Make the folder, open to its owner alone; so becomes one that is there but empty."""
    folder.mkdir(mode=stat.S_IRWXU, parents=True, exist_ok=True)
    # A folder with something in it was made by somebody for more than this shop, and stays.
    if not any(folder.iterdir()):
        folder.chmod(stat.S_IRWXU)


def _make(path: Path) -> None:
    """Write a new token file, whole or not at all; one that another process made stays."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(_TOKEN_BYTES) + "\n")
            file.flush()
            os.fsync(file.fileno())
        # A link, unlike a rename, refuses to replace: the first of two processes wins.
        os.link(draft, path)
    except FileExistsError:
        return
    finally:
        draft.unlink()
