"""The loads of ``make bench``: where each goes, what it asks, what it must be answered.

The catalogue is a large one, filled in bulk before its shop opens: a thousand topics, of
which one has a tenth of the books. Books are looked at all over it.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from benchmarks.filling import POPULAR_TOPIC, fill_catalog, made_up_books, topic_name
from benchmarks.load import Request
from benchmarks.servers import STOCK, open_ordinary_shop, open_shop, open_yardstick
from servers.web.codec import make_cursor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from benchmarks.servers import OrdinaryShop, Processes, Shop

CLIENTS = 64
SPREAD_BOOKS = 1000
_TOPICS = 1000
_SAMPLE = 5000
_PAGE = 20


@dataclass(frozen=True)
class Load:
    """One load: where it goes, what it asks, how many clients ask, and what they must get.

    ``refused`` says whether every answer must be a refusal, or none; None: either. ``own``
    asks for the generator that is written here even where there is another. ``beside`` is
    another load that runs meanwhile and is not measured.
    """

    name: str
    processes: Processes
    requests: Sequence[Request]
    clients: int = CLIENTS
    refused: bool | None = False
    own: bool = False
    beside: Load | None = None


def few(bare: Processes, shop: Shop, books: int) -> list[Load]:
    """Return the loads that the first ratios need; the shop has so many books already."""
    hot = Request("POST", f"/purchase/{shop.add_book('The hot book')}")
    spread = [shop.add_book(f"Book {number}") for number in range(SPREAD_BOOKS)]
    looks = random.Random(2).choices(range(1, books + 1), k=_SAMPLE)
    chosen = random.Random(1).choices(spread, k=_SAMPLE)
    return [
        Load("bare", bare, [Request("GET", "/")]),
        Load("info", shop, [Request("GET", f"/info/{book}") for book in looks]),
        Load("hot", shop, [hot]),
        Load("spread", shop, [Request("POST", f"/purchase/{book}") for book in chosen]),
    ]


def more(
    stack: contextlib.ExitStack, bare: Processes, shop: Shop, books: int, first: Sequence[Load]
) -> tuple[list[Load], Shop, Callable[[int], str]]:
    """Return all other loads, the shop without logs, and what tells how much was oversold."""
    _, info, hot, _ = first
    options = {"BOOKSTORE_ACCESS_LOG": "false", "BOOKSTORE_METRICS": "false"}
    quiet = stack.enter_context(filled_shop(0, **options))
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
        *_searches(shop, books),
        Load("hot, with keys", shop, [each._replace(keyed=True) for each in hot.requests]),
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


def _searches(shop: Shop, books: int) -> list[Load]:
    chance = random.Random(3)
    topics = [_page(topic_name(chance.randrange(1, _TOPICS))) for _ in range(_SAMPLE)]
    deep = [
        _page(POPULAR_TOPIC, after_id=chance.randrange(books // 2, books)) for _ in range(_SAMPLE)
    ]
    drafts = list(made_up_books(_SAMPLE, _TOPICS, 0))
    words = [chance.choice(draft.title.split()[2:]).lower() for draft in drafts]
    by_words = [Request("GET", f"/books?q={word}&limit={_PAGE}") for word in words]
    health = [Request("GET", "/livez")]  # It waits for nothing but the catalog's event loop.
    return [
        Load("search", shop, topics),
        Load("search, first page", shop, [_page(POPULAR_TOPIC)]),
        Load("search, deep page", shop, deep),
        Load("text search, 1 client", shop, by_words, clients=1),
        Load("livez", shop.inner, health, clients=1),
        Load(
            "livez beside text searches",
            shop.inner,
            health,
            clients=1,
            beside=Load("text searches", shop, by_words, clients=4),
        ),
    ]


def _page(topic: str, after_id: int | None = None) -> Request:
    cursor = "" if after_id is None else f"&cursor={make_cursor(f'search {topic}', after_id)}"
    return Request("GET", f"/search/{quote(topic)}?limit={_PAGE}{cursor}")


@contextlib.contextmanager
def filled_shop(books: int, **environment: str) -> Iterator[Shop]:
    """Run a shop with so many books while the block does; 0: with the sample catalogue."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if books:
            asyncio.run(fill_catalog(folder, made_up_books(books, _TOPICS, books // 10)))
        with open_shop(folder, **environment) as shop:
            yield shop


def _oversold(naive: OrdinaryShop, book_id: int, sold: int) -> str:
    taken = STOCK - naive.stock(book_id)
    return f"naive: {sold} copies sold, {taken} taken from its stock: {sold - taken} oversold"
