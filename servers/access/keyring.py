"""Following the token files while a server runs, so that rotating a token needs no restart.

Lives here: when to look, and who is told. Which tokens are valid is known to
``servers.access.tokens``.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from servers.access import token_list, tokens
from servers.web.auth import Role

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from servers.access.tokens import Tokens
    from servers.settings import Settings
    from servers.web.auth import Doors
    from servers.web.hop import Hop

LOOK_S: Final = 0.5
"""How often the files are looked at: a look costs three calls of the system."""

SEND_AFTER_LOOKS: Final = 3
"""After so many looks a new service token is sent: by then the other servers know it too."""

_log = logging.getLogger(__name__)


class Keyring:
    """Tells the doors and the hops of one server which tokens are valid."""

    def __init__(
        self, settings: Settings, present: Tokens, doors: Doors, hops: Iterable[Hop]
    ) -> None:
        self._settings = settings
        self._doors = doors
        self._hops = tuple(hops)
        self._sent = present.service
        self._next = present.service
        self._looks_left = 0
        self._seen: object = None
        self._wrong = ""

    def look(self) -> None:
        """Look at the files once; doors and hops are changed if they have changed."""
        # Taken before reading: what changes meanwhile is seen at the next look.
        seen = [_state_of(path) for path in self._paths()]
        if seen != self._seen:
            self._seen = seen
            self._read()
        if self._next != self._sent:
            self._looks_left -= 1
            if self._looks_left < 0:
                self._send(self._next)

    async def watch(self) -> None:
        """Keep looking, for ever."""
        while True:
            self.look()
            await asyncio.sleep(LOOK_S)

    def _read(self) -> None:
        try:
            now = tokens.load_again(self._settings, self._sent)
        except (tokens.TokenError, OSError) as error:
            # A running shop goes on with what it knows rather than lock out everybody, and
            # looks again: what is wrong may pass without a change of the files.
            self._seen = None
            if str(error) != self._wrong:
                self._wrong = str(error)
                _log.warning("the tokens stay as they were: %s", error)
            return
        self._wrong = ""
        valid = [(Role[role.upper()], digest) for role, digest in now.valid()]
        if self._doors.open_to(valid):
            names = [f"{role} {digest.hex()[:8]}" for role, digest in now.valid()]
            _log.info("the valid tokens are now: %s", ", ".join(names))
        if now.service != self._next:
            self._next, self._looks_left = now.service, SEND_AFTER_LOOKS

    def _send(self, secret: str) -> None:
        self._sent = secret
        for hop in self._hops:
            hop.use_token(secret)

    def _paths(self) -> tuple[Path, ...]:
        given = self._settings
        listed = given.data / token_list.LIST_FILE
        return (listed, given.admin_token_file, given.service_token_file)


def _state_of(path: Path) -> tuple[int, ...] | None:
    """Return what changes with a file; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
