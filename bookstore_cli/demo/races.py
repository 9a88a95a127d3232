"""The two races, each against the naive shop and against the bookstore.

Lives here: who buys and deletes when, and what came of it, counted from the answers. ::

    last copy      N buyers at once, one copy
    delete race    N buyers, one copy; one purchase is answered, then the book is deleted
                   while the others stand between "learned what there is" and "take it"

The delete race is forced by holding what takes the stock in a proxy on its way to the
catalog, in both shops alike.
"""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import aiohttp

from bookstore_cli.demo import naive
from bookstore_cli.demo.proxy import HoldingProxy

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from bookstore_cli.demo.shops import DemoShop

COPIES: Final = 1
SOLD: Final = "sold"

_PATIENCE_S: Final = 30.0
_PAUSE_S: Final = 0.02
_DONE: Final = frozenset({200, 201})
_UNDECIDED: Final = frozenset({202, 503, 504})
_PAGE: Final = 200


@dataclass(frozen=True)
class Result:
    """How a race ended: how many were sold a copy, and why the others were not."""

    sold: int
    after_delete: int
    refused: Mapping[str, int]

    @property
    def oversold(self) -> bool:
        """Whether more were sold than there were."""
        return self.sold > COPIES

    def is_right(self, reason: str, buyers: int) -> bool:
        """Tell whether every copy was sold once, and the others refused for this reason."""
        return self == Result(COPIES, 0, {reason: buyers - COPIES})

    def __str__(self) -> str:
        """Return the ending in a few words."""
        words = f"sold {self.sold} of {COPIES}"
        refused = sum(self.refused.values())
        if not self.oversold:
            return f"{words}, refused {refused}"
        details = [f"{self.after_delete} after the delete"] if self.after_delete else []
        details += [f"{refused} refused"] if refused else []
        return f"{words}: oversold" + (f" ({', '.join(details)})" if details else "")


async def naive_last_copy(buyers: int) -> Result:
    """Let everybody purchase the last copy of the naive shop at once."""
    async with naive.open_catalog(COPIES) as url, _customers() as session:
        return _result(await asyncio.gather(*[naive.purchase(session, url) for _ in range(buyers)]))


async def last_copy(shop: DemoShop, buyers: int) -> Result:
    """Let everybody purchase the last copy of the bookstore at once."""
    async with _customers() as session:
        book_id = await _add_book(session, shop, "The Last Copy")
        return _result(await asyncio.gather(*_purchases(session, shop, book_id, buyers)))


async def naive_delete_race(buyers: int) -> Result:
    """Delete the naive shop's book when one customer was answered and the others read it."""
    async with (
        naive.open_catalog(COPIES) as url,
        HoldingProxy(url) as proxy,
        _customers() as session,
        asyncio.TaskGroup() as group,
    ):
        proxy.hold(naive.STOCK)
        tasks = [group.create_task(naive.purchase(session, proxy.url)) for _ in range(buyers)]
        await proxy.held(buyers)
        proxy.release(COPIES)
        done, others = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        async with session.delete(url + naive.BOOK) as answer:
            answer.raise_for_status()
        proxy.release()
        return _result([task.result() for task in done], await asyncio.gather(*others))


async def delete_race(shop: DemoShop, proxy: HoldingProxy, buyers: int) -> Result:
    """Delete the bookstore's book when one customer was answered and the others ordered.

    ``proxy`` stands between the order server and the catalog.
    """
    async with _customers() as session, asyncio.TaskGroup() as group:
        book_id = await _add_book(session, shop, "The Deleted Book")
        first = await asyncio.gather(*_purchases(session, shop, book_id, COPIES))
        # From that answer the order server knows the book's version; it sells at that.
        proxy.hold("/sales")
        waiting = _purchases(session, shop, book_id, buyers - COPIES)
        others = [group.create_task(each) for each in waiting]
        await proxy.held()
        await _until(lambda: _is_pending(session, shop, buyers - COPIES))
        async with session.delete(
            f"{shop.url}/books/{book_id}", headers={**_staff(shop), "If-Match": "*"}
        ) as answer:
            answer.raise_for_status()
        proxy.release()
        return _result(first, await asyncio.gather(*others))


def _customers() -> aiohttp.ClientSession:
    """Return a session with a connection for everybody who wants one at a time."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        timeout=aiohttp.ClientTimeout(total=_PATIENCE_S),
        trust_env=False,
    )


def _result(before: Sequence[str], after_delete: Sequence[str] = ()) -> Result:
    endings = Counter([*before, *after_delete])
    sold = endings.pop(SOLD, 0)
    return Result(sold, list(after_delete).count(SOLD), dict(endings))


def _purchases(
    session: aiohttp.ClientSession, shop: DemoShop, book_id: int, count: int
) -> list[Any]:
    url = f"{shop.url}/purchase/{book_id}"
    return [_purchase(session, url) for _ in range(count)]


async def _purchase(session: aiohttp.ClientSession, url: str) -> str:
    """Purchase a copy; return ``sold`` or the reason why not, as the shop names it.

    An answer that decides nothing is asked again with the same key, as every customer should.
    """
    loop = asyncio.get_running_loop()
    until_s = loop.time() + _PATIENCE_S
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    while loop.time() < until_s:
        async with session.post(url, headers=headers) as answer:
            if answer.status in _DONE:
                return SOLD
            if answer.status not in _UNDECIDED:
                return str((await answer.json(content_type=None))["code"])
        await asyncio.sleep(_PAUSE_S)
    return "undecided"


async def _add_book(session: aiohttp.ClientSession, shop: DemoShop, title: str) -> int:
    book = {"title": title, "authors": ["Anonymous"], "price": "10.00", "stock": COPIES}
    async with session.post(f"{shop.url}/books", json=book, headers=_staff(shop)) as answer:
        answer.raise_for_status()
        return int((await answer.json())["id"])


async def _is_pending(session: aiohttp.ClientSession, shop: DemoShop, count: int) -> bool:
    """Tell whether so many orders are placed and not decided."""
    found, url = 0, f"{shop.url}/orders?state=pending&limit={_PAGE}"
    while url:
        async with session.get(url, headers=_staff(shop)) as answer:
            answer.raise_for_status()
            found += len(await answer.json())
            url = str(answer.links["next"]["url"]) if "next" in answer.links else ""
    return found >= count


async def _until(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(_PATIENCE_S):
        while not await holds():  # noqa: ASYNC110  # The fact lies in another process.
            await asyncio.sleep(_PAUSE_S)


def _staff(shop: DemoShop) -> dict[str, str]:
    return {"Authorization": f"Bearer {shop.admin_token}"}
