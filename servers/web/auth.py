"""Who may come in: secret tokens, three roles.

Anyone is ``public``. The admin token belongs to the people who run the shop, the service
token to its servers; while one is exchanged two of a role are valid. Tokens are kept hashed
and compared in constant time: whatever came is compared with all of them.
"""

from __future__ import annotations

from enum import IntEnum
from hashlib import sha256
from hmac import compare_digest
from typing import TYPE_CHECKING

from servers.domain.errors import Forbidden, Unauthorized

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Role(IntEnum):
    """What a token makes of a caller."""

    PUBLIC = 0
    SERVICE = 1
    ADMIN = 2


STAFF = frozenset({Role.ADMIN})
"""Routes of the shop's keepers."""

INSIDE = frozenset({Role.SERVICE, Role.ADMIN})
"""Routes of the servers among themselves."""


class Doors:
    """Knows the digests of the tokens and says what role a request has.

    Begins with one token per role; `open_to` says which are valid from then on.
    """

    def __init__(self, tokens: Mapping[Role, str]) -> None:
        self._digests = [(role, _digest(token)) for role, token in tokens.items()]

    def open_to(self, digests: Iterable[tuple[Role, bytes]]) -> bool:
        """Let these tokens in, by role and SHA-256, and no others; say if that is a change."""
        before, self._digests = self._digests, list(digests)
        return set(before) != set(self._digests)

    def admit(self, header: str | None, allowed: frozenset[Role]) -> Role:
        """Return the caller's role, if ``allowed`` has it.

        ``header`` is the value of ``Authorization``. Raises `Unauthorized` without a
        token that we know, `Forbidden` for one of another role.
        """
        role = self._role_of(header)
        if role is None:
            detail = "Send a valid token as `Authorization: Bearer …`; see the file admin.token."
            raise Unauthorized(detail)
        if role not in allowed:
            raise Forbidden("This token is not for this route; it needs the admin token.")
        return role

    def _role_of(self, header: str | None) -> Role | None:
        scheme, _, token = (header or "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        digest, found = _digest(token.strip()), None
        for role, expected in self._digests:
            if compare_digest(digest, expected):
                found = role
        return found


def _digest(token: str) -> bytes:
    return sha256(token.encode("utf-8", "surrogatepass")).digest()
