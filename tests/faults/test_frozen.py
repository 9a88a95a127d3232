"""Servers that stand still for a while, as on a machine that hangs, and wake again."""

from __future__ import annotations

import asyncio
import os
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
from tests.support.customers import customers
from tests.support.serving import served_shop
from tests.support.shop import wait_until
from tests.support.tally import note

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.serving import ServedShop

FROZEN_S = float(os.environ.get("FAULT_FROZEN_S", "2"))
CLIENT_DEADLINE_S = 10.0


@pytest.fixture
def served(tmp_path: Path) -> Iterator[ServedShop]:
    """Three servers that nobody restarts."""
    with served_shop(tmp_path / "shop") as shop:
        shop.start_all(sample="false")
        yield shop


@pytest.mark.parametrize("server", ["catalog", "order"])
async def test_one_that_wakes_harms_nothing(served: ServedShop, server: str) -> None:
    """While it stands still every request is answered in time; what it does later is harmless."""
    shop = served.shop
    async with load_on(shop, seed=7) as load:
        await load.until_answered(50)
        with served.servers[server].frozen():
            begin_s = time.monotonic()
            async with customers(shop.urls["frontend"], at_once=4) as customer:
                answers = await asyncio.gather(
                    customer.purchase(1), customer.request("GET", "/livez")
                )
            took_s = time.monotonic() - begin_s
            await asyncio.sleep(max(FROZEN_S - took_s, 0))
        assert answers[0].status in {202, 503, 504}
        assert answers[1].status == 200
        assert took_s < CLIENT_DEADLINE_S
        await load.until_answered(50)
    await asyncio.to_thread(wait_until, lambda: all_orders_are_final(shop), what="the end of all")
    await assert_stories_hold(shop, load.stories)
    await asyncio.to_thread(assert_audit_is_clean, shop)
    for name in served.servers:
        log = served.data.with_name(f"{name}.log").read_text(errors="replace")
        assert_no_traceback(log)
    note(f"SIGSTOP of {server} for {FROZEN_S:g} s", faults=1, purchases=len(load.stories))


async def test_reads_go_on_while_orders_stand_still(served: ServedShop) -> None:
    """Nobody who only looks notices that the order server hangs."""
    shop = served.shop
    book_id = await asyncio.to_thread(shop.add_book, 5)
    async with customers(shop.urls["frontend"]) as customer:
        with served.servers["order"].frozen():
            buying = asyncio.create_task(customer.purchase(book_id))
            looks = await asyncio.gather(
                *[customer.request("GET", f"/info/{book_id}") for _ in range(200)]
            )
            assert not buying.done()
        assert {look.status for look in looks} == {200}
        assert (await buying).status in {201, 202, 504}
