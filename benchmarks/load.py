"""A load generator: keep-alive clients that each send their next request on an answer.

It does as little as it can, so that it is not what is measured: requests are bytes made
beforehand, an answer is read just far enough to know its status and its end.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_LENGTH = b"\r\ncontent-length: "


@dataclass
class Result:
    """What one load brought: how long it took, every latency, answers by status."""

    seconds: float = 0.0
    latencies_s: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)

    @property
    def rate(self) -> float:
        """Answers per second."""
        return len(self.latencies_s) / self.seconds

    def quantile_ms(self, q: float) -> float:
        """Return a quantile of the latencies in milliseconds."""
        ordered = sorted(self.latencies_s)
        return ordered[min(int(q * len(ordered)), len(ordered) - 1)] * 1000


class _Client(asyncio.Protocol):
    """One connection that asks again and again until the time is over."""

    def __init__(self, requests: Iterator[bytes], end_s: float, result: Result) -> None:
        self._requests = requests
        self._end_s = end_s
        self._result = result
        self._loop = asyncio.get_running_loop()
        self._buffer = b""
        self._sent_s = 0.0
        self.done: asyncio.Future[None] = self._loop.create_future()

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
        self._result.latencies_s.append(now_s - self._sent_s)
        self._result.statuses[int(head[9:12])] += 1
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


async def run_load(port: int, requests: Sequence[bytes], *, clients: int, seconds: float) -> Result:
    """Send the requests in turn from so many clients for so long; return what came of it."""
    loop = asyncio.get_running_loop()
    result = Result()
    started_s = perf_counter()
    end_s = started_s + seconds
    turn = itertools.cycle(requests)
    protocols = []
    for _ in range(clients):
        _, protocol = await loop.create_connection(
            lambda: _Client(turn, end_s, result), "127.0.0.1", port
        )
        protocols.append(protocol)
    await asyncio.wait([protocol.done for protocol in protocols], timeout=seconds + 15)
    result.seconds = perf_counter() - started_s
    return result


def get(path: str) -> bytes:
    """Return a GET request."""
    return f"GET {path} HTTP/1.1\r\nHost: shop\r\n\r\n".encode()


def post(path: str) -> bytes:
    """Return a POST request without a body."""
    return f"POST {path} HTTP/1.1\r\nHost: shop\r\nContent-Length: 0\r\n\r\n".encode()
