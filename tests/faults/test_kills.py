"""kill -9 of each server while customers purchase: nothing answered is lost or doubled."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
from typing import TYPE_CHECKING

import pytest

from servers.supervisor import is_alive
from tests.faults.load import assert_nothing_is_wrong, load_on
from tests.support.customers import until
from tests.support.shop import open_shop, wait_until
from tests.support.tally import note

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.shop import Shop

SERVERS = ("catalog", "order", "frontend")
KILLS = 7
SEED = int(os.environ.get("FAULT_SEED", "1"))
SEEDS = (SEED, SEED + 1, SEED + 2)


class Killer:
    """Kills servers of a shop, each process once."""

    def __init__(self, shop: Shop, seed: int) -> None:
        self.random = random.Random(seed)
        self._shop = shop
        self._killed: set[int] = set()

    async def kill(self, server: str) -> None:
        """Kill a server as soon as the note names a process that was not killed before."""
        await until(lambda: self._shop.pid(server) not in self._killed)
        pid = self._shop.pid(server)
        self._killed.add(pid)
        os.kill(pid, signal.SIGKILL)

    async def all_are_back(self) -> None:
        """Return when the note names three processes that were not killed."""
        await until(lambda: self._killed.isdisjoint(self._shop.pids().values()))


@pytest.mark.parametrize("seed", SEEDS)
async def test_kills_at_random_moments(shop: Shop, seed: int) -> None:
    """Each server is killed under purchases: every order has its end, and each answer holds."""
    killer = Killer(shop, seed)
    victims = [*SERVERS, *SERVERS, *killer.random.choices(SERVERS, k=KILLS - 2 * len(SERVERS))]
    killer.random.shuffle(victims)
    async with load_on(shop, seed) as load:
        for victim in victims:
            await load.until_answered(killer.random.randrange(1, 200))
            await asyncio.sleep(killer.random.uniform(0, 0.02))
            await killer.kill(victim)
        await killer.all_are_back()
        await load.until_answered(50)
    await assert_nothing_is_wrong(shop, load)
    assert sum(story.lost > 0 or len(story.seen) > 1 for story in load.stories) > 0
    note("kill -9 of a server, under load", faults=KILLS, purchases=len(load.stories), seeds=1)


async def test_all_servers_killed_at_once(shop: Shop) -> None:
    """All three die in the same moment, three times: no answered purchase is lost or doubled."""
    killer = Killer(shop, seed=4)
    async with load_on(shop, seed=4) as load:
        for _ in range(3):
            await load.until_answered(100)
            await asyncio.gather(*[killer.kill(server) for server in SERVERS])
            await killer.all_are_back()
        await load.until_answered(50)
    await assert_nothing_is_wrong(shop, load)
    note("kill -9 of all servers at once", faults=3, purchases=len(load.stories), seeds=1)


async def test_the_supervisor_killed(tmp_path: Path) -> None:
    """The servers finish what runs and end; a shop opened at once waits for that and goes on."""
    with contextlib.ExitStack() as shops:
        shop = shops.enter_context(open_shop(tmp_path / "shop", sample="false"))
        pids = shop.pids()
        async with load_on(shop, seed=5) as load:
            await load.until_answered(100)
            assert shop.process is not None
            shop.process.kill()
            shop = await asyncio.to_thread(
                shops.enter_context, open_shop(tmp_path / "shop", sample="false")
            )
            load.move_to(shop)
            await load.until_answered(100)
        await asyncio.to_thread(wait_until, lambda: not any(map(is_alive, pids.values())))
        await assert_nothing_is_wrong(shop, load)
    note("kill -9 of the supervisor", faults=1, purchases=len(load.stories))
