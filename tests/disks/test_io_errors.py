"""An I/O error at every sync and every write: the process ends, and whoever asks again learns."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from servers.domain.errors import OutcomeUnknown, Unavailable
from servers.upkeep.audit import read_orders
from servers.upkeep.shop_files import check
from tests.disks.broken import BrokenDisk, BrokenVFS
from tests.disks.day import Answers, asked_again, open_day
from tests.support.services import purchase

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.disks.broken import Call
    from tests.disks.day import Shop

EVERY = 1 if "BOOKSTORE_POWER_CUTS" in os.environ else 4
"""Of the writes every so many-th fails in a test of its own; all of the syncs do."""

SOON_S = 0.1
"""How long is asked again what a disk that is broken for good will never answer."""


@pytest.fixture
def disk() -> Iterator[BrokenDisk]:
    """A disk that works until its turn to fail has come."""
    disk = BrokenDisk()
    vfs = BrokenVFS(disk)
    yield disk
    vfs.unregister()


class Ended(Exception):
    """The process would have ended here."""


async def work(shop: Shop, answers: Answers, ended: list[BaseException]) -> None:
    """Do what the staff and the customers of a morning do; end where the process would."""

    def may_go_on() -> None:
        if ended:
            raise Ended

    book_id = (await shop.catalog.shelf(0, 1))[0].id
    for count in (1, 3, 2):
        await answers.purchase(shop, [purchase(book_id) for _ in range(count)])
        may_go_on()
    await answers.restock(shop, book_id, 2)
    may_go_on()
    await answers.cancel(shop, answers.orders[-1][1].id)
    may_go_on()
    await answers.purchase(shop, [purchase(book_id, quantity=99)])
    may_go_on()


async def morning(folder: Path, disk: BrokenDisk) -> tuple[Answers, bool]:
    """Let the services work on the disk until they are done or a commit is in doubt."""
    answers, ended = Answers(lambda: 0, SOON_S), list[BaseException]()
    try:
        async with open_day(folder, disk.name, ended.append, SOON_S) as shop:
            for name in shop.databases:
                shop.writer(name).pragma("wal_autocheckpoint", 8)
            disk.begin()
            await work(shop, answers, ended)
            disk.end()
    except Ended:
        pass
    except OutcomeUnknown:
        assert ended
    except Unavailable:
        # Refused to staff or to a customer who cancels, and surely not done.
        assert not ended
    return answers, bool(ended)


async def prepared(folder: Path, disk: BrokenDisk) -> None:
    """Make a shop with one book, and close it."""
    async with open_day(folder, disk.name) as shop:
        await Answers(lambda: 0).add(shop, stock=20)


async def calls_of_a_morning(folder: Path, disk: BrokenDisk) -> dict[Call, int]:
    """Count the calls of a morning on which nothing fails."""
    await prepared(folder, disk)
    answers, ended = await morning(folder, disk)
    assert not ended
    assert len(answers.orders) == 8
    return dict(disk.calls)


@pytest.mark.parametrize("call", ["sync", "write"])
async def test_an_error_at_every_call(tmp_path: Path, disk: BrokenDisk, call: Call) -> None:
    """Whichever call fails: no answer is taken back, none is doubled, and all is decided."""
    total = (await calls_of_a_morning(tmp_path / "whole", disk))[call]
    doubts, step = 0, EVERY if call == "write" else 1
    for number in range(1, total + 1, step):
        folder = tmp_path / f"{call}-{number}"
        await prepared(folder, disk)
        disk.fail(call, number)
        answers, ended = await morning(folder, disk)
        assert disk.failed
        disk.end()
        doubts += ended
        async with open_day(folder, disk.name) as shop:
            assert await answers.still_hold(shop, at=0) == [], number
            assert await asked_again(shop, answers) == [], number
            assert await copies_held(shop) + (await shop.catalog.shelf(0, 1))[0].stock in {20, 22}
        assert [each.problems for each in check(folder).values()] == [(), ()]
    # A sync belongs to a commit, but for those of a log that is emptied; so does many a write.
    assert doubts >= total // step // 3


async def copies_held(shop: Shop) -> int:
    """Return how many copies customers have bought and not given back."""
    orders = [order async for order in read_orders(shop.orders)]
    return sum(order.purchase.quantity for order in orders if order.state == "confirmed")
