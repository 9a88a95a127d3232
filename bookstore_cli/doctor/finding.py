"""What a doctor finds: one line each, and what is known of the installation beforehand.

Lives here: the shape of a finding, and `Patient`, on whom the checks are made. The checks
live beside this file, one file for each kind.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from bookstore_cli.locks import is_closed

if TYPE_CHECKING:
    from pathlib import Path

    from bookstore_cli.trust import Trust
    from servers.settings import Settings

OK, WARN, FAIL = "ok", "warn", "fail"
SERVERS = ("frontend", "catalog", "order")


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: how it is, of what, what was found, what to do, and where a setting came from."""

    state: str
    check: str
    found: str
    advice: str = ""
    source: str = ""

    def row(self) -> dict[str, Any]:
        """Return the finding as a row of output."""
        return asdict(self)


@dataclass(frozen=True)
class Patient:
    """An installation: its settings, and its folder's note about servers that run.

    ``token`` is the admin token, None where there is none that can be used; ``timeout_s`` is
    how long one server may take to answer.
    """

    settings: Settings
    trust: Trust
    token: str | None
    timeout_s: float

    @property
    def folder(self) -> Path:
        """The shop's folder."""
        return self.settings.data

    @cached_property
    def note(self) -> dict[str, Any] | None:
        """What `shop.json` says; None where there is none, or something else."""
        from servers.shop_file import read_shop_file

        return read_shop_file(self.folder)

    @cached_property
    def closed(self) -> bool:
        """Whether nobody runs the shop, whoever has the process ids of the note by now."""
        return is_closed(self.folder, self.note or {})

    @cached_property
    def supervised(self) -> bool:
        """Whether the note's supervisor runs."""
        return self.alive("supervisor_pid")

    @cached_property
    def running(self) -> list[str]:
        """The servers whose processes run, as the note has them."""
        return [name for name in SERVERS if self.alive(name)]

    def alive(self, name: str) -> bool:
        """Tell whether the process that the note has for a server, or a pid, runs."""
        from servers.shop_file import is_alive

        found = (self.note or {}).get(name)
        pid = found.get("pid") if isinstance(found, dict) else found
        return isinstance(pid, int) and pid > 0 and is_alive(pid) and not self.closed

    def url_of(self, server: str) -> str | None:
        """Return a server's URL from the note."""
        found = (self.note or {}).get(server)
        url = found.get("url") if isinstance(found, dict) else None
        return url if isinstance(url, str) else None
