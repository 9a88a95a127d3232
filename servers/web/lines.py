"""A stream of bytes as lines, however it was cut on its way, none of them kept beyond a limit.

What stands in a line is not looked at, but whether anything does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_BLANKS = b" \t\r"


@dataclass(frozen=True, slots=True)
class Line:
    """A line that is not blank, with its number from 1 on; no ``data`` where it is too long."""

    number: int
    data: bytes | None


class LineSplitter:
    """Takes bytes as they come and gives back the lines that are whole.

    A line ends with LF, or CR and LF, and the last one with the stream. Blank lines are counted
    and left out. Of one longer than ``max_bytes`` no more is kept than tells that it is.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._begun = bytearray()
        self.number = 0
        """How many lines have ended."""

    def feed(self, data: bytes) -> Iterator[Line]:
        """Yield the lines that end in these bytes; the iterator has to be used up."""
        begin = 0
        while (end := data.find(b"\n", begin)) >= 0:
            yield from self._ended(data[begin:end])
            begin = end + 1
        self._keep(data[begin:])

    def end(self) -> Iterator[Line]:
        """Yield the line that the stream ended in, if it did."""
        if self._begun:
            yield from self._ended(b"")

    def _keep(self, part: bytes) -> None:
        # A CR may follow that belongs to the end of the line; any more is too much.
        room = self._max_bytes + 2 - len(self._begun)
        if part and room > 0:
            self._begun += part[:room]

    def _ended(self, last: bytes) -> Iterator[Line]:
        if self._begun:
            self._keep(last)
            last = bytes(self._begun)
            self._begun.clear()
        self.number += 1
        data = last.removesuffix(b"\r")
        if len(data) > self._max_bytes:
            yield Line(self.number, None)
        elif data.strip(_BLANKS):
            yield Line(self.number, data)
