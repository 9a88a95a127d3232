"""Many connections to a running server: little memory each, and files that run out."""

from __future__ import annotations

import contextlib
import os
import resource
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from servers.web.room import connections_within_files, raise_file_limit
from tests.support.raw import http_request, send_raw
from tests.support.serving import start_server
from tests.support.shop import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.serving import Served

ON_LINUX = pytest.mark.skipif(
    not hasattr(resource, "prlimit"), reason="only Linux shows and limits another process"
)
CONNECTIONS = 1500
MAX_BYTES_EACH = 40_000
LIVEZ = http_request("GET", "/livez")


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Served]:
    """The catalog, as a process of its own."""
    server = start_server("catalog", tmp_path / "shop", max_connections=str(CONNECTIONS))
    yield server
    server.kill()


@contextlib.contextmanager
def connections(server: Served, number: int) -> Iterator[list[socket.socket]]:
    """Open so many connections while the block runs."""
    url = urlsplit(server.url)
    raise_file_limit()
    with contextlib.ExitStack() as stack:
        yield [
            stack.enter_context(
                socket.create_connection((url.hostname or "", url.port or 0), timeout=10)
            )
            for _ in range(number)
        ]


def memory_bytes(server: Served) -> int:
    """Return how much memory a process has in use."""
    pages = Path(f"/proc/{server.process.pid}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def files(server: Served) -> int:
    """Return how many files a process has open."""
    return len(list(Path(f"/proc/{server.process.pid}/fd").iterdir()))


def cpu_s(server: Served) -> float:
    """Return the CPU seconds that a process has used."""
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def answers(server: Served) -> bool:
    """Say whether a new connection is answered."""
    with contextlib.suppress(OSError, AssertionError):
        return send_raw(server.url, LIVEZ).status == 200
    return False


@ON_LINUX
def test_idle_connections_cost_little(catalog: Served) -> None:
    """As many idle connections as there is room for; one more is told so; health is answered."""
    before = memory_bytes(catalog)
    with connections(catalog, CONNECTIONS) as opened:
        for each in opened:
            each.sendall(LIVEZ)
        for each in opened:
            assert each.recv(65536).startswith(b"HTTP/1.1 200 ")
        assert (memory_bytes(catalog) - before) / CONNECTIONS < MAX_BYTES_EACH
        assert answers(catalog)
        said = send_raw(catalog.url, http_request("GET", "/topics"))
        assert (said.status, said.headers["retry-after"]) == (503, "1")
        many = files(catalog)
    wait_until(lambda: files(catalog) < many - CONNECTIONS + 10, what="all are closed")
    assert answers(catalog)


@ON_LINUX
def test_no_more_files(catalog: Served) -> None:
    """A server that has run out of files lives on, does not spin, and answers when it has some."""
    limits = resource.prlimit(catalog.process.pid, resource.RLIMIT_NOFILE)
    room = files(catalog) + 20
    resource.prlimit(catalog.process.pid, resource.RLIMIT_NOFILE, (room, limits[1]))
    with connections(catalog, 100) as opened:
        served = 0
        for each in opened[:20]:
            with contextlib.suppress(OSError):
                each.sendall(LIVEZ)
                served += each.recv(65536).startswith(b"HTTP/1.1 200 ")
        assert served >= 5, "those that were taken are answered"
        before_s, started_s = cpu_s(catalog), time.monotonic()
        # What is measured is what it does in a while in which nobody asks anything.
        time.sleep(1.0)
        spent_s = cpu_s(catalog) - before_s
        assert spent_s < 0.5 * (time.monotonic() - started_s)
        assert catalog.process.poll() is None
    wait_until(lambda: answers(catalog), what="it answers again")


def test_room_within_the_limit_of_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections leave files free for databases and hops, however few there are."""
    for soft, wanted, allowed in ((20_000, 4096, 4096), (1024, 4096, 480), (256, 4096, 64)):
        monkeypatch.setattr(resource, "getrlimit", lambda _, soft=soft: (soft, soft))
        assert connections_within_files(wanted) == allowed
    infinite = resource.RLIM_INFINITY
    monkeypatch.setattr(resource, "getrlimit", lambda _: (infinite, infinite))
    assert connections_within_files(4096) == 4096
