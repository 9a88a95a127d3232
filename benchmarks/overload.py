"""``make bench-overload``: ten times the load that the shop can carry, and what becomes of it.

First the most purchases a second that the shop makes for clients who wait for their answers.
Then ten times as many are sent for some seconds, over a bounded number of connections, by
clients who wait for nothing and do not go away when they are told to. Meanwhile the health
routes are asked. At the end the shop has to sell as before, and is audited.

What is counted is what came back: a purchase that was made is goodput, a 503 a refusal.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import random
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

from benchmarks.load import Request, run_load
from benchmarks.servers import open_shop
from servers.web.room import raise_file_limit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from benchmarks.load import Result

TIMES = 10
CONNECTIONS = 2304
"""Fewer than a server takes, and 256 more than the requests it has under way.

Once the processors are busy these 256 are refused again and again, so that a refusal takes as
long as 256 of them: where all share two cores, more connections show no more than that.
"""

SPREAD_BOOKS = 500
PEAK_CLIENTS = (64, 256, 1024)
WINDOW_S = 1.0
BACK_TO_NORMAL = 0.8
"""What part of the rate before counts as normal again, in one short window."""

_SOLD, _PENDING, _REFUSED = 201, 202, 503
_PATIENCE_S = 15.0
_TICK_S = 0.002
_CONNECT_AT_ONCE = 256
_ASK_HEALTH_S = 0.05
_MIB = 1024 * 1024


@dataclass
class Flood:
    """What came of an open load: answers by status, their latencies, what could not be sent.

    ``late_s`` is by how much each turn of the generator itself came too late. On a machine
    that has no core left for it, that is a part of every latency.
    """

    seconds: float = 0.0
    sent: int = 0
    held_back: int = 0
    lost: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    refused_s: list[float] = field(default_factory=list)
    sold_s: list[float] = field(default_factory=list)
    late_s: list[float] = field(default_factory=list)


class _Stream(asyncio.Protocol):
    """One connection, which says when it is free for the next request."""

    def __init__(self, flood: Flood, free: list[_Stream]) -> None:
        self._flood = flood
        self._free = free
        self._buffer = b""
        self._sent_s = 0.0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by type
        self._free.append(self)

    def send(self, request: bytes) -> None:
        """Send one request, if the connection is still there."""
        if self._transport is None:
            self._flood.lost += 1
            return
        self._sent_s = perf_counter()
        self._flood.sent += 1
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        # All answers here are JSON objects, and no more than one is awaited.
        if not self._buffer.endswith(b"}"):
            return
        status, self._buffer = int(self._buffer[9:12]), b""
        spent_s = perf_counter() - self._sent_s
        self._flood.statuses[status] += 1
        if status == _REFUSED:
            self._flood.refused_s.append(spent_s)
        elif status == _SOLD:
            self._flood.sold_s.append(spent_s)
        self._free.append(self)

    def connection_lost(self, _exc: Exception | None) -> None:
        self._transport = None

    def close(self) -> None:
        """Close the connection."""
        if self._transport is not None:
            self._transport.close()


async def _open_streams(port: int, flood: Flood) -> tuple[list[_Stream], list[_Stream]]:
    """Return the connections, and those of them that are free.

    In groups, each of which the server has taken before the next begins: else the system's
    queue of new connections runs over, and what waits there for seconds would be measured.
    """
    loop = asyncio.get_running_loop()
    streams, free = list[_Stream](), list[_Stream]()
    for number in range(CONNECTIONS):
        if number % _CONNECT_AT_ONCE == 0:
            await _ask_health(port)
        _, stream = await loop.create_connection(lambda: _Stream(flood, free), "127.0.0.1", port)
        streams.append(stream)
    return streams, free


async def run_flood(
    target: Target, requests: Iterator[bytes], *, rate: float, seconds: float
) -> tuple[Flood, Health]:
    """Send so many requests a second, whatever comes back; wait for the last answers."""
    flood, health = Flood(), Health()
    streams, free = await _open_streams(target.port, flood)
    asking = asyncio.get_running_loop().create_task(health.ask_all(target.ports))
    started_s = perf_counter()
    wanted = 0
    while (passed_s := perf_counter() - started_s) < seconds:
        due = int(rate * passed_s)
        possible = min(due - wanted, len(free))
        for _ in range(possible):
            free.pop().send(next(requests))
        flood.held_back += due - wanted - possible
        wanted = due
        slept_s = perf_counter()
        await asyncio.sleep(_TICK_S)
        flood.late_s.append(max(perf_counter() - slept_s - _TICK_S, 0.0))
    flood.seconds = perf_counter() - started_s
    asking.cancel()
    await _until(lambda: len(free) + flood.lost >= len(streams), 10.0)
    for stream in streams:
        stream.close()
    return flood, health


async def _until(holds: Callable[[], bool], within_s: float) -> None:
    end_s = perf_counter() + within_s
    while perf_counter() < end_s and not holds():  # noqa: ASYNC110  # a count has no event
        await asyncio.sleep(0.01)


async def _ask_health(port: int) -> bool:
    """Ask a server on a new connection whether it is alive, and return whether it said so."""
    try:
        async with asyncio.timeout(_PATIENCE_S):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(Request("GET", "/livez").wire())
            answered = (await reader.readline()).startswith(b"HTTP/1.1 200 ")
            writer.close()
    except OSError:
        return False
    return answered


@dataclass
class Health:
    """How the health routes of the servers answered."""

    spent_s: list[float] = field(default_factory=list)
    unanswered: int = 0

    async def ask_all(self, ports: Mapping[str, int]) -> None:
        """Ask each server again and again, on new connections, until cancelled."""
        for port in itertools.cycle(ports.values()):
            started_s = perf_counter()
            self.unanswered += not await _ask_health(port)
            self.spent_s.append(perf_counter() - started_s)
            await asyncio.sleep(_ASK_HEALTH_S)


@dataclass(frozen=True)
class Outcome:
    """All that was measured."""

    peak: float
    flood: Flood
    health: Health
    normal_after_s: float | None
    memory_bytes: Sequence[Mapping[str, int]]


@dataclass(frozen=True)
class Target:
    """What is flooded: the ports and the processes of the servers, by name."""

    ports: Mapping[str, int]
    pids: Mapping[str, int]

    @property
    def port(self) -> int:
        """Where customers go."""
        return self.ports["frontend"]

    def memory_bytes(self) -> dict[str, int]:
        """Return what each server has in memory; 0 where the system does not tell."""
        return {name: _memory_bytes(pid) for name, pid in self.pids.items()}


def target_in(folder: Path) -> Target:
    """Return the shop that is open in a folder."""
    note = json.loads((folder / "shop.json").read_text())
    servers = ("frontend", "order", "catalog")
    return Target(
        {name: urlsplit(note[name]["url"]).port or 0 for name in servers},
        {name: int(note[name]["pid"]) for name in servers},
    )


def measure(target: Target, requests: Sequence[Request], *, seconds: float) -> Outcome:
    """Find the peak, flood the shop, and wait until it sells as before."""
    before = target.memory_bytes()
    rates = [
        _goodput(run_load(target.port, requests, clients=clients, seconds=seconds))
        for clients in PEAK_CLIENTS
    ]
    # What is normal is measured last: a shop that has sold more has more to look through.
    normal = _normal_rate(target, requests, seconds=seconds)
    turn = itertools.cycle([request.wire() for request in requests])
    flooding = run_flood(target, turn, rate=max(rates) * TIMES, seconds=seconds)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        flood, health = runner.run(flooding)
    during = target.memory_bytes()
    normal_after_s = _back_to_normal(target, requests, normal)
    memory_bytes = (before, during, target.memory_bytes())
    return Outcome(max(rates), flood, health, normal_after_s, memory_bytes)


def _memory_bytes(pid: int) -> int:
    statm = Path(f"/proc/{pid}/statm")
    if not statm.exists():
        return 0
    return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _goodput(result: Result) -> float:
    return (result.answers - result.refused) / result.seconds


def _normal_rate(target: Target, requests: Sequence[Request], *, seconds: float) -> float:
    """Return the purchases a second of the fewest clients."""
    return _goodput(run_load(target.port, requests, clients=PEAK_CLIENTS[0], seconds=seconds))


def _back_to_normal(target: Target, requests: Sequence[Request], rate: float) -> float | None:
    """Return after how many seconds the fewest clients are served as before, None if never."""
    started_s = perf_counter()
    while (began_s := perf_counter() - started_s) < _PATIENCE_S:
        result = run_load(target.port, requests, clients=PEAK_CLIENTS[0], seconds=WINDOW_S)
        if _goodput(result) >= BACK_TO_NORMAL * rate and not result.refused:
            return began_s
    return None


def main() -> int:
    """Measure and print; return 0 if each answer was one that may be, and the audit is ok."""
    parser = argparse.ArgumentParser(prog="benchmarks.overload", description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each load")
    options = parser.parse_args()
    raise_file_limit()
    with tempfile.TemporaryDirectory() as folder, open_shop(Path(folder)) as shop:
        books = [shop.add_book(f"Book {number}") for number in range(SPREAD_BOOKS)]
        chosen = random.Random(1).choices(books, k=5000)
        requests = [Request("POST", f"/purchase/{book}") for book in chosen]
        outcome = measure(target_in(Path(folder)), requests, seconds=options.seconds)
        show(outcome)
        print(shop.audit())
    wrong = set(outcome.flood.statuses) - {_SOLD, _PENDING, _REFUSED}
    if wrong:
        print(f"answers that should not be: {sorted(wrong)}")
    return 1 if wrong else 0


def show(outcome: Outcome) -> None:
    """Print what was measured, beside what is promised."""
    flood, health = outcome.flood, outcome.health
    goodput = flood.statuses[_SOLD] / flood.seconds
    print(f"peak              {outcome.peak:8.0f} purchases/s")
    print(
        f"offered           {(flood.sent + flood.held_back) / flood.seconds:8.0f} a second, of"
        f" which {flood.sent / flood.seconds:.0f} sent over {CONNECTIONS} connections"
    )
    print(f"answers           {dict(sorted(flood.statuses.items()))}, lost {flood.lost}")
    print(f"goodput / peak    {goodput / outcome.peak:8.2f}  (promised: 0.70)")
    for name, spent_s, more in (
        ("refused", flood.refused_s, "  (promised: p99 50)"),
        ("sold", flood.sold_s, ""),
        ("health", health.spent_s, f"; {health.unanswered} of {len(health.spent_s)} unanswered"),
        ("generator late", flood.late_s, "  (is in each of these)"),
    ):
        print(f"{name:17} p50 {_ms(spent_s, 0.5):7.1f} ms, p99 {_ms(spent_s, 0.99):7.1f} ms{more}")
    for name in outcome.memory_bytes[0]:
        sizes = [f"{each[name] / _MIB:.0f}" for each in outcome.memory_bytes]
        print(
            f"memory {name:10} {' -> '.join(sizes):>8} MiB  (before, after the flood, at the end)"
        )
    after_s = outcome.normal_after_s
    after = "never" if after_s is None else f"after {after_s:.1f} s"
    print(f"normal again      {after}  (promised: 5 s)")


def _ms(seconds: Sequence[float], q: float) -> float:
    """Return a quantile in milliseconds; 0 where there is nothing."""
    ordered = sorted(seconds) or [0.0]
    return ordered[int(q * (len(ordered) - 1))] * 1000


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


if __name__ == "__main__":
    sys.exit(main())
