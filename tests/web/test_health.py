"""Whether a server is ready: what it costs to ask, and how fresh the answer is."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from servers.storage.sqlite import SqliteDatabase
from servers.web import health
from servers.web.health import Health, SharedCheck
from tests.support.services import make_app, open_servers, wait_until
from tests.web.conftest import served

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.support.services import Web

SHORT_S = 0.05


@dataclass
class Disk:
    """A check: what it says, how often it was made; it answers while it is awake."""

    wrong: str | None = None
    looks: int = 0
    awake: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self) -> str | None:
        """Look."""
        self.looks += 1
        await self.awake.wait()
        return self.wrong


@pytest.fixture
def disk() -> Disk:
    """A disk that is awake and well."""
    disk = Disk()
    disk.awake.set()
    return disk


@pytest.fixture
async def web(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Web]:
    """A server that is ready if its disk is well."""
    monkeypatch.setattr(health, "_ONE_CHECK_S", SHORT_S)
    async with served(make_app(Health({"disk": SharedCheck(disk)}, None).routes())) as (web, _):
        yield web


async def test_asked_at_once_it_is_looked_at_once(web: Web, disk: Disk) -> None:
    """Who asks while it is being looked at waits for that; all get the same answer."""
    disk.awake.clear()
    disk.wrong = "full"
    asking = [asyncio.ensure_future(web.ask("GET", "/readyz")) for _ in range(20)]
    await wait_until(lambda: disk.looks, "it is looked at")
    disk.awake.set()
    for said in await asyncio.gather(*asking):
        assert (said.status, said.json["not_ready"]) == (503, {"disk": "full"})
    assert disk.looks == 1


async def test_all_well_is_believed_for_a_moment(
    web: Web, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within it nobody looks, after it the next who asks does."""
    monkeypatch.setattr(health, "_BELIEVED_S", SHORT_S)
    loop = asyncio.get_running_loop()
    begin_s = loop.time()
    for _ in range(30):
        assert (await web.ask("GET", "/readyz")).status == 200
    assert disk.looks <= 1 + (loop.time() - begin_s) / SHORT_S
    disk.wrong = "full"
    await asyncio.sleep(SHORT_S)
    assert (await web.ask("GET", "/readyz")).status == 503


async def test_what_is_wrong_is_not_believed_for_longer(web: Web, disk: Disk) -> None:
    """As soon as the disk is well again the server is ready."""
    for wrong, status in (("full", 503), ("still full", 503), (None, 200)):
        disk.wrong = wrong
        assert (await web.ask("GET", "/readyz")).status == status
    assert disk.looks == 3


async def test_a_disk_that_hangs(web: Web, disk: Disk) -> None:
    """Each who asks is told in time; however many ask, one look at a time is under way."""
    disk.awake.clear()
    for _ in range(3):
        said = await web.ask("GET", "/readyz")
        assert said.status == 503
        assert "no answer within" in said.json["not_ready"]["disk"]
    assert disk.looks == 1
    disk.awake.set()
    assert (await web.ask("GET", "/readyz")).status == 200


async def test_a_storm_writes_little(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks the servers that have databases again and again makes them write rarely."""
    pings = 0
    ping = SqliteDatabase.ping

    async def counted(database: SqliteDatabase) -> None:
        nonlocal pings
        pings += 1
        await ping(database)

    monkeypatch.setattr(SqliteDatabase, "ping", counted)
    loop = asyncio.get_running_loop()
    async with open_servers(tmp_path) as web:
        begin_s, pings = loop.time(), 0
        for _ in range(10):
            for server in ("catalog", "order"):
                asks = [web.ask("GET", "/readyz", server=server) for _ in range(20)]
                assert {said.status for said in await asyncio.gather(*asks)} == {200}
        assert pings <= 2 * (1 + (loop.time() - begin_s) / health._BELIEVED_S)
