"""A load generator: keep-alive clients that each send their next request on an answer.

It does as little as it can, so that it is not what is measured: requests are bytes made
beforehand, an answer is read just far enough to know its status and its end.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple, cast
from uuid import uuid4

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_LENGTH = b"\r\ncontent-length: "
_REFUSED = 400
_PATIENCE_S = 15


class Request(NamedTuple):
    """What to ask, without a body; with an idempotency key of its own each time if ``keyed``."""

    method: str
    path: str
    keyed: bool = False

    def wire(self, key: str = "") -> bytes:
        """Return it as it is sent."""
        length = "Content-Length: 0\r\n" if self.method == "POST" else ""
        if self.keyed:
            length += f"Idempotency-Key: {key}\r\n"
        return f"{self.method} {self.path} HTTP/1.1\r\nHost: shop\r\n{length}\r\n".encode()


@dataclass(frozen=True)
class Result:
    """What one load brought; ``refused`` of the ``answers`` had a status of 400 or more."""

    seconds: float
    answers: int
    refused: int
    p50_ms: float
    p99_ms: float

    @property
    def rate(self) -> float:
        """Answers per second."""
        return self.answers / self.seconds


def run_load(port: int, requests: Sequence[Request], *, clients: int, seconds: float) -> Result:
    """Send the requests in turn from so many clients for so long; return what came of it."""
    factory = None
    with contextlib.suppress(ImportError):
        import uvloop

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(_run(port, requests, clients, seconds))


class _Tally:
    """What the clients have seen so far."""

    def __init__(self) -> None:
        self.latencies_s: list[float] = []
        self.refused = 0

    def quantile_ms(self, q: float) -> float:
        """Return a quantile of the latencies in milliseconds."""
        ordered = sorted(self.latencies_s)
        return ordered[min(int(q * len(ordered)), len(ordered) - 1)] * 1000


class _Client(asyncio.Protocol):
    """One connection that asks again and again until the time is over."""

    def __init__(self, requests: Iterator[bytes], end_s: float, tally: _Tally) -> None:
        self._requests = requests
        self._end_s = end_s
        self._tally = tally
        self._buffer = b""
        self._sent_s = 0.0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by type
        self._send()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head_end = self._buffer.find(b"\r\n\r\n")
        if head_end < 0:
            return
        head = self._buffer[:head_end].lower()
        place = head.find(_LENGTH)
        length = 0
        if place >= 0:
            length = int(head[place + len(_LENGTH) :].split(b"\r\n", 1)[0])
        if len(self._buffer) < head_end + 4 + length:
            return
        self._buffer = b""
        now_s = perf_counter()
        self._tally.latencies_s.append(now_s - self._sent_s)
        self._tally.refused += int(head[9:12]) >= _REFUSED
        if now_s < self._end_s:
            self._send()
        else:
            self._transport.close()

    def connection_lost(self, _exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(None)

    def _send(self) -> None:
        self._sent_s = perf_counter()
        self._transport.write(next(self._requests))


def _in_turn(requests: Sequence[Request]) -> Iterator[bytes]:
    """Return the requests over and over, as they are sent."""
    if not any(request.keyed for request in requests):
        return itertools.cycle([request.wire() for request in requests])
    load = uuid4().hex
    numbered = enumerate(itertools.cycle(requests))
    return (request.wire(f"{load}-{number}") for number, request in numbered)


async def _run(port: int, requests: Sequence[Request], clients: int, seconds: float) -> Result:
    loop = asyncio.get_running_loop()
    tally = _Tally()
    started_s = perf_counter()
    end_s = started_s + seconds
    turn = _in_turn(requests)
    protocols = []
    for _ in range(clients):
        _, protocol = await loop.create_connection(
            lambda: _Client(turn, end_s, tally), "127.0.0.1", port
        )
        protocols.append(protocol)
    await asyncio.wait([protocol.done for protocol in protocols], timeout=seconds + _PATIENCE_S)
    return Result(
        perf_counter() - started_s,
        len(tally.latencies_s),
        tally.refused,
        tally.quantile_ms(0.5),
        tally.quantile_ms(0.99),
    )
