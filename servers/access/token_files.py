"""One secret in one file: reading it, making it, replacing it.

Lives here: what a token file may look like and who may read it. Which tokens open a door is
known to ``servers.access.tokens``, which of them were given out to ``servers.access.token_list``.
"""

from __future__ import annotations

import os
import re
import secrets
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from servers.settings import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TOKEN_BYTES: Final = 32
MAX_FILE_BYTES: Final = 64 * 1024
_TOKEN: Final = re.compile(r"[0-9a-f]{64}")
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


class TokenError(SettingsError):
    """A token file cannot be used; the sentence says which and what to do."""


class MalformedTokenError(TokenError):
    """A token file holds something else than a token."""


def new_secret() -> str:
    """Return a token that nobody has: 256 random bits as 64 hexadecimal digits."""
    return secrets.token_hex(TOKEN_BYTES)


def read(path: Path) -> str:
    """Return the token in a file. Raises `TokenError` if others may read it or it holds none."""
    text = read_private(path).strip()
    if not _TOKEN.fullmatch(text):
        raise MalformedTokenError(
            f"The token file {path} does not hold a token, which is one line of 64 hexadecimal"
            f" digits. Make a new one with `bookstore token new admin`, or `service`."
        )
    return text


def read_private(path: Path) -> str:
    """Return the text of a file of secrets. Raises `TokenError` if others may read it."""
    try:
        # Asked about the open file, not about its name: between two questions about a name
        # somebody could exchange what it stands for. A FIFO would be waited for, again and again.
        with open(path, "rb", opener=_at_once) as file:
            mode = os.fstat(file.fileno()).st_mode
            if not stat.S_ISREG(mode):
                raise TokenError(
                    f"The token file {path} is not a file. Name another, or remove it."
                )
            text = file.read(MAX_FILE_BYTES).decode("ascii", errors="replace")
    except OSError as error:
        raise TokenError(f"The token file {path} cannot be read: {error.strerror}.") from error
    if mode & _OTHERS:
        raise TokenError(
            f"The token file {path} is open to other users of this machine (mode"
            f" {stat.S_IMODE(mode):04o}). Close it with: chmod 600 {path}"
        )
    return text


def _at_once(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)


def ensure(path: Path) -> str:
    """Return the token in a file, which is made if it is missing. Raises `TokenError`.

    Several processes may do this at once: all get the same token.
    """
    with made_or_told(path):
        if not path.exists():
            close_folder(path.parent)
            with _draft(path, new_secret() + "\n") as draft:
                _link(draft, path)
    return read(path)


def replace(path: Path, text: str) -> None:
    """Put ``text`` into a file of mode 0600, whole or not at all. Raises `TokenError`."""
    with made_or_told(path):
        close_folder(path.parent)
        with _draft(path, text) as draft:
            draft.replace(path)
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)


def close_folder(folder: Path) -> None:
    """Make the folder, open to its owner alone; so becomes one that is there but empty."""
    folder.mkdir(mode=stat.S_IRWXU, parents=True, exist_ok=True)
    # A folder with something in it was made by somebody for more than this shop, and stays.
    if not any(folder.iterdir()):
        folder.chmod(stat.S_IRWXU)


@contextmanager
def made_or_told(path: Path) -> Iterator[None]:
    """Raise `TokenError` where a file cannot be written."""
    try:
        yield
    except OSError as error:
        raise TokenError(f"The token file {path} cannot be made: {error.strerror}.") from error


@contextmanager
def _draft(path: Path, text: str) -> Iterator[Path]:
    """Write a file beside ``path`` with the mode 0600, durably; it goes with the block."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        yield draft
    finally:
        draft.unlink(missing_ok=True)


def _link(draft: Path, path: Path) -> None:
    """Give a draft its name, unless something has that name already."""
    try:
        # A link, unlike a rename, refuses to replace: the first of two processes wins.
        os.link(draft, path)
    except FileExistsError:
        return
