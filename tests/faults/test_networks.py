"""Bad networks between the servers: slow, cut, deaf in one direction, saying things twice."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import time
from typing import TYPE_CHECKING

import pytest

from tests.faults.load import (
    all_orders_are_final,
    assert_audit_is_clean,
    assert_no_traceback,
    assert_stories_hold,
    load_on,
)
from tests.faults.wire import CALM, Weather, Wire
from tests.support.serving import served_shop
from tests.support.shop import wait_until
from tests.support.tally import note

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.load import Load
    from tests.support.shop import Shop

SEED = int(os.environ.get("FAULT_SEED", "1"))
STORM_S = float(os.environ.get("FAULT_STORM_S", "1.5"))
HEALED_WITHIN_S = 15.0

WEATHERS = {
    "slow": Weather(delay_s=(0.05, 0.4)),
    "resets": Weather(reset_before=0.15, reset_after=0.15),
    "no way there": Weather(no_way_there=True),
    "no way back": Weather(no_way_back=True),
    "twice": Weather(repeated=0.5, late_s=1.0),
    "everything": Weather(
        delay_s=(0, 0.1), reset_before=0.05, reset_after=0.1, repeated=0.2, late_s=2.0
    ),
}


@pytest.mark.parametrize("hop", ["order to catalog", "frontend to order"])
@pytest.mark.parametrize("weather", WEATHERS)
async def test_a_bad_network_harms_no_purchase(tmp_path: Path, weather: str, hop: str) -> None:
    """Under it nothing false is said; soon after it every order has its one end."""
    chance = random.Random(f"{SEED} {weather} {hop}")
    async with contextlib.AsyncExitStack() as stack:
        served = stack.enter_context(served_shop(tmp_path / "shop"))
        catalog = await asyncio.to_thread(served.start, "catalog", sample="false")
        to_catalog = await stack.enter_async_context(Wire(catalog.url, chance))
        options = ("--catalog-url", to_catalog.url)
        order = await asyncio.to_thread(served.start, "order", *options)
        to_order = await stack.enter_async_context(Wire(order.url, chance))
        urls = ("--catalog-url", catalog.url, "--order-url", to_order.url)
        await asyncio.to_thread(served.start, "frontend", *urls)
        wire = to_catalog if hop == "order to catalog" else to_order
        async with load_on(served.shop, SEED) as load:
            await load.until_answered(20)
            wire.weather = WEATHERS[weather]
            await asyncio.sleep(STORM_S)
            wire.weather = CALM
            healed_s = time.monotonic()
            await load.until_answered(20)
        assert wire.harmed > 0 or weather == "slow"
        await asyncio.to_thread(_all_end, served.shop, healed_s)
        await _nothing_is_wrong(served.shop, load, tmp_path)
        kind = f"network, {hop}: {weather}"
        note(kind, faults=wire.harmed, purchases=len(load.stories), seeds=1)


def _all_end(shop: Shop, healed_s: float) -> None:
    wait_until(
        lambda: all_orders_are_final(shop),
        within_s=healed_s + HEALED_WITHIN_S - time.monotonic(),
        what="the end of every order",
    )


async def _nothing_is_wrong(shop: Shop, load: Load, folder: Path) -> None:
    await assert_stories_hold(shop, load.stories)
    _, _, sold, _ = await asyncio.to_thread(assert_audit_is_clean, shop)
    bought = sum(story.wanted.quantity for story in load.stories if story.bought)
    assert bought <= sold <= bought + load.abandoned
    for name in ("catalog", "order", "frontend"):
        assert_no_traceback((folder / f"{name}.log").read_text(errors="replace"))
