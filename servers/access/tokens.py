"""The tokens that a server uses: those that open its doors, and the one that it sends itself.

Lives here: which of environment, files and list counts. How a token lies in a file is known
to ``token_files`` beside this, the list to ``token_list``, which lets two tokens of a role be
valid at once. Comparing one with what a caller sent is done where requests are answered. ::

    BOOKSTORE_ADMIN_TOKEN   the only admin token where it is set; so BOOKSTORE_SERVICE_TOKEN
    admin.token             the present one of staff, in plain: the command sends it
    service.token           the present one of the servers, in plain: they send it
    tokens.json             digests of all that `bookstore token` made and did not revoke
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from servers.access import token_files, token_list
from servers.access.token_files import TokenError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from servers.settings import Settings

__all__ = ["ADMIN_FILE", "SERVICE_FILE", "TokenError", "Tokens", "ensure", "load", "read"]

ADMIN_FILE: Final = "admin.token"
SERVICE_FILE: Final = "service.token"

read = token_files.read


@dataclass(frozen=True)
class Tokens:
    """The present token of each role, and the ``digests`` of others that are valid, by role.

    ``admin`` is for staff, ``service`` for the servers among themselves. ``admin`` is empty
    where staff keep it elsewhere and only its digest is here.
    """

    admin: str = field(repr=False)
    service: str = field(repr=False)
    digests: Sequence[tuple[str, bytes]] = field(default=(), repr=False)

    def valid(self) -> list[tuple[str, bytes]]:
        """Return role and SHA-256 of every token that opens a door."""
        present = (("admin", self.admin), ("service", self.service))
        own = [(role, sha256(secret.encode()).digest()) for role, secret in present if secret]
        return list(dict.fromkeys([*own, *self.digests]))


def load(settings: Settings) -> Tokens:
    """Return the tokens a server is to use.

    A token in the environment comes first and is then the only one of its role. A token file
    that was named must be there; the usual ones in the shop's folder are made when they are
    missing, that of staff unless the list has a token of theirs. Raises `TokenError`.
    """
    staff_known = any(each.role == "admin" for each in token_list.read(settings.data))
    return _chosen(
        settings,
        settings.admin_token or _of_file(settings, "admin", listed=staff_known),
        settings.service_token or _of_file(settings, "service", listed=False),
    )


def load_again(settings: Settings, service: str) -> Tokens:
    """Return the tokens of a server that runs, whose own is ``service``; makes nothing.

    Where the servers' file is gone they keep the token that they have; where that of staff is
    gone its token is valid only if it is listed. Raises `TokenError`.
    """
    there = settings.admin_token or settings.admin_token_file.exists()
    kept = settings.service_token or settings.service_token_file.exists()
    return _chosen(
        settings,
        settings.admin_token or (token_files.read(settings.admin_token_file) if there else ""),
        settings.service_token
        or (token_files.read(settings.service_token_file) if kept else service),
    )


def ensure(folder: Path) -> Tokens:
    """Return the tokens of the shop in ``folder``; make the folder and them if need be.

    The folder is made with mode 0700, the files with 0600. Several processes may do this at
    once: all get the same tokens. Raises `TokenError`.
    """
    return Tokens(
        admin=token_files.ensure(folder / ADMIN_FILE),
        service=token_files.ensure(folder / SERVICE_FILE),
    )


def _chosen(settings: Settings, admin: str, service: str) -> Tokens:
    """Return these tokens with the listed ones of roles that have none in the environment."""
    by_files = {
        "admin": settings.admin_token is None,
        "service": settings.service_token is None,
    }
    listed = token_list.read(settings.data)
    digests = [(each.role, each.digest) for each in listed if by_files[each.role]]
    return Tokens(admin, service, tuple(digests))


def _of_file(settings: Settings, role: str, *, listed: bool) -> str:
    path: Path = getattr(settings, f"{role}_token_file")
    if settings.sources.get(f"{role}_token_file", "default") != "default":
        return token_files.read(path)
    if listed and not path.exists():
        return ""
    return token_files.ensure(path)
