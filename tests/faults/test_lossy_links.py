"""Packets lost between two servers, in one direction or both, with the system's own TCP between.

What is lost is sent again by TCP after a fifth of a second, then two, then four; what a server
has given up meanwhile may still arrive.
"""

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
from tests.faults.lossy import HERE, THERE, NoLink, lossy_link
from tests.support.customers import customers
from tests.support.serving import served_shop
from tests.support.shop import wait_until
from tests.support.tally import note

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.faults.load import Load
    from tests.faults.lossy import Link
    from tests.support.serving import ServedShop
    from tests.support.shop import Shop

SEED = int(os.environ.get("FAULT_SEED", "1"))
STORM_S = float(os.environ.get("FAULT_LOSSY_S", "0"))
"""How long packets are lost; 0 leaves it out, for it makes a device in the machine's network."""

HEALED_WITHIN_S = 15.0
CLIENT_DEADLINE_S = 10.0

pytestmark = pytest.mark.skipif(STORM_S == 0, reason="only where FAULT_LOSSY_S is set")

LOSSES = {
    "5 % both ways": (0.05, 0.05),
    "30 % both ways": (0.3, 0.3),
    "30 % there": (0.3, 0.0),
    "30 % back": (0.0, 0.3),
    "all back": (0.0, 1.0),
    "all": (1.0, 1.0),
}


@pytest.fixture
def link() -> Iterator[Link]:
    """A link that loses nothing yet."""
    with contextlib.ExitStack() as stack:
        try:
            made = stack.enter_context(lossy_link(random.Random(SEED)))
        except NoLink as error:
            pytest.skip(str(error))
        yield made


@pytest.fixture
def served(tmp_path: Path) -> Iterator[ServedShop]:
    """Servers; a test asks for them after the link, so that they are ended before it."""
    with served_shop(tmp_path / "shop") as shop:
        yield shop


def start_all(served: ServedShop, link: Link, far: str) -> None:
    """Start the three servers, one of them at the far end of the link."""
    # The frontend stays where its customers are, whom it does not take for strangers there.
    hosts = {"catalog": HERE, "order": HERE, "frontend": "127.0.0.1"} | {far: THERE}
    urls: list[str] = []
    for name, host in hosts.items():
        through = link.inside if name == far else ()
        settings = {"host": host, "insecure": "true", "sample": "false"}
        server = served.start(name, *urls, through=through, **settings)
        urls += [f"--{name}-url", server.url]


@pytest.mark.parametrize("far", ["catalog", "order"])
@pytest.mark.parametrize("loss", LOSSES)
async def test_lost_packets_harm_no_purchase(
    link: Link, served: ServedShop, loss: str, far: str
) -> None:
    """While they are lost nothing false is said; soon afterwards every order has its one end."""
    await asyncio.to_thread(start_all, served, link, far)
    async with load_on(served.shop, SEED) as load:
        await load.until_answered(20)
        assert link.lost == 0
        link.to, link.fro = LOSSES[loss]
        await asyncio.gather(asyncio.sleep(STORM_S), _answered_in_time(served.shop, load))
        link.to = link.fro = 0.0
        healed_s = time.monotonic()
        await load.until_answered(20)
    assert link.lost > 0
    await asyncio.to_thread(
        wait_until,
        lambda: all_orders_are_final(served.shop),
        within_s=healed_s + HEALED_WITHIN_S - time.monotonic(),
        what="the end of every order",
    )
    await _nothing_is_wrong(served, load)
    note(f"packets lost, {far} far: {loss}", faults=link.lost, purchases=len(load.stories), seeds=1)


async def _answered_in_time(shop: Shop, load: Load) -> None:
    """Whatever becomes of a purchase, its customer hears of it within the deadline."""
    load.abandoned += 1
    begin_s = time.monotonic()
    async with customers(shop.urls["frontend"], at_once=1) as customer:
        said = await customer.purchase(1)
    assert said.status in {201, 202, 503, 504}, said
    assert time.monotonic() - begin_s < CLIENT_DEADLINE_S


async def _nothing_is_wrong(served: ServedShop, load: Load) -> None:
    await assert_stories_hold(served.shop, load.stories)
    _, _, sold, _ = await asyncio.to_thread(assert_audit_is_clean, served.shop)
    bought = sum(story.wanted.quantity for story in load.stories if story.bought)
    assert bought <= sold <= bought + load.abandoned
    for name in served.servers:
        assert_no_traceback(served.data.with_name(f"{name}.log").read_text(errors="replace"))
