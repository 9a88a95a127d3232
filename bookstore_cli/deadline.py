"""The moment by which a command wants to be done, and reading from a socket until then."""

from __future__ import annotations

import io
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

SHORTEST_WAIT_S = 0.001


class Deadline:
    """The moment by which a command wants to be done."""

    def __init__(self, timeout_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.timeout_s = timeout_s
        self._clock = clock
        self._ends_at_s = clock() + timeout_s

    def restart(self) -> None:
        """Give the whole time again, as for the next page of a long list."""
        self._ends_at_s = self._clock() + self.timeout_s

    @property
    def remaining_s(self) -> float:
        """Seconds left; zero or less once the time is over."""
        return self._ends_at_s - self._clock()


class DeadlineFile(io.RawIOBase):
    """What a socket receives, all of it within one deadline.

    A socket's own time-out holds for each packet: a server that sends one byte now and
    then could hold a command for ever.
    """

    def __init__(self, sock: socket.socket, deadline: Deadline) -> None:
        self._sock = sock
        self._file = sock.makefile("rb", buffering=0)
        self._deadline = deadline

    def readable(self) -> bool:
        """Say that it is there to be read."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """Receive what has come, waiting for it as long as there is time."""
        self._sock.settimeout(max(self._deadline.remaining_s, SHORTEST_WAIT_S))
        return self._file.readinto(buffer)

    def close(self) -> None:
        """Let go of the socket."""
        self._file.close()
        super().close()
