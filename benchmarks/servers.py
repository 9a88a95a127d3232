"""What is measured: yardsticks and real shops, each as processes of its own."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

STOCK = 10**9
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_KIB_PER_MIB = 1024


class Processes:
    """Some processes under load, and the port that the load goes to."""

    def __init__(self, port: int, pids: Sequence[int]) -> None:
        self.port = port
        self._pids = pids

    def cpu_s(self) -> float:
        """Return the CPU seconds that the processes have used so far, all together."""
        return sum(_cpu_s(pid) for pid in self._pids)


class Shop(Processes):
    """A real shop; ``servers`` are the process ids by name."""

    def __init__(self, folder: Path, urls: dict[str, str]) -> None:
        note = json.loads((folder / "shop.json").read_text())
        self.servers = {name: note[name]["pid"] for name in ("frontend", "order", "catalog")}
        super().__init__(_port(urls["frontend"]), list(self.servers.values()))
        self.inner = Processes(_port(urls["catalog"]), [self.servers["catalog"]])
        """Its catalog, asked directly."""
        self._folder = folder
        self._frontend = HTTPConnection("127.0.0.1", self.port)
        self._catalog = HTTPConnection("127.0.0.1", _port(urls["catalog"]))

    def add_book(self, title: str, stock: int = STOCK) -> int:
        """Add a book that hardly ever runs out; return its id."""
        book = {"title": title, "authors": ["A. Thor"], "price": "10.00", "stock": stock}
        added = self._ask(self._frontend, "POST", "/books", "admin", book)
        assert isinstance(added, dict)  # noqa: S101  # a book is an object
        return int(added["id"])

    def decisions(self) -> int:
        """Return the highest number in the ledger: how much has been decided so far."""
        last = self._ask(self._catalog, "GET", "/ledger/last", "service")
        assert isinstance(last, int)  # noqa: S101  # it is a number
        return last

    def memory_mib(self) -> dict[str, float]:
        """Return the most memory that each server has had, in MiB."""
        return {name: peak_mib(pid) for name, pid in self.servers.items()}

    def audit(self) -> str:
        """Return what `bookstore audit` says; raises where it finds a violation."""
        done = subprocess.run(
            [sys.executable, "-m", "bookstore_cli", "--data", str(self._folder), "audit"],
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    def _ask(
        self, to: HTTPConnection, method: str, path: str, role: str, body: object = None
    ) -> object:
        token = (self._folder / f"{role}.token").read_text().strip()
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        to.request(method, path, json.dumps(body) if body is not None else None, headers)
        answer = to.getresponse()
        said = answer.read()
        if answer.status >= 400:  # noqa: PLR2004  # an HTTP status is best known by its number
            message = f"{method} {path}: {answer.status} {said.decode()}"
            raise RuntimeError(message)
        return json.loads(said)


class OrdinaryShop(Processes):
    """One of the yardstick's shops: ``benchmarks.yardsticks.shop``."""

    def __init__(self, port: int, pids: Sequence[int], catalog_port: int) -> None:
        super().__init__(port, pids)
        self._catalog = HTTPConnection("127.0.0.1", catalog_port)

    def add_book(self, title: str) -> int:
        """Add a book that hardly ever runs out; return its id."""
        return int(self._ask("POST", "/books", {"title": title, "stock": STOCK})["id"])

    def stock(self, book_id: int) -> int:
        """Return how many copies the catalog believes to have."""
        return int(self._ask("GET", f"/books/{book_id}")["stock"])

    def _ask(self, method: str, path: str, body: object = None) -> dict[str, int]:
        headers = {"Content-Type": "application/json"}
        self._catalog.request(method, path, json.dumps(body) if body else None, headers)
        said: dict[str, int] = json.loads(self._catalog.getresponse().read())
        return said


@contextlib.contextmanager
def open_yardstick(name: str) -> Iterator[Processes]:
    """Run ``bare`` or ``raw`` while the block does."""
    with _process(f"benchmarks.yardsticks.{name}") as (port, pid):
        yield Processes(port, [pid])


@contextlib.contextmanager
def open_ordinary_shop(kind: str) -> Iterator[OrdinaryShop]:
    """Run the shop that is ``naive`` or ``versioned`` while the block does."""
    module = "benchmarks.yardsticks.shop"
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        port, catalog_port, pids = 0, 0, []
        for name in ("catalog", "order", "frontend"):
            port, pid = stack.enter_context(_process(module, name, kind, folder, str(port)))
            catalog_port = catalog_port or port
            pids.append(pid)
        yield OrdinaryShop(port, pids, catalog_port)


@contextlib.contextmanager
def open_shop(folder: Path, *options: str, **environment: str) -> Iterator[Shop]:
    """Run a shop while the block does, its log on, to a file in its folder."""
    with (folder / "shop.log").open("w") as log:
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "bookstore_cli",
                "--data",
                str(folder),
                "up",
                *options,
                "--port",
                "0",
            ],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={**os.environ, **environment},
        )
        try:
            assert process.stdout is not None  # noqa: S101  # it is a pipe
            # Each line says `frontend http://…`, the servers' names first.
            yield Shop(folder, dict(process.stdout.readline().split() for _ in range(3)))
        finally:
            process.terminate()
            process.communicate()


@contextlib.contextmanager
def _process(module: str, *arguments: str) -> Iterator[tuple[int, int]]:
    """Run a yardstick; yield its port and process id."""
    process = subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None  # noqa: S101  # it is a pipe
        yield int(process.stdout.readline()), process.pid
    finally:
        process.communicate()


def peak_mib(pid: int) -> float:
    """Return the most memory that a process has had, in MiB; 0 where the system does not tell."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        return 0.0
    lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
    return int(lines["VmHWM"].split()[0]) / _KIB_PER_MIB


def _port(url: str) -> int:
    return urlsplit(url).port or 0


def _cpu_s(pid: int) -> float:
    """Return user and system time of a process; 0 where the system does not tell."""
    stat = Path(f"/proc/{pid}/stat")
    if not stat.exists():
        return 0.0
    fields = stat.read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S
