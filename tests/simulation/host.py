"""A host of the simulation: a machine with one server, its disk, its clock.

Its server is opened as ``servers.main`` wires it and served by ``servers.web.serving``, in a
simulated process that is started again when it has died, as under a supervisor.
"""

from __future__ import annotations

import asyncio
import functools
import socket
from contextvars import copy_context
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any

from servers.access.tokens import Tokens
from servers.main import Outside, open_catalog, open_frontend, open_order
from servers.settings import load
from servers.storage.sqlite import SqliteDatabase
from servers.web.serving import serving
from tests.simulation.disk import Disk, Mount
from tests.simulation.executor import LoopExecutor
from tests.simulation.process import Process
from tests.support.services import ADMIN_TOKEN, SERVICE_TOKEN

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from servers.foreground import Server
    from tests.simulation.loop import SimulatedLoop
    from tests.simulation.shop import Shop

_OPEN = {"catalog": open_catalog, "order": open_order, "frontend": open_frontend}
_BEGIN_MS = 1_700_000_000_000


@dataclass(frozen=True)
class HostSocket:
    """What stands for a bound socket: where it is."""

    host: str
    family: int = socket.AF_INET

    def getsockname(self) -> tuple[str, int]:
        """Return where it is."""
        return self.host, 80


class JumpingClock:
    """A host's time of day; ``offset_ms`` is by how much somebody has set it wrong."""

    def __init__(self, loop: SimulatedLoop) -> None:
        self.offset_ms = 0
        self._loop = loop

    def now_ms(self) -> int:
        """Return milliseconds since 1970-01-01 UTC."""
        return _BEGIN_MS + int(self._loop.time() * 1000) + self.offset_ms


class Host:
    """One server on a machine of its own."""

    def __init__(self, shop: Shop, name: str, kind: str, settings: Mapping[str, object]) -> None:
        self.name = name
        self.kind = kind
        self.clock = JumpingClock(shop.loop)
        self.disk = Disk(
            name, Random(f"{shop.seed}/{name}/disk"), shop.trace, remembers=shop.remembers
        )
        self.process: Process | None = None
        self.mount: Mount | None = None
        self.restart_after_s = 0.5
        self.power_lost = False
        self._settings = settings
        self._shop = shop
        self._life = 0
        self._context = copy_context()
        self._stop: asyncio.Event | None = None
        self._databases: list[SqliteDatabase] = []

    @property
    def up(self) -> bool:
        """Whether its server runs and takes connections."""
        process = self.process
        return (
            process is not None
            and process.alive
            and not process.frozen
            and self._shop.network.ports[self.name].process is process
        )

    @property
    def database(self) -> SqliteDatabase | None:
        """The database that its server has, or had last."""
        return self._databases[-1] if self._databases else None

    def start(self) -> None:
        """Start its server."""
        self._life += 1
        self.power_lost = False
        shop = self._shop
        process = self.process = Process(shop.loop, self.name, self._life, shop.seed)
        process.on_death.append(self._died)
        self.mount = Mount(self.disk, process)
        shop.trace.note(self.name, "starts")
        process.run(self._main(process, self.mount))

    def kill(self, why: str = "killed") -> None:
        """Kill its server, if it runs."""
        if self.process is not None:
            self.process.kill(why)

    def cut_power(self) -> None:
        """Let the whole machine go dark."""
        self.power_lost = True
        self.kill("power cut")

    def stop(self) -> None:
        """Tell its server to finish and to end, as SIGTERM does."""
        if self._stop is not None and self.process is not None and self.process.alive:
            self._shop.trace.note(self.name, "is told to stop")
            self._stop.set()

    async def _main(self, process: Process, mount: Mount) -> None:
        try:
            await self._life_of(process, mount)
        except Exception as error:  # noqa: BLE001  # it is told, and is fatal to the process alone
            process.kill(f"ended: {type(error).__name__}: {error}".partition("/")[0])
        else:
            process.kill("stopped")
        finally:
            # Killed while it was closing, it has not waited for the end of that.
            for database in self._databases:
                await database.close()

    async def _life_of(self, process: Process, mount: Mount) -> None:
        shop = self._shop
        self._databases.clear()
        options = {"data": shop.folder / self.name, "sample": False, **self._settings}
        outside = Outside(
            name=self.kind,
            settings=load({**options, "access_log": False, "metrics": False}, {}),
            tokens=Tokens(ADMIN_TOKEN, SERVICE_TOKEN),
            clock=self.clock,
            random=process.random,
            new_id=lambda: f"{process.random.getrandbits(128):032x}",
            open_database=functools.partial(self._open, process, mount),
            timer=shop.loop.time,
        )
        async with _OPEN[self.kind](outside) as server:
            stop = self._stop = asyncio.Event()
            served = shop.loop.create_task(self._serve(server, stop))
            await stop.wait()
            await served

    async def _serve(self, server: Server, stop: asyncio.Event) -> None:
        sock: Any = HostSocket(self.name)
        async with serving(server.app, sock, shutdown_s=8.0):
            await stop.wait()
            server.health.stopping = True

    async def _open(
        self,
        process: Process,
        mount: Mount,
        path: Path,
        *,
        migrations: Path,
        on_commit_unknown: Callable[[BaseException], None],
    ) -> SqliteDatabase:
        del on_commit_unknown  # It would end this very program.
        database = await SqliteDatabase.open(
            path,
            migrations=migrations,
            on_commit_unknown=lambda error: process.kill(f"a commit failed: {error}"),
            executor=LoopExecutor(self._shop.loop, self.disk, process),
            vfs=mount.name,
            now_ms=self.clock.now_ms,
        )
        self._databases.append(database)
        return database

    def _died(self, why: str) -> None:
        shop, process = self._shop, self.process
        assert process is not None
        shop.trace.note(self.name, f"dies: {why}")
        shop.deaths.append(f"{self.name}: {why}")
        shop.network.process_died(process, dark=self.power_lost)
        shop.loop.call_soon(self._plan_restart, process, context=self._context)

    def _plan_restart(self, process: Process) -> None:
        shop = self._shop
        shop.watchers.append(shop.loop.create_task(self._restart(process)))

    async def _restart(self, process: Process) -> None:
        """Start anew, when the dead one has let go of its files, which takes it no time."""
        assert process.main is not None
        await asyncio.wait([process.main])
        if self.power_lost:
            self.disk.lose_power()
        await asyncio.sleep(self.restart_after_s)
        if self._shop.open:
            self.start()
