"""A file system without room under a whole shop: purchases wait, reads go on, room heals it.

`tests/disks/test_full_disk.py` fills the disk of one server at a time, and that one is made of
Python. Here it is a small tmpfs, which lies in a mount namespace of the shop's own: nobody else
sees it, no rights are needed where the system lets users make namespaces, and it is gone with
the shop.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.faults.load import assert_nothing_is_wrong, load_on
from tests.support.customers import customers
from tests.support.shop import PATIENCE_S, open_shop, wait_until
from tests.support.tally import note

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.faults.load import Load
    from tests.support.customers import Customer, Story
    from tests.support.shop import Shop

SEED = int(os.environ.get("FAULT_SEED", "1"))
ROUNDS = int(os.environ.get("FAULT_FULL_DISKS", "0"))
"""How often the disk is full; 0 leaves it out, for it is not everyone's to mount."""

pytestmark = pytest.mark.skipif(ROUNDS == 0, reason="only where FAULT_FULL_DISKS is set")

PAGE_BYTES = os.sysconf("SC_PAGESIZE")
"""What a tmpfs counts in."""

ON_A_SMALL_DISK = (
    *("unshare", "--map-root-user", "--mount", "sh", "-ec"),
    'mount -t tmpfs -o size=24m,mode=0700 small "$0"; exec "$@"',
)
"""To be followed by the folder that is to be the disk, and a command."""


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    """A shop on a small disk of its own."""
    data = tmp_path / "shop"
    data.mkdir()
    through = (*ON_A_SMALL_DISK, str(data))
    try:
        subprocess.run([*through, "true"], check=True, capture_output=True, timeout=PATIENCE_S)
    except OSError as error:
        pytest.skip(f"there is no unshare: {error}")
    except subprocess.CalledProcessError as error:
        pytest.skip(f"a tmpfs cannot be mounted: {error.stderr.decode().strip()}")
    with open_shop(data, through=through, sample="false") as opened:
        assert opened.process is not None
        # The folder as the shop sees it.
        yield replace(opened, data=Path(f"/proc/{opened.process.pid}/root{data}"))


@contextlib.contextmanager
def no_room(folder: Path) -> Iterator[None]:
    """Fill the disk that a folder is on while the block runs."""
    filler = folder / "filler"
    try:
        with filler.open("wb", buffering=0) as file:
            # Whoever writes meanwhile takes a part of it.
            while left := os.statvfs(folder).f_bavail:
                with contextlib.suppress(OSError):
                    file.write(bytes(left * PAGE_BYTES))
        yield
    finally:
        filler.unlink()


async def test_a_full_disk_heals_by_room(shop: Shop) -> None:
    """Purchases are 503 and reads are answered; with room all goes on, in the same processes."""
    pids = shop.pids()
    async with load_on(shop, SEED) as load, customers(shop.urls["frontend"]) as customer:
        for _ in range(ROUNDS):
            await load.until_answered(50)
            bought = next(story for story in load.stories if story.bought)
            with no_room(shop.data):
                await _purchases_are_refused(load, customer, bought.wanted.book_id)
                await asyncio.to_thread(wait_until, lambda: _readiness(shop) == 503)
                await _reads_are_answered(customer, bought)
            await asyncio.to_thread(wait_until, lambda: _readiness(shop) == 200, what="recovery")
            await load.until_answered(50)
    await assert_nothing_is_wrong(shop, load)
    assert shop.pids() == pids
    note("a full disk", faults=ROUNDS, purchases=len(load.stories), seeds=1)


def _readiness(shop: Shop) -> int:
    return shop.request("GET", "/readyz").status


async def _purchases_are_refused(load: Load, customer: Customer, book_id: int) -> None:
    """Wait until the logs are full too, which have some room left; from then on it is 503."""
    in_a_row = 0
    async with asyncio.timeout(PATIENCE_S):
        while in_a_row < 5:
            load.abandoned += 1
            said = await customer.purchase(book_id)
            # The others may have bought all of it.
            sold_out = said.status == 409 and said.code == "out_of_stock"
            assert said.status in {201, 202, 503} or sold_out, said
            in_a_row = in_a_row + 1 if said.status == 503 else 0


async def _reads_are_answered(customer: Customer, bought: Story) -> None:
    """Books, topics, a search, an order, and the answer to a purchase that was made before."""
    order_id = bought.end.json["id"]
    for path in (
        *(f"/info/{bought.wanted.book_id}", f"/orders/{order_id}", "/topics"),
        *("/search/tests", "/books?q=book", "/livez"),
    ):
        assert (await customer.request("GET", path)).status == 200, path
    again = await customer.purchase(
        bought.wanted.book_id, bought.wanted.key, quantity=bought.wanted.quantity
    )
    assert (again.status, again.body) == (200, bought.end.body)
