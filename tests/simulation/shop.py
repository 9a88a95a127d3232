"""The shop of the simulation: two frontends, two order servers and a catalog, and their network."""

from __future__ import annotations

import asyncio
from random import Random
from typing import TYPE_CHECKING

from tests.simulation.host import Host
from tests.simulation.links import Port
from tests.simulation.loop import SimulationError
from tests.simulation.network import OUTSIDE, Network

if TYPE_CHECKING:
    from pathlib import Path

    from tests.simulation.loop import SimulatedLoop
    from tests.simulation.trace import Trace

_LONGEST_START_S = 60.0


class Shop:
    """All hosts, and the network between them.

    ``split``: each frontend has an order server of its own; else both use the same one.
    """

    def __init__(  # what a shop stands on
        self,
        loop: SimulatedLoop,
        folder: Path,
        seed: str,
        trace: Trace,
        *,
        split: bool,
        remembers: bool,
    ) -> None:
        self.loop = loop
        self.folder = folder
        self.seed = seed
        self.trace = trace
        self.split = split
        self.remembers = remembers
        self.open = True
        self.deaths: list[str] = []
        self.watchers: list[asyncio.Task[None]] = []
        self.network = Network(loop, Random(f"{seed}/network"), trace)
        catalog = {"catalog_url": "http://catalog:80"}
        second = "order-b" if split else "order-a"
        self.hosts = {
            host.name: host
            for host in (
                Host(self, "catalog", "catalog", {}),
                Host(self, "order-a", "order", catalog),
                Host(self, "order-b", "order", catalog),
                Host(self, "frontend-a", "frontend", catalog | _order_url("order-a")),
                Host(self, "frontend-b", "frontend", catalog | _order_url(second)),
            )
        }

    @property
    def frontends(self) -> list[str]:
        """The hosts that customers may ask."""
        return ["frontend-a", "frontend-b"]

    @property
    def links(self) -> list[tuple[str, str]]:
        """Who asks whom."""
        second = "order-b" if self.split else "order-a"
        return [
            *[(OUTSIDE, frontend) for frontend in self.frontends],
            *[("frontend-a", "order-a"), ("frontend-b", second)],
            *[(frontend, "catalog") for frontend in self.frontends],
            *[("order-a", "catalog"), ("order-b", "catalog")],
        ]

    def start(self, *, sockets_kept: bool) -> None:
        """Start every server."""
        for host in self.hosts.values():
            self.network.ports[host.name] = Port(sockets_kept)
            (self.folder / host.name).mkdir()
            host.start()

    async def until_up(self) -> None:
        """Return when all servers run. Raises `SimulationError` where one never does."""
        until_s = self.loop.time() + _LONGEST_START_S
        while not all(host.up for host in self.hosts.values()):
            if self.loop.time() > until_s:
                raise SimulationError(f"a server does not start: {self.deaths}")
            await asyncio.sleep(0.05)

    def heal(self) -> None:
        """Let everything work again; who is down comes back soon."""
        self.network.heal_all()
        for host in self.hosts.values():
            host.disk.heal()
            host.restart_after_s = 0.1
            if host.process is not None and host.mount is not None:
                host.process.spare()
                host.mount.writes_left = None
                host.process.thaw()


def _order_url(host: str) -> dict[str, str]:
    return {"order_url": f"http://{host}:80"}
