"""What happened in a simulation, line by line, and the hash by which two runs are compared."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.loop import SimulatedLoop


class Trace:
    """Takes notes with the virtual time; ``show`` is told each line as it is made."""

    def __init__(self, loop: SimulatedLoop, show: Callable[[str], None] | None = None) -> None:
        self.lines = 0
        self._loop = loop
        self._show = show
        self._hash = hashlib.sha256()

    def note(self, who: str, what: str) -> None:
        """Write one line down."""
        line = f"{self._loop.time():11.6f}  {who:<24} {what}"
        self.lines += 1
        self._hash.update(line.encode())
        if self._show is not None:
            self._show(line)

    def digest(self) -> str:
        """Return the hash of all lines so far, as hex digits."""
        return self._hash.hexdigest()[:32]
