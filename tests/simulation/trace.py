"""What happened in a simulation, line by line, and the hash by which two runs are compared."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import msgspec

from tests.simulation.links import told

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.loop import SimulatedLoop
    from tests.simulation.transport import End


class Trace:
    """Takes notes with the virtual time; ``show`` is told each line as it is made.

    Most traces are read by nobody, so that a line is only made where ``show`` wants it; the
    hash is of what the lines are made from, and of all that the messages carry.
    """

    def __init__(self, loop: SimulatedLoop, show: Callable[[str], None] | None = None) -> None:
        self._loop = loop
        self._show = show
        self._noted: list[tuple[object, ...]] = []

    def note(self, who: str, what: object) -> None:
        """Write one line down: a text, or something that does not change any more."""
        self._noted.append((self._loop.now_s, who, what))
        if self._show is not None:
            self._show(f"{self._loop.now_s:11.6f}  {who:<24} {what}")

    def message(self, end: End, kind: str, data: bytes, fate: str) -> None:
        """Write down what one end of a connection sends, and what becomes of it."""
        source, target = end.host, end.peer.host
        self._noted.append((self._loop.now_s, end.number, source, target, kind, data, fate))
        if self._show is not None:
            line = f"{source} > {target}"
            self._show(f"{self._loop.now_s:11.6f}  {line:<24} {told(end, kind, data)}{fate}")

    def digest(self) -> str:
        """Return the hash of all that was written down so far, as hex digits."""
        return hashlib.sha256(msgspec.msgpack.encode(self._noted)).hexdigest()[:32]
