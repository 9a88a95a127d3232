"""Purchases that go on while servers die, and what must be true of them afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
from typing import TYPE_CHECKING

import aiohttp

from tests.support.customers import UNDECIDED, Customer, Story, Wanted, customers, until
from tests.support.shop import wait_until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from tests.support.shop import Shop

CUSTOMERS = 12
TEN_YEARS_OF_STOCK = 1_000_000

_AUDIT_OK = re.compile(
    r"audit ok: received (\d+) \+ returned (\d+) = sold (\d+) \+ left (\d+)$", re.MULTILINE
)


class Load:
    """Customers who purchase one thing after the other until they are told to stop.

    ``stories`` has those that got their answer, ``abandoned`` counts the copies that somebody
    asked for who then went away.
    """

    def __init__(self, customer: Customer, books: Sequence[int], seed: int) -> None:
        self.stories: list[Story] = []
        self.abandoned = 0
        self._customer = customer
        self._books = books
        self._random = random.Random(seed)
        self._enough = asyncio.Event()

    async def until_answered(self, count: int) -> None:
        """Return when ``count`` more purchases have their final answer."""
        goal = len(self.stories) + count
        await until(lambda: len(self.stories) >= goal)

    async def one_customer(self) -> None:
        """Purchase until there is enough; a purchase once begun is brought to its end."""
        while not self._enough.is_set():
            wanted = Wanted(self._random.choice(self._books), self._random.choice((1, 1, 2, 3)))
            self.stories.append(await self._customer.insist(wanted))

    async def one_who_goes_away(self) -> None:
        """Begin purchases and wait for no answer: only the shop itself can end these orders."""
        while not self._enough.is_set():
            self.abandoned += 1
            with contextlib.suppress(TimeoutError, aiohttp.ClientError, OSError):
                async with asyncio.timeout(self._random.uniform(0.001, 0.02)):
                    await self._customer.purchase(self._books[0])
            await asyncio.sleep(0.05)

    def move_to(self, shop: Shop) -> None:
        """Let the customers go to the shop's new address."""
        self._customer.url = shop.urls["frontend"]

    def enough(self) -> None:
        """Let no customer begin another purchase."""
        self._enough.set()


@contextlib.asynccontextmanager
async def load_on(shop: Shop, seed: int) -> AsyncIterator[Load]:
    """Purchase while the block runs; afterwards every purchase begun has its final answer.

    Among the books is one that sells out and one that never was, so that there are
    refusals too.
    """
    plenty = [await asyncio.to_thread(shop.add_book, TEN_YEARS_OF_STOCK) for _ in range(3)]
    scarce = await asyncio.to_thread(shop.add_book, 40)
    async with customers(shop.urls["frontend"], at_once=CUSTOMERS) as customer:
        load = Load(customer, [*plenty, scarce, 999_999], seed)
        async with asyncio.TaskGroup() as group:
            for _ in range(CUSTOMERS):
                group.create_task(load.one_customer())
            group.create_task(load.one_who_goes_away())
            try:
                yield load
            finally:
                load.enough()


async def assert_stories_hold(shop: Shop, stories: Sequence[Story]) -> None:
    """What each customer was told is still true, and is said again in the same words."""
    assert {story.end.status for story in stories} <= {200, 201, 404, 409}
    for story in stories:
        assert {said.status for said in story.seen[:-1]} <= UNDECIDED, story
    async with customers(shop.urls["frontend"], at_once=CUSTOMERS) as customer:
        again = await asyncio.gather(*[customer.insist(story.wanted) for story in stories])
        for story, later in zip(stories, again, strict=True):
            assert later.end.body == story.end.body, story
            assert later.end.headers["idempotency-replayed"] == "true"
        bought = [story.end.json["id"] for story in stories if story.bought]
        orders = await asyncio.gather(
            *[customer.look(f"/orders/{order_id}") for order_id in bought]
        )
    assert {order.status for order in orders} <= {200}
    assert {order.json["state"] for order in orders} <= {"confirmed"}


async def assert_nothing_is_wrong(shop: Shop, load: Load) -> None:
    """All orders have their end, every answer holds, and no more was sold than was bought."""
    await assert_stories_hold(shop, load.stories)
    await asyncio.to_thread(wait_until, lambda: all_orders_are_final(shop), what="the end of all")
    _, _, sold, _ = await asyncio.to_thread(assert_audit_is_clean, shop)
    bought = sum(story.wanted.quantity for story in load.stories if story.bought)
    assert bought <= sold <= bought + load.abandoned
    assert_no_traceback(shop.log)


def assert_audit_is_clean(shop: Shop) -> tuple[int, int, int, int]:
    """Run `bookstore audit`, which must find nothing; return its four sums."""
    # Of servers that were started one by one there is no note that says where they are.
    where = [] if shop.process is not None else ["--catalog-url", shop.urls["catalog"]]
    where += [] if shop.process is not None else ["--order-url", shop.urls["order"]]
    audit = shop.command("audit", *where)
    assert audit.returncode == 0, audit.stdout + audit.stderr
    found = _AUDIT_OK.search(audit.stdout)
    assert found is not None, audit.stdout
    received, returned, sold, left = (int(number) for number in found.groups())
    assert received + returned == sold + left
    return received, returned, sold, left


def all_orders_are_final(shop: Shop) -> bool:
    """Tell whether no order is pending or cancelling."""
    pages = [
        shop.request("GET", f"/orders?state={state}", admin=True)
        for state in ("pending", "cancelling")
    ]
    return all(page.status == 200 and page.json == [] for page in pages)


def assert_no_traceback(log: str) -> None:
    """Whatever happened was foreseen."""
    assert "Traceback" not in log, log[log.index("Traceback") - 500 :][:3000]
