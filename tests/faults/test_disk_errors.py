"""Real I/O errors under a real server: the process ends, starts again, and is asked again by id.

`tests/disks` does the same at every call, in one process and on a disk made of Python. Here it
is the kernel that says no.
"""

from __future__ import annotations

import os
import random
import resource
from typing import TYPE_CHECKING

import pytest

from tests.faults.load import assert_nothing_is_wrong, load_on
from tests.faults.strace import Fault, failing, why_not
from tests.support.customers import until
from tests.support.tally import note

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.strace import Trace
    from tests.support.shop import Shop

SEED = int(os.environ.get("FAULT_SEED", "1"))
ROUNDS = int(os.environ.get("FAULT_DISK_ERRORS", "0"))
"""How often each call is made to fail at each server; 0 leaves out what needs strace."""

ENDED = "a commit failed, the process ends"
DATABASES = {"catalog": "catalog", "order": "orders"}
ROOM_BYTES = 512 * 1024
"""Far less than a write-ahead log grows to before it is begun anew."""

IN_DOUBT = [Fault("fdatasync", "EIO", ".db-wal"), Fault("pwrite64", "EIO", ".db-wal")]
HARMLESS = [Fault("pwrite64", "ENOSPC", ".db-wal"), Fault("fdatasync", "EIO", ".db")]
"""A disk that is full for a moment, and a checkpoint that fails: it is tried again later."""

only_in_torture = pytest.mark.skipif(ROUNDS == 0, reason="only where FAULT_DISK_ERRORS is set")


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="limits of others are Linux's")
async def test_a_file_that_may_not_grow(shop: Shop) -> None:
    """A log that has reached the limit of its size ends its server; no answer is taken back."""
    async with load_on(shop, SEED) as load:
        for server in DATABASES:
            await load.until_answered(20)
            pid = shop.pid(server)
            # The shop's own log counts as well, and is to have room enough.
            largest = shop.data.with_suffix(".log").stat().st_size + ROOM_BYTES
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (largest, resource.RLIM_INFINITY))
            await _another(shop, server, pid)
        await load.until_answered(20)
    await assert_nothing_is_wrong(shop, load)
    assert shop.log.count(ENDED) == len(DATABASES)
    note("a file that may not grow", faults=len(DATABASES), purchases=len(load.stories))


@only_in_torture
@pytest.mark.parametrize("fault", IN_DOUBT, ids=str)
async def test_a_commit_in_doubt_ends_the_server(shop: Shop, tmp_path: Path, fault: Fault) -> None:
    """Whether it was kept is learned by who asks again; nothing answered is lost or doubled."""
    await _can_be_traced(tmp_path)
    chance = random.Random(f"{SEED} {fault}")
    async with load_on(shop, SEED) as load:
        for _ in range(ROUNDS):
            for server, name in DATABASES.items():
                await load.until_answered(20)
                pid, file = shop.pid(server), shop.data / f"{name}{fault.file}"
                async with failing(pid, fault, chance.randrange(1, 30), file) as trace:
                    await _another(shop, server, pid)
                assert trace.injected == 1
                assert shop.log.count(f"{server} (pid {pid}) ended with exit code 70") == 1
        await load.until_answered(20)
    await assert_nothing_is_wrong(shop, load)
    assert shop.log.count(ENDED) == len(DATABASES) * ROUNDS
    note(str(fault), faults=len(DATABASES) * ROUNDS, purchases=len(load.stories), seeds=1)


@only_in_torture
@pytest.mark.parametrize("fault", HARMLESS, ids=str)
async def test_an_error_that_leaves_no_doubt(shop: Shop, tmp_path: Path, fault: Fault) -> None:
    """Where nothing was kept for sure, or all of it, the server goes on."""
    await _can_be_traced(tmp_path)
    pids = shop.pids()
    chance = random.Random(f"{SEED} {fault}")
    async with load_on(shop, SEED) as load:
        for _ in range(ROUNDS):
            for server, name in DATABASES.items():
                await load.until_answered(20)
                file = shop.data / f"{name}{fault.file}"
                number = 1 if fault.file == ".db" else chance.randrange(1, 30)
                async with failing(pids[server], fault, number, file) as trace:
                    await _injected(trace)
                    await load.until_answered(20)
        await load.until_answered(20)
    await assert_nothing_is_wrong(shop, load)
    assert shop.pids() == pids
    assert ENDED not in shop.log
    note(str(fault), faults=len(DATABASES) * ROUNDS, purchases=len(load.stories), seeds=1)


async def _another(shop: Shop, server: str, pid: int) -> None:
    """Wait until another process is the server."""
    await until(lambda: shop.pid(server) != pid)


async def _injected(trace: Trace) -> None:
    await until(lambda: trace.injected == 1)


async def _can_be_traced(folder: Path) -> None:
    reason = await why_not(folder)
    if reason is not None:
        pytest.skip(reason)
