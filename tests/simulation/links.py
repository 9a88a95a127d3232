"""The parts of the simulated network: its links, its ports, and how messages are told."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from zlib import crc32

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.process import Process
    from tests.simulation.transport import End


@dataclass
class Link:
    """One direction between two hosts, and its troubles; chances are from 0 to 1."""

    cut: bool = False
    slow_s: float = 0.0
    lost: float = 0.0
    late: float = 0.0
    copied: float = 0.0
    reset: float = 0.0
    held: list[tuple[End, str, bytes]] = field(default_factory=list)
    healed: asyncio.Event = field(default_factory=asyncio.Event)

    def hold(self, end: End, kind: str, data: bytes, *, dropped: bool) -> None:
        """Keep something back until the link is whole.

        ``dropped``: a system that resets a connection sends nothing any more that it had not
        got through before.
        """
        if kind == "rst" and dropped:
            self.held = [each for each in self.held if each[0] is not end]
        self.held.append((end, kind, data))

    @property
    def troubled(self) -> bool:
        """Whether anything may happen here."""
        return self.cut or self.slow_s + self.lost + self.late + self.copied + self.reset > 0


@dataclass
class Port:
    """Where a host listens; ``kept``: somebody holds its socket while its server is away."""

    kept: bool
    process: Process | None = None
    factory: Callable[[], Any] | None = None
    backlog: list[End] = field(default_factory=list)
    dark: bool = False


class Listening:
    """What ``create_server`` returns."""

    def __init__(self, port: Port) -> None:
        self._port = port
        self._process = port.process
        self.sockets = ()

    def close(self) -> None:
        """Take no new connections; they wait where the socket is kept."""
        if self._port.process is self._process:
            self._port.process = None

    async def wait_closed(self) -> None:
        """Return at once."""


def told(end: End, kind: str, data: bytes) -> str:
    """Return a message for people to read, and for a hash to tell it from others."""
    if kind != "data":
        return f"#{end.number} {kind}"
    first = data[: data.find(b"\r\n")].decode("latin-1").replace(" HTTP/1.1", "")
    return f"#{end.number} {first} ({len(data)} bytes, {crc32(data):08x})"


def allowed_s(data: bytes) -> float:
    """Return how long a request's answer may take: what it asks for, within the limit."""
    place = data.find(b"X-Deadline-Ms: ")
    asked_ms = int(data[place + 15 : data.find(b"\r\n", place)]) if place >= 0 else 8000
    return min(asked_ms / 1000, 8.0)
