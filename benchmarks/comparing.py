"""Side by side: every load in every round, in turn, so that a slow minute is slow for all.

Lives here: which loads there are, and measuring one. What is printed of them is in
``benchmarks.report``; the targets are beside the ratios that they are about.
"""

from __future__ import annotations

import contextlib
import random
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import load as own
from benchmarks import wrk
from benchmarks.load import Request
from benchmarks.servers import (
    STOCK,
    OrdinaryShop,
    Shop,
    open_ordinary_shop,
    open_shop,
    open_yardstick,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from benchmarks.servers import Processes

CLIENTS = 64
SPREAD_BOOKS = 1000
_SETTLE_S = 0.05


@dataclass(frozen=True)
class Load:
    """One load: where it goes, what it asks, how many clients ask, and what they must get.

    ``refused`` says whether every answer must be a refusal, or none; None: either. ``own``
    asks for the generator that is written here even where there is another.
    """

    name: str
    processes: Processes
    requests: Sequence[Request]
    clients: int = CLIENTS
    refused: bool | None = False
    own: bool = False


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


def compare(*, rounds: int, seconds: float, quick: bool, say: Callable[[str], None]) -> Comparison:
    """Measure all loads, or where ``quick`` only those that the first ratios need."""
    found = Comparison()
    with contextlib.ExitStack() as stack:
        bare = stack.enter_context(open_yardstick("bare"))
        shop = stack.enter_context(_shop())
        loads, shops, check_naive = _first(bare, shop), {"bookstore": shop}, None
        if not quick:
            more, quiet, check_naive = _more(stack, bare, shop, loads)
            loads, shops = loads + more, {**shops, "bookstore without logs": quiet}
        say(f"load from {'wrk' if wrk.installed() else 'the generator of this benchmark'}")
        for number in range(1, rounds + 1):
            say(f"round {number} of {rounds}")
            found.rounds.append({load.name: _measure(load, seconds) for load in loads})
        if check_naive is not None:
            found.notes.append(check_naive(found.sold("naive")))
        found.notes += [f"{name}: {each.audit()}" for name, each in shops.items()]
        found.memory_mib = shop.memory_mib()
    return found


def _first(bare: Processes, shop: Shop) -> list[Load]:
    hot = Request("POST", f"/purchase/{shop.add_book('The hot book')}")
    spread = [shop.add_book(f"Book {number}") for number in range(SPREAD_BOOKS)]
    chosen = random.Random(1).choices(spread, k=5000)
    return [
        Load("bare", bare, [Request("GET", "/")]),
        Load("info", shop, [Request("GET", f"/info/{book}") for book in chosen]),
        Load("hot", shop, [hot]),
        Load("spread", shop, [Request("POST", f"/purchase/{book}") for book in chosen]),
    ]


def _more(
    stack: contextlib.ExitStack, bare: Processes, shop: Shop, first: Sequence[Load]
) -> tuple[list[Load], Shop, Callable[[int], str]]:
    _, info, hot, _ = first
    quiet = stack.enter_context(_shop(BOOKSTORE_ACCESS_LOG="false", BOOKSTORE_METRICS="false"))
    quiet_hot = Request("POST", f"/purchase/{quiet.add_book('The hot book')}")
    naive = stack.enter_context(open_ordinary_shop("naive"))
    naive_book = naive.add_book("The hot book")
    versioned = stack.enter_context(open_ordinary_shop("versioned"))
    versioned_hot = Request("POST", f"/purchase/{versioned.add_book('The hot book')}")
    sold_out = Request("POST", f"/purchase/{shop.add_book('Sold out', stock=0)}")
    raw = stack.enter_context(open_yardstick("raw"))
    nothing, look = [Request("GET", "/")], [Request("GET", "/info/4")]
    loads = [
        Load("sold out", shop, [sold_out], refused=True),
        Load("search", shop, [Request("GET", "/search/undergraduate%20school?limit=20")]),
        Load("hot, 256 clients", shop, hot.requests, clients=256),
        Load("hot, 1000 clients", shop, hot.requests, clients=1000),
        Load("bare, 1 client", bare, nothing, clients=1),
        Load("info, 1 client", shop, info.requests, clients=1),
        Load("hot, 1 client", shop, hot.requests, clients=1),
        Load("info of one book", shop, look),
        Load("info of one book, no logs", quiet, look),
        Load("hot, no logs", quiet, [quiet_hot]),
        Load("naive", naive, [Request("POST", f"/purchase/{naive_book}")], refused=None),
        Load("versioned one by one", versioned, [versioned_hot]),
        Load("own generator on bare", bare, nothing, own=True),
        Load("own generator on raw", raw, nothing, own=True),
    ]
    return loads, quiet, lambda sold: _oversold(naive, naive_book, sold)


@contextlib.contextmanager
def _shop(**environment: str) -> Iterator[Shop]:
    with (
        tempfile.TemporaryDirectory() as folder,
        open_shop(Path(folder), **environment) as shop,
    ):
        yield shop


def _oversold(naive: OrdinaryShop, book_id: int, sold: int) -> str:
    taken = STOCK - naive.stock(book_id)
    return f"naive: {sold} copies sold, {taken} taken from its stock: {sold - taken} oversold"


def _measure(load: Load, seconds: float) -> Measured:
    run = wrk.run_load if wrk.installed() and not load.own else own.run_load
    shop = load.processes if isinstance(load.processes, Shop) else None
    before_s, before = load.processes.cpu_s(), shop.decisions() if shop is not None else 0
    result = run(load.processes.port, load.requests, clients=load.clients, seconds=seconds)
    cpu_s = load.processes.cpu_s() - before_s
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
