"""Big catalogues, made up: a catalog's database filled in bulk, as an import fills it.

    python -m benchmarks.filling FOLDER [--books 1000000] [--topics 1000] [--popular 100000]

The same books every time. Each has one topic or two; the first topic has so many books as
``--popular`` says, the others share the rest. One word stands in every title, so that the
worst search can be measured too. Start the shop on the folder afterwards.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

from servers.catalog.filling import fill
from servers.domain.book import Draft
from servers.durable import ShopDatabase
from servers.storage.facts import keep_fact
from servers.storage.sqlite import SqliteDatabase, packaged_migrations, wall_clock_ms

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

COMMON_WORD = "book"
POPULAR_TOPIC = "popular topic"

CHUNK_BOOKS = 20_000
"""How many go into one transaction; nobody is served meanwhile."""

_SYLLABLES = ("ba", "ce", "di", "fo", "gu", "ha", "je", "ki", "lo", "mu", "na", "pe", "ri", "so")
_WORDS = 20_000
_AUTHORS = 50_000


def topic_name(number: int) -> str:
    """Return the name of a topic; number 0 is the popular one."""
    return f"topic {number}" if number else POPULAR_TOPIC


def made_up_books(books: int, topics: int, popular: int, seed: int = 1) -> Iterator[Draft]:
    """Yield books, the same for the same numbers; words are as unevenly common as in life."""
    chance = random.Random(seed)
    words = _vocabulary(chance)
    weights = list(accumulate(1 / (rank + 10) for rank in range(len(words))))
    popular_every = max(books // popular, 1) if popular else 0
    for number in range(books):
        picked = chance.choices(words, cum_weights=weights, k=4)
        title = f"{COMMON_WORD.title()} of {' '.join(picked).title()}"
        names = [topic_name(1 + number % (topics - 1))] if topics > 1 else []
        if popular_every and number % popular_every == 0:
            names.append(POPULAR_TOPIC)
        yield Draft(
            title=title,
            authors=(f"{picked[0].title()} {_name(number % _AUTHORS)}",),
            isbn=None,
            topics=tuple(names),
            price_minor=500 + chance.randrange(9500),
            stock=chance.randrange(1, 1000),
        )


def _vocabulary(chance: random.Random) -> Sequence[str]:
    words: dict[str, None] = {}
    while len(words) < _WORDS:
        words["".join(chance.choices(_SYLLABLES, k=chance.randint(2, 5)))] = None
    return list(words)


def _name(number: int) -> str:
    """Return a name of syllables that stands for a number."""
    name = ""
    while number:
        number, digit = divmod(number, len(_SYLLABLES))
        name += _SYLLABLES[digit]
    return name.title() or "Ny"


async def fill_catalog(folder: Path, books: Iterator[Draft], currency: str = "USD") -> int:
    """Fill the catalog of a shop that does not run, and return how many books were added."""

    def must_not_happen(error: BaseException) -> None:
        sys.exit(f"the disk failed: {error}")

    database = ShopDatabase(
        await SqliteDatabase.open(
            folder / "catalog.db",
            migrations=packaged_migrations("catalog"),
            on_commit_unknown=must_not_happen,
        )
    )
    try:
        await database.write(lambda tx: keep_fact(tx, "currency", currency))
        return await fill(database, books, wall_clock_ms(), CHUNK_BOOKS)
    finally:
        await database.close()


def main() -> int:
    """Fill a folder and say how long it took."""
    parser = argparse.ArgumentParser(prog="benchmarks.filling")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--books", type=int, default=1_000_000)
    parser.add_argument("--topics", type=int, default=1000)
    parser.add_argument("--popular", type=int, default=100_000)
    options = parser.parse_args()
    begun_s = time.perf_counter()
    books = made_up_books(options.books, options.topics, options.popular)
    added = asyncio.run(fill_catalog(options.folder, books))
    print(f"{added} books in {time.perf_counter() - begun_s:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
