"""SIGTERM and Ctrl-C under load: what has begun is finished, then the servers go one by one."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import aiohttp
import pytest

from tests.faults.load import assert_audit_is_clean, assert_no_traceback
from tests.support.customers import Customer, Wanted, customers, until
from tests.support.serving import served_shop
from tests.support.shop import PATIENCE_S, open_shop, wait_until
from tests.support.tally import note

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.shop import Reply, Shop

STOP_S = 10.0
BUYERS = 16


class Buyers:
    """Buyers who purchase without a pause until the shop has closed, and note what they saw."""

    def __init__(self, customer: Customer, book_id: int) -> None:
        self.answers: list[tuple[float, Wanted, Reply]] = []
        self.broken: list[tuple[float, Exception]] = []
        self._customer = customer
        self._book_id = book_id

    async def one(self) -> None:
        """Purchase, each time with a new key; the first broken connection ends it."""
        while True:
            wanted, sent_s = Wanted(self._book_id), time.monotonic()
            try:
                said = await self._customer.purchase(self._book_id, wanted.key)
            except (aiohttp.ClientError, OSError) as error:
                self.broken.append((sent_s, error))
                return
            self.answers.append((sent_s, wanted, said))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "Ctrl-C"])
async def test_a_stop_under_load(shop: Shop, tmp_path: Path, number: signal.Signals) -> None:
    """What was sent before is answered without an error; exit 0 within 10 s; all of it is kept."""
    assert shop.process is not None
    book_id = shop.add_book(1_000_000)
    async with customers(shop.urls["frontend"], at_once=BUYERS) as customer:
        buyers = Buyers(customer, book_id)
        running = [asyncio.create_task(buyers.one()) for _ in range(BUYERS)]
        await until(lambda: len(buyers.answers) >= 200)
        begin_s = time.monotonic()
        shop.process.send_signal(number)
        code = await asyncio.to_thread(shop.process.wait, PATIENCE_S)
        took_s = time.monotonic() - begin_s
        await asyncio.gather(*running)
    assert (code, took_s < STOP_S) == (0, True)
    assert [error for sent_s, error in buyers.broken if sent_s < begin_s] == []
    assert {said.status for sent_s, _, said in buyers.answers if sent_s < begin_s} == {201}
    assert {said.status for _, _, said in buyers.answers} <= {201, 202, 503}
    note(f"{number.name} under load", faults=1, purchases=len(buyers.answers))
    assert_no_traceback(shop.log)

    with open_shop(tmp_path / "shop", sample="false") as again:
        async with customers(again.urls["frontend"]) as customer:
            for _, wanted, said in buyers.answers[-50:]:
                later = await customer.insist(wanted)
                assert said.status != 201 or later.end.body == said.body
        await asyncio.to_thread(assert_audit_is_clean, again)


async def test_the_servers_stop_one_after_the_other(shop: Shop) -> None:
    """The frontend goes first, then order, then catalog: nobody loses the server it asks."""
    assert shop.process is not None
    book_id = shop.add_book(1_000_000)
    pids = shop.pids()
    async with customers(shop.urls["frontend"], at_once=BUYERS) as customer:
        buyers = Buyers(customer, book_id)
        running = [asyncio.create_task(buyers.one()) for _ in range(BUYERS)]
        await until(lambda: len(buyers.answers) >= 50)
        shop.process.send_signal(signal.SIGTERM)
        moments = set()
        while shop.process.poll() is None:
            # Asked from the last to the first: who is found gone was gone before the next is asked.
            catalog, order, frontend = [
                _runs(pids[name]) for name in ("catalog", "order", "frontend")
            ]
            assert order or not frontend
            assert catalog or not order
            moments.add((frontend, order, catalog))
            await asyncio.sleep(0.002)
        await asyncio.gather(*running)
    assert shop.process.returncode == 0
    assert {(True, True, True), (False, True, True), (False, False, True)} <= moments


@pytest.mark.parametrize("server", ["frontend", "order", "catalog"])
async def test_one_server_is_restarted_for_maintenance(shop: Shop, server: str) -> None:
    """A SIGTERM to one server, as an operator sends it, costs nobody an error with a 5 but 503."""
    book_id = shop.add_book(1_000_000)
    before = shop.pid(server)
    async with customers(shop.urls["frontend"], at_once=BUYERS) as customer:
        stories = [asyncio.create_task(customer.insist(Wanted(book_id))) for _ in range(BUYERS)]
        os.kill(before, signal.SIGTERM)
        while shop.pid(server) == before:
            stories += [asyncio.create_task(customer.insist(Wanted(book_id))) for _ in range(4)]
            await asyncio.sleep(0.01)
        ended = await asyncio.gather(*stories)
    assert all(story.bought for story in ended)
    assert {said.status for story in ended for said in story.seen} <= {200, 201, 202, 503}
    assert_no_traceback(shop.log)


@pytest.mark.parametrize("hangs", ["order", "catalog"])
def test_a_stop_while_another_server_hangs(tmp_path: Path, hangs: str) -> None:
    """Who waits for it is told what is known while there is time for it, and not just cut off."""
    with served_shop(tmp_path / "shop") as served:
        served.start_all(sample="false", shutdown_s="3")
        shop = served.shop
        book_id = shop.add_book(5)
        book = {"title": "A", "authors": ["B"], "price": "1.00", "stock": 1}
        asks = {
            "buy": ("POST", f"/purchase/{book_id}", None),
            "look": ("GET", f"/info/{book_id}", None),
            "orders": ("GET", "/orders", None),
            "add": ("POST", "/books", book),
        }
        with served.servers[hangs].frozen(), ThreadPoolExecutor(len(asks)) as pool:
            waiting = {
                name: pool.submit(shop.request, method, path, body, admin=True)
                for name, (method, path, body) in asks.items()
            }
            wait_until(lambda: _in_flight(shop) >= (2 if hangs == "order" else 3), what="all wait")
            begin_s = time.monotonic()
            assert served.servers["frontend"].stop() == 0
            took_s = time.monotonic() - begin_s
            said = {name: future.result() for name, future in waiting.items()}
    assert took_s < 3
    if hangs == "order":
        assert (said["buy"].status, said["buy"].code) == (504, "outcome_unknown")
        assert re.fullmatch("[0-9a-f]{32}", said["buy"].json["order_id"])
        assert (said["orders"].status, said["orders"].code) == (503, "unavailable")
    else:
        assert (said["buy"].status, said["buy"].json["state"]) == (202, "pending")
        assert (said["look"].status, said["look"].code) == (503, "unavailable")
        assert (said["add"].status, said["add"].code) == (504, "outcome_unknown")


def _in_flight(shop: Shop) -> int:
    """Return how many requests the frontend is answering."""
    (line,) = [
        line
        for line in shop.request("GET", "/metrics").body.decode().splitlines()
        if line.startswith("bookstore_requests_in_flight ")
    ]
    return int(float(line.split()[1])) - 1


def _runs(pid: int) -> bool:
    """Tell whether a process runs; one that has ended and was not waited for does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
