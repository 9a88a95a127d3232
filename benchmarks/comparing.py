"""Side by side: every load in every round, in turn, so that a slow minute is slow for all.

Lives here: measuring, and holding every answer against the ledger. Which loads there are is
in ``benchmarks.loads``, what is printed of them in ``benchmarks.report``.
"""

from __future__ import annotations

import contextlib
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from benchmarks import load as own
from benchmarks import loads, wrk
from benchmarks.servers import Shop, open_yardstick

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.loads import Load

_SETTLE_S = 0.05


@dataclass(frozen=True)
class Measured:
    """One load in one round."""

    rate: float
    cpu_s_per_1000: float
    p50_ms: float
    p99_ms: float
    answers: int
    refused: int


@dataclass
class Comparison:
    """What all rounds brought: a list of measurements for each load, and what is worth saying."""

    rounds: list[dict[str, Measured]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    memory_mib: dict[str, float] = field(default_factory=dict)

    def sold(self, name: str) -> int:
        """Return how many purchases of a load were confirmed, in all rounds."""
        return sum(each[name].answers - each[name].refused for each in self.rounds)


def compare(
    *, rounds: int, seconds: float, books: int, quick: bool, say: Callable[[str], None]
) -> Comparison:
    """Measure all loads, or where ``quick`` only those that the first ratios need."""
    found = Comparison()
    with contextlib.ExitStack() as stack:
        bare = stack.enter_context(open_yardstick("bare"))
        say(f"filling a catalogue with {books} books")
        shop = stack.enter_context(loads.filled_shop(books))
        measured, shops, check_naive = loads.few(bare, shop, books), {"bookstore": shop}, None
        if not quick:
            more, quiet, check_naive = loads.more(stack, bare, shop, books, measured)
            measured, shops = measured + more, {**shops, "bookstore without logs": quiet}
        say(f"load from {'wrk' if wrk.installed() else 'the generator of this benchmark'}")
        for number in range(1, rounds + 1):
            say(f"round {number} of {rounds}")
            found.rounds.append({load.name: _measure(load, seconds) for load in measured})
        if check_naive is not None:
            found.notes.append(check_naive(found.sold("naive")))
        say("audit")
        found.notes += [f"{name}: {each.audit()}" for name, each in shops.items()]
        found.memory_mib = shop.memory_mib()
    return found


def _measure(load: Load, seconds: float) -> Measured:
    run = wrk.run_load if wrk.installed() and not load.own else own.run_load
    shop = load.processes if isinstance(load.processes, Shop) else None
    before_s, before = load.processes.cpu_s(), shop.decisions() if shop is not None else 0
    with ThreadPoolExecutor(1) as meanwhile:
        if load.beside is not None:
            beside = load.beside
            meanwhile.submit(
                run, beside.processes.port, beside.requests, clients=beside.clients, seconds=seconds
            )
        result = run(load.processes.port, load.requests, clients=load.clients, seconds=seconds)
    cpu_s = load.processes.cpu_s() - before_s
    if not result.answers:
        sys.exit(f"{load.name}: no answer in {seconds} s")
    if load.refused is not None and result.refused != (result.answers if load.refused else 0):
        sys.exit(f"{load.name}: {result.refused} of {result.answers} answers were refusals")
    if shop is not None and load.requests[0].method == "POST":
        decided = _settled(shop, load.clients) - before
        # Of those that a client no longer waited for when the time was over nobody counted.
        if not result.answers <= decided <= result.answers + load.clients:
            sys.exit(f"{load.name}: {result.answers} answered, but {decided} decided")
    return Measured(
        result.rate,
        cpu_s / result.answers * 1000,
        result.p50_ms,
        result.p99_ms,
        result.answers,
        result.refused,
    )


def _settled(shop: Shop, clients: int) -> int:
    """Return how much is decided, once nothing that clients left behind is under way."""
    decided = -1
    for _ in range(clients):
        decided, before = shop.decisions(), decided
        if decided == before:
            break
        time.sleep(_SETTLE_S)
    return decided
