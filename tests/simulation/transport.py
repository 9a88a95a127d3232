"""Connections in memory: two ends, as asyncio's transports. What is between is the network's."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from contextvars import Context

    from tests.simulation.network import Network
    from tests.simulation.process import Process


class End(asyncio.Transport):
    """One end of a connection; ``stuck`` once something that it sent was lost for ever.

    A stream has an order: what comes after a lost piece cannot arrive either.
    """

    def __init__(self, network: Network, number: int, host: str) -> None:
        super().__init__()
        self.number = number
        self.host = host
        self.peer: End
        self.process: Process | None = None
        self.protocol: Any = None
        self.context: Context | None = None
        self.stuck = False
        self.closed = False
        self.vanished = False
        self.last_due_s = 0.0
        self.asked_s: float | None = None
        self.allowed_s = 0.0
        self._network = network
        self._paused = False
        self._inbox: list[tuple[str, bytes]] = []

    def attach(self, protocol: Any, process: Process | None, context: Context) -> None:
        """Give this end to who uses it, and what has come in already."""
        self.protocol, self.process, self.context = protocol, process, context
        protocol.connection_made(self)
        self._drain()

    def arrived(self, kind: str, data: bytes) -> None:
        """Take what the network brings: ``data``, ``fin`` or ``rst``."""
        if kind == "rst":
            self.lose(ConnectionResetError("reset by the other side"))
        elif self.protocol is None or self._paused or self._inbox:
            self._inbox.append((kind, data))
        else:
            self._take(kind, data)

    def lose(self, error: Exception | None) -> None:
        """Tell the protocol that the connection is over, once."""
        if self.closed:
            return
        self.closed = True
        self._network.forget(self)
        if self.protocol is not None:
            self.protocol.connection_lost(error)

    def _take(self, kind: str, data: bytes) -> None:
        if self.closed:
            return
        if kind == "data":
            self._network.note_request(self, data)
            self.protocol.data_received(data)
        else:
            self.protocol.eof_received()
            self.close()

    def _drain(self) -> None:
        """Take one thing that waits, as an event loop reads once from a socket in each turn."""
        if self._inbox and not self._paused:
            self._take(*self._inbox.pop(0))
            self._network.loop.call_soon(self._drain, context=self.context)

    @property
    def _cut_off(self) -> bool:
        return self.closed or (self.process is not None and not self.process.alive)

    # What protocols call

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send."""
        if not self._cut_off and data:
            self._network.send(self, "data", bytes(data))

    def close(self) -> None:
        """Send what there is, then say that no more will come."""
        self._hang_up("fin")

    def abort(self) -> None:
        """Break the connection."""
        self._hang_up("rst")

    def _hang_up(self, kind: str) -> None:
        if self._cut_off:
            return
        self._network.send(self, kind, b"")
        self.closed = True
        self._network.forget(self)
        self._network.loop.call_soon(self.protocol.connection_lost, None, context=self.context)

    def can_write_eof(self) -> bool:
        """Whether one side can end alone: it cannot, as over TLS."""
        return False

    def is_closing(self) -> bool:
        """Whether it is over."""
        return self.closed

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return who is at the other end; there is no socket."""
        return (self.peer.host, self.number) if name == "peername" else default

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Change who uses it."""
        self.protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Return who uses it."""
        protocol: asyncio.BaseProtocol = self.protocol
        return protocol

    def is_reading(self) -> bool:
        """Whether data are taken as they come."""
        return not self._paused

    def pause_reading(self) -> None:
        """Keep what comes for later."""
        self._paused = True

    def resume_reading(self) -> None:
        """Take what was kept."""
        if self._paused:
            self._paused = False
            self._network.loop.call_soon(self._drain, context=self.context)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Do nothing: the wire takes everything."""

    def get_write_buffer_size(self) -> int:
        """Return what waits to be sent: nothing."""
        return 0


class Sink(asyncio.Protocol):
    """Whoever sends an old copy of a request, and does not care for its answer."""
