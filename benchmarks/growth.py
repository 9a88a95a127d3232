"""``make bench-growth``: what it costs that the catalogue or the ledger grows.

Shops of several sizes are filled first, then measured in turn in every round; what counts is
the rate beside that of the smallest one in the same round. Flat is a ratio near 1.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from benchmarks import load as own
from benchmarks import wrk
from benchmarks.filling import POPULAR_TOPIC, fill_catalog, made_up_books
from benchmarks.load import Request
from benchmarks.ordering import fill_orders
from benchmarks.servers import open_shop

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.servers import Shop

_BOOKS = (1_000, 10_000, 100_000, 1_000_000)
_ORDERS = (1_000, 10_000, 100_000, 1_000_000)
_SAMPLE = 5_000
_CLIENTS = 64
_PLENTY = 10**8
_AUDITED = 100_000
_BOOKS_WITH_ORDERS = 1_000


@dataclass(frozen=True)
class Sized:
    """A shop of one size, and what is asked of it."""

    size: int
    shop: Shop
    loads: Mapping[str, Sequence[Request]]


def main() -> int:
    """Fill, measure, print, audit."""
    parser = argparse.ArgumentParser(prog="benchmarks.growth", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--books", type=int, nargs="*", default=_BOOKS)
    parser.add_argument("--orders", type=int, nargs="*", default=_ORDERS)
    options = parser.parse_args()
    for what, sizes in (("books", options.books), ("orders", options.orders)):
        if sizes:
            with ExitStack() as stack:
                shops = [_filled(stack, what, size) for size in sizes]
                _measure(what, shops, options.rounds, options.seconds)
    return 0


def _filled(stack: ExitStack, what: str, size: int) -> Sized:
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    books = size if what == "books" else _BOOKS_WITH_ORDERS
    print(f"filling: {size} {what}", file=sys.stderr, flush=True)
    drafts = made_up_books(books, topics=max(books // 1000, 10), popular=books // 10)
    # Copies for every purchase that this measures, many times over.
    plenty = (replace(draft, stock=_PLENTY) for draft in drafts)
    asyncio.run(fill_catalog(folder, plenty))
    if what == "orders":
        asyncio.run(fill_orders(folder, size, books=books))
    shop = stack.enter_context(open_shop(folder))
    ids = random.Random(1).choices(range(1, books + 1), k=_SAMPLE)
    loads = {
        "info": [Request("GET", f"/info/{book}") for book in ids],
        "search": [Request("GET", f"/search/{quote(POPULAR_TOPIC)}?limit=20")],
        "purchase": [Request("POST", f"/purchase/{book}") for book in ids],
    }
    return Sized(size, shop, loads)


def _measure(what: str, shops: Sequence[Sized], rounds: int, seconds: float) -> None:
    run = wrk.run_load if wrk.installed() else own.run_load
    rates: dict[tuple[str, int], list[float]] = {}
    for _ in range(rounds):
        for name in shops[0].loads:
            for sized in shops:
                result = run(sized.shop.port, sized.loads[name], clients=_CLIENTS, seconds=seconds)
                if result.refused:
                    sys.exit(f"{name}: {result.refused} of {result.answers} were refused")
                rates.setdefault((name, sized.size), []).append(result.rate)
    print(f"answers/s beside those with {shops[0].size} {what}, median of {rounds} rounds")
    print(f"{what:12}" + "".join(f"{sized.size:>12}" for sized in shops))
    for name in shops[0].loads:
        smallest = rates[name, shops[0].size]
        ratios = [
            statistics.median(a / b for a, b in zip(rates[name, s.size], smallest, strict=True))
            for s in shops
        ]
        print(f"{name:12}" + "".join(f"{ratio:12.2f}" for ratio in ratios))
    memory = "".join(f"{sized.shop.memory_mib()['catalog']:12.0f}" for sized in shops)
    print(f"{'catalog, MiB':12}{memory}")
    for sized in shops:
        if sized.size <= _AUDITED:  # It reads every row.
            print(f"{sized.size} {what}: {sized.shop.audit()}")


if __name__ == "__main__":
    sys.exit(main())
