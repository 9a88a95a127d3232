"""The simulated machine does what it is said to do: time, processes, disks and the network."""

from __future__ import annotations

import asyncio
import contextlib
from random import Random
from typing import TYPE_CHECKING, Any

import apsw
import pytest

from tests.simulation.disk import Disk, Mount
from tests.simulation.links import Port
from tests.simulation.loop import SimulatedLoop, SimulationError
from tests.simulation.network import OUTSIDE, Network
from tests.simulation.process import Process
from tests.simulation.trace import Trace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def loop() -> Iterator[SimulatedLoop]:
    """A loop with virtual time."""
    loop = SimulatedLoop()
    yield loop
    loop.close()


def _disk(loop: SimulatedLoop, *, remembers: bool = False, seed: int = 0) -> Disk:
    return Disk("host", Random(seed), Trace(loop), remembers=remembers)


def _connect(path: Path, mount: Mount, synchronous: str = "full") -> apsw.Connection:
    connection = apsw.Connection(str(path), vfs=mount.name)
    connection.pragma("journal_mode", "wal")
    connection.pragma("synchronous", synchronous)
    return connection


def _let_go(connection: apsw.Connection) -> None:
    """Close what a dead process had open, which cannot do what closing does."""
    with contextlib.suppress(apsw.Error):
        connection.close()


# Time


def test_time_jumps_to_what_is_next(loop: SimulatedLoop) -> None:
    """An hour passes at once, and timers come in the order of their times."""
    seen: list[tuple[float, str]] = []

    async def wait(delay_s: float, name: str) -> None:
        await asyncio.sleep(delay_s)
        seen.append((loop.time(), name))

    async def both() -> None:
        await asyncio.gather(wait(3600, "late"), wait(0.5, "soon"))

    loop.run_until_complete(both())
    assert seen == [(0.5, "soon"), (3600.0, "late")]


def test_waiting_for_nothing_is_told(loop: SimulatedLoop) -> None:
    """A program that can never go on is an error and no hang."""
    with pytest.raises(SimulationError, match="nothing will ever happen"):
        loop.run_until_complete(loop.create_future())


# Processes


def _counting(loop: SimulatedLoop) -> tuple[Process, list[float]]:
    """Return a process that notes the time each second, and its notes."""
    process, seen = Process(loop, "host", 1, "seed"), list[float]()

    async def count() -> None:
        while True:
            await asyncio.sleep(1)
            seen.append(loop.time())

    process.run(count())
    return process, seen


def test_the_dead_take_no_step(loop: SimulatedLoop) -> None:
    """A process that is killed does nothing from then on, and who wants to know is told once."""
    process, seen = _counting(loop)
    told: list[str] = []
    process.on_death.append(told.append)

    async def story() -> None:
        await asyncio.sleep(2.5)
        process.kill("the story says so")
        process.kill("once more")
        await asyncio.sleep(10)

    loop.run_until_complete(story())
    assert seen == [1.0, 2.0]
    assert told == ["the story says so"]


def test_killed_between_two_steps(loop: SimulatedLoop) -> None:
    """A process can be killed after any number of its steps."""
    for steps in range(5):
        process, seen = _counting(loop)
        process.kill_after(steps)
        loop.run_until_complete(asyncio.sleep(20))
        assert not process.alive
        assert len(seen) <= steps


def test_the_frozen_go_on_where_they_were(loop: SimulatedLoop) -> None:
    """A frozen process does nothing, and all that it missed when it goes on."""
    process, seen = _counting(loop)

    async def story() -> None:
        await asyncio.sleep(1.5)
        process.freeze()
        await asyncio.sleep(5)
        assert seen == [1.0]
        process.thaw()
        await asyncio.sleep(2)
        process.kill("the story is over")

    loop.run_until_complete(story())
    assert seen[:2] == [1.0, pytest.approx(6.5)]
    assert len(seen) > 2


# Disks


def test_a_kill_loses_what_was_not_committed(loop: SimulatedLoop, tmp_path: Path) -> None:
    """Killed at any write of a transaction: it is there whole or not at all, those before are."""
    ends = set()
    for writes in range(25):
        path = tmp_path / f"{writes}.db"
        disk, process = _disk(loop), Process(loop, "host", writes, "seed")
        mount = Mount(disk, process)
        connection = _connect(path, mount)
        connection.execute("CREATE TABLE books (id INTEGER)")
        connection.execute("INSERT INTO books VALUES (1)")
        mount.kill_after(writes)
        try:
            connection.execute("BEGIN")
            connection.executemany(
                "INSERT INTO books VALUES (?)", [(book,) for book in range(2, 2000)]
            )
            connection.execute("COMMIT")
        except apsw.Error:
            assert not process.alive
        _let_go(connection)
        again = Mount(disk, Process(loop, "host", -1, "seed"))
        reader = _connect(path, again)
        count = reader.execute("SELECT count(*) FROM books").get
        assert count in {1, 1999}
        ends.add(count)
        reader.close()
    assert ends == {1, 1999}


@pytest.mark.parametrize(("synchronous", "lost"), [("full", False), ("normal", True)])
def test_a_power_cut_loses_what_was_not_synced(
    loop: SimulatedLoop, tmp_path: Path, synchronous: str, *, lost: bool
) -> None:
    """What was committed survives with synchronous=FULL, and not always without."""
    counts = set()
    for seed in range(20):
        path = tmp_path / f"{seed}.db"
        disk = _disk(loop, remembers=True, seed=seed)
        process = Process(loop, "host", seed, "seed")
        connection = _connect(path, Mount(disk, process), synchronous)
        connection.execute("CREATE TABLE books (id INTEGER)")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("INSERT INTO books VALUES (1)")
        process.kill("power cut")
        _let_go(connection)
        disk.lose_power()
        reader = _connect(path, Mount(disk, Process(loop, "host", -1, "seed")))
        assert reader.pragma("integrity_check") == "ok"
        counts.add(reader.execute("SELECT count(*) FROM books").get)
        reader.close()
    assert (0 in counts) is lost


@pytest.mark.parametrize("trouble", ["full", "fail"])
def test_a_disk_that_fails_is_told(loop: SimulatedLoop, tmp_path: Path, trouble: str) -> None:
    """A full disk and a failing one make the statement fail, and work again afterwards."""
    disk = _disk(loop)
    connection = _connect(tmp_path / "a.db", Mount(disk, Process(loop, "host", 1, "seed")))
    connection.execute("CREATE TABLE books (id INTEGER)")
    if trouble == "full":
        disk.full = True
    else:
        disk.fail_in = 0
    with pytest.raises(apsw.FullError if trouble == "full" else apsw.IOError):
        connection.execute("INSERT INTO books VALUES (1)")
    disk.heal()
    connection.execute("INSERT INTO books VALUES (2)")
    assert connection.execute("SELECT id FROM books").get == 2
    connection.close()


# The network


class _Ear(asyncio.Protocol):
    """Notes what it hears, and when."""

    def __init__(self, loop: SimulatedLoop) -> None:
        self.heard: list[tuple[bytes, float]] = []
        self.lost: list[object] = []
        self._loop = loop

    def data_received(self, data: bytes) -> None:
        self.heard.append((data, self._loop.time()))

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.append(exc)


class _Wire:
    """A server with ears, and a client that is connected to it."""

    def __init__(self, loop: SimulatedLoop) -> None:
        self.loop = loop
        self.network = Network(loop, Random(1), Trace(loop))
        self.network.ports["server"] = Port(kept=False)
        self.process = Process(loop, "server", 1, "seed")
        self.ears: list[_Ear] = []

    async def connected(self) -> Any:
        """Start the server if need be, and return the client's transport."""
        if self.process.main is None:
            self.process.run(self._serve())
            await asyncio.sleep(0.1)
        transport, _ = await self.loop.create_connection(lambda: _Ear(self.loop), "server", 80)
        return transport

    async def _serve(self) -> None:
        class Socket:
            host = "server"

        def ear() -> _Ear:
            self.ears.append(_Ear(self.loop))
            return self.ears[-1]

        await self.loop.create_server(ear, sock=Socket())
        await self.loop.create_future()


@pytest.fixture
def wire(loop: SimulatedLoop) -> _Wire:
    """A network with one server."""
    return _Wire(loop)


def test_messages_arrive_in_order(wire: _Wire) -> None:
    """What is sent on one connection arrives whole and in its order."""

    async def story() -> None:
        client = await wire.connected()
        for number in range(50):
            client.write(b"%d" % number)
        await asyncio.sleep(1)

    wire.loop.run_until_complete(story())
    assert [data for data, _ in wire.ears[0].heard] == [b"%d" % number for number in range(50)]


def test_a_lost_message_ends_the_stream(wire: _Wire) -> None:
    """After a loss nothing arrives on that connection any more, and all on another."""

    async def story() -> None:
        client = await wire.connected()
        wire.network.link(OUTSIDE, "server").lost = 1.0
        client.write(b"lost")
        wire.network.heal(OUTSIDE, "server")
        client.write(b"stuck")
        (await wire.connected()).write(b"heard")
        await asyncio.sleep(1)

    wire.loop.run_until_complete(story())
    assert [[data for data, _ in ear.heard] for ear in wire.ears] == [[], [b"heard"]]


def test_a_partition_holds_back(wire: _Wire) -> None:
    """While a link is cut nothing passes it, and afterwards what was sent does."""

    async def story() -> None:
        client = await wire.connected()
        wire.network.link(OUTSIDE, "server").cut = True
        client.write(b"held")
        await asyncio.sleep(30)
        assert wire.ears[0].heard == []
        wire.network.heal_all()
        await asyncio.sleep(1)

    wire.loop.run_until_complete(story())
    assert [data for data, at_s in wire.ears[0].heard if at_s > 30] == [b"held"]


@pytest.mark.parametrize(("trouble", "heard"), [("copied", 2), ("late", 1)])
def test_copies_come_by_a_connection_of_their_own(wire: _Wire, trouble: str, heard: int) -> None:
    """A copied request is heard twice, a late one once, both by another connection."""

    async def story() -> None:
        client = await wire.connected()
        setattr(wire.network.link(OUTSIDE, "server"), trouble, 1.0)
        client.write(b"POST /sales")
        await asyncio.sleep(100)

    wire.loop.run_until_complete(story())
    assert [len(ear.heard) for ear in wire.ears] == [heard - 1, 1]


def test_a_dead_server_refuses(wire: _Wire) -> None:
    """Who was connected to a process that is killed is told; who comes later is refused."""

    async def story() -> None:
        client = await wire.connected()
        wire.process.on_death.append(lambda _: wire.network.process_died(wire.process, dark=False))
        wire.process.kill("the story says so")
        await asyncio.sleep(1)
        assert len(client.get_protocol().lost) == 1
        with pytest.raises(ConnectionRefusedError):
            await wire.connected()

    wire.loop.run_until_complete(story())
