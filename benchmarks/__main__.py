"""``make bench``: the shop against a bare handler, interleaved in one run.

Every side is measured in every round, in turn, so that a machine which is faster or slower
for a while is so for all of them. Ratios are taken round by round; what is printed is
their median with minimum and maximum. At the end the shop is audited.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.load import Result, get, post, run_load
from benchmarks.servers import Processes, open_bare, open_shop

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

CLIENTS = 64
SPREAD_BOOKS = 1000


@dataclass(frozen=True)
class Side:
    """One load: its name, where it goes, what it sends, and what every answer must be."""

    name: str
    processes: Processes
    port: int
    requests: Sequence[bytes]
    status: int


@dataclass(frozen=True)
class Measured:
    """One side in one round."""

    rate: float
    cpu_s_per_1000: float
    p50_ms: float
    p99_ms: float


def main() -> int:
    """Measure and print; return 0 if every answer was as it should be and the audit is ok."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each load in each round")
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        bare = stack.enter_context(open_bare())
        shop = stack.enter_context(open_shop(folder))
        hot = shop.add_book("The hot book")
        spread = [shop.add_book(f"Book {number}") for number in range(SPREAD_BOOKS)]
        chosen = random.Random(1).choices(spread, k=5000)
        sides = [
            Side("bare", bare, bare.port, [get("/")], 200),
            Side("info", shop, shop.port, [get(f"/info/{book}") for book in chosen], 200),
            Side("hot", shop, shop.port, [post(f"/purchase/{hot}")], 201),
            Side("spread", shop, shop.port, [post(f"/purchase/{book}") for book in chosen], 201),
        ]
        rounds = [
            {side.name: _measure(side, options.seconds) for side in sides}
            for _ in range(options.rounds)
        ]
        _print(rounds)
        print(shop.audit())
    return 0


def _measure(side: Side, seconds: float) -> Measured:
    before_s = side.processes.cpu_s()
    result = _run(side, seconds)
    cpu_s = side.processes.cpu_s() - before_s
    wrong = {status: n for status, n in result.statuses.items() if status != side.status}
    if wrong:
        sys.exit(f"{side.name}: expected only {side.status}, got also {wrong}")
    answers = len(result.latencies_s)
    return Measured(
        result.rate, cpu_s / answers * 1000, result.quantile_ms(0.5), result.quantile_ms(0.99)
    )


def _run(side: Side, seconds: float) -> Result:
    factory = None
    try:
        import uvloop

        factory = uvloop.new_event_loop
    except ImportError:
        pass
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(run_load(side.port, side.requests, clients=CLIENTS, seconds=seconds))


def _print(rounds: list[dict[str, Measured]]) -> None:
    print(f"{CLIENTS} keep-alive clients, {len(rounds)} rounds, median [min … max]")
    print(f"{'':22} {'answers/s':>10} {'CPU s/1000':>11} {'p50 ms':>8} {'p99 ms':>8}")
    for name in rounds[0]:
        column = [each[name] for each in rounds]
        print(
            f"{name:22} {_middle(m.rate for m in column):10.0f} "
            f"{_middle(m.cpu_s_per_1000 for m in column):11.3f} "
            f"{_middle(m.p50_ms for m in column):8.1f} {_middle(m.p99_ms for m in column):8.1f}"
        )
    for label, over, under in (
        ("info / bare", "info", "bare"),
        ("hot purchase / bare", "hot", "bare"),
        ("hot / spread", "hot", "spread"),
    ):
        ratios = [each[over].rate / each[under].rate for each in rounds]
        print(f"{label:22} {_middle(ratios):10.2f} [{min(ratios):.2f} … {max(ratios):.2f}]")


def _middle(values: Iterable[float]) -> float:
    return statistics.median(values)


if __name__ == "__main__":
    sys.exit(main())
