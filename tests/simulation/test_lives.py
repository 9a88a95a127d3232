"""A server of the simulation may die at any moment of its life, and comes up again."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tests.simulation.loop import SimulatedLoop
from tests.simulation.shop import Shop
from tests.simulation.trace import Trace

if TYPE_CHECKING:
    from pathlib import Path


def test_killed_while_it_stops(tmp_path: Path) -> None:
    """Killed at any step of its stopping, it lets go of its files: its next life needs them."""
    loop = SimulatedLoop()
    shop = Shop(loop, tmp_path, "stopping", Trace(loop), split=True, remembers=False)

    async def story() -> None:
        shop.start(sockets_kept=True)
        await shop.until_up()
        host = shop.hosts["order-b"]
        for steps in (*range(10, 30), 1000):
            assert host.process is not None
            host.stop()
            host.process.kill_after(steps)
            before = host.process
            while host.process is before:  # noqa: ASYNC110  # a restart has no event
                await asyncio.sleep(0.1)
            await shop.until_up()
        shop.open = False
        for each in shop.hosts.values():
            each.kill()
        await asyncio.sleep(1)

    loop.run_until_complete(story())
    loop.close()
    ends = {death.partition(": ")[2] for death in shop.deaths if death.startswith("order-b")}
    assert ends == {"between two steps", "stopped", "killed"}
