"""What is measured: a bare handler and a real shop, each as processes of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_STOCK = 10**9
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class Processes:
    """Some processes under load, and the port that the load goes to."""

    def __init__(self, port: int, pids: Sequence[int]) -> None:
        self.port = port
        self._pids = pids

    def cpu_s(self) -> float:
        """Return the CPU seconds that the processes have used so far, all together."""
        return sum(_cpu_s(pid) for pid in self._pids)


class Shop(Processes):
    """A real shop."""

    def __init__(self, folder: Path, port: int, pids: Sequence[int]) -> None:
        super().__init__(port, pids)
        self._folder = folder
        self._token = (folder / "admin.token").read_text().strip()
        self._connection = HTTPConnection("127.0.0.1", port)

    def add_book(self, title: str) -> int:
        """Add a book that never runs out; return its id."""
        book = {"title": title, "authors": ["A. Thor"], "price": "10.00", "stock": _STOCK}
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        self._connection.request("POST", "/books", json.dumps(book), headers)
        answer = json.loads(self._connection.getresponse().read())
        return int(answer["id"])

    def audit(self) -> str:
        """Return what `bookstore audit` says; raises where it finds a violation."""
        done = subprocess.run(
            [sys.executable, "-m", "bookstore_cli", "--data", str(self._folder), "audit"],
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()


@contextmanager
def open_bare() -> Iterator[Processes]:
    """Run the bare handler while the block does."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.bare"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None  # noqa: S101  # it is a pipe
        yield Processes(int(process.stdout.readline()), [process.pid])
    finally:
        process.communicate()


@contextmanager
def open_shop(folder: Path) -> Iterator[Shop]:
    """Run a shop while the block does, its log on, to a file."""
    with (folder / "shop.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "bookstore_cli", "--data", str(folder), "up", "--port", "0"],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        try:
            assert process.stdout is not None  # noqa: S101  # it is a pipe
            urls = dict(process.stdout.readline().split() for _ in range(3))
            note = json.loads((folder / "shop.json").read_text())
            pids = [note[name]["pid"] for name in ("frontend", "catalog", "order")]
            yield Shop(folder, urlsplit(urls["frontend"]).port or 0, pids)
        finally:
            process.terminate()
            process.communicate()


def _cpu_s(pid: int) -> float:
    """Return user and system time of a process; 0 where the system does not tell."""
    stat = Path(f"/proc/{pid}/stat")
    if not stat.exists():
        return 0.0
    fields = stat.read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S
