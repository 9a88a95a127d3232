"""The admin token that a command sends: where it is found, and what is said where it is refused."""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from servers.domain.errors import Forbidden, Unauthorized

if TYPE_CHECKING:
    from servers.domain.errors import AccessRefused

TOKEN_FILE = "admin.token"  # noqa: S105  # the name of the file, not a token
VARIABLE = "BOOKSTORE_ADMIN_TOKEN"
FILE_VARIABLE = "BOOKSTORE_TOKEN_FILE"
_TOKEN = re.compile(r"[0-9a-f]{64}\Z")
_ID_DIGITS = 8


@dataclass(frozen=True, slots=True)
class AdminToken:
    """A token, the place that it is from, and how to have another one sent in its place."""

    secret: str = field(repr=False)
    place: str
    otherwise: str

    @property
    def id(self) -> str:
        """What `bookstore token list` calls it."""
        from hashlib import sha256

        return sha256(self.secret.encode("ascii")).hexdigest()[:_ID_DIGITS]


def given(named: str | None, *, typed: bool) -> AdminToken | None:
    """Return the admin token that somebody gave, None where nobody did. Raises `Unauthorized`.

    A file that was ``named`` comes first, by an option if that was ``typed``, else by a variable;
    then BOOKSTORE_ADMIN_TOKEN.
    """
    if named:
        instead = "leave it out" if typed else f"unset {FILE_VARIABLE}"
        return AdminToken(
            _read(Path(named)),
            named if typed else f"{named}, which {FILE_VARIABLE} names",
            f"Name the right one with --token-file, or {instead} for the one in the shop's folder.",
        )
    secret = os.environ.get(VARIABLE)
    if not secret:
        return None
    otherwise = f"Set {VARIABLE} to the right one, or unset it for the one in the shop's folder."
    if not _TOKEN.match(secret):
        raise Unauthorized(
            f"{VARIABLE} holds no token, which is 64 hexadecimal digits. {otherwise}"
        )
    return AdminToken(secret, VARIABLE, otherwise)


def of_folder(folder: Path) -> AdminToken:
    """Return the admin token in a shop's folder, or raise `Unauthorized` saying how to get one."""
    path = folder / TOKEN_FILE
    if path.is_fifo():  # One that was named is waited for: somebody writes into it.
        raise Unauthorized(f"{path} is not a file. Name the shop's token with --token-file.")
    return AdminToken(
        _read(path),
        str(path),
        "Name the folder of the right shop with --data, or its token with --token-file; where it "
        f"was started with {VARIABLE}, set that here too.",
    )


def refused(error: AccessRefused, server: str, sent: AdminToken | None) -> str:
    """Return what to say where ``server`` refused a command that had this token, or none."""
    if sent is None:
        return (
            f"{server} wants a token, and this command sends none: perhaps it is the catalog or "
            "the order server. Name the frontend with --url."
        )
    if isinstance(error, Forbidden):
        return (
            f"{server} knows the token (id {sent.id}) in {sent.place}, but it is not one of "
            f"staff. {sent.otherwise}"
        )
    return (
        f"{server} refused the admin token (id {sent.id}) in {sent.place}: it is of another shop, "
        f"or not valid any more. {sent.otherwise} `bookstore token list` tells which are valid, "
        "`bookstore token new admin` makes one."
    )


def _read(path: Path) -> str:
    """Return the token in a file. Raises `Unauthorized`."""
    try:
        with path.open(encoding="ascii", errors="replace") as file:
            mode = os.fstat(file.fileno()).st_mode
            token = file.readline(1000).strip()
    except OSError as error:
        raise Unauthorized(
            f"This command is for staff and needs the admin token; {path} cannot be read "
            f"({error.strerror}). Name the shop's folder with --data, or the file with "
            "--token-file; `bookstore token new admin` makes one that is lost."
        ) from error
    if stat.S_ISREG(mode) and mode & 0o077:
        raise Unauthorized(
            f"{path} holds the admin token, and others may read it. Run: chmod 600 {path}"
        )
    if not _TOKEN.match(token):
        raise Unauthorized(
            f"{path} does not hold an admin token, which is one line of 64 hexadecimal "
            "digits. Name the right file with --token-file."
        )
    return token
