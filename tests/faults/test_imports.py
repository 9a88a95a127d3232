"""Imports while customers purchase, servers die and clients go: every row goes in once."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from tests.faults.load import (
    assert_audit_is_clean,
    assert_no_traceback,
    assert_nothing_is_wrong,
    load_on,
)
from tests.support.serving import served_shop
from tests.support.shop import PATIENCE_S, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.shop import Reply, Shop

KEY = "a-key-of-an-import"
ROWS = 6000
TOPIC = "imported"


def row(number: int) -> bytes:
    """Return a row of its own."""
    book = {"title": f"Row {number}", "authors": ["A"], "price": "1.00", "stock": number}
    return json.dumps({**book, "topics": [TOPIC]}).encode() + b"\n"


def send(shop: Shop, body: bytes, key: str = KEY) -> Reply:
    """Import a body that is there as a whole."""
    headers = {"Content-Type": "application/x-ndjson", "Idempotency-Key": key}
    return shop.request("POST", "/books/import", body, headers, admin=True)


def imported(shop: Shop) -> int:
    """Return how many books of the imports there are."""
    topics = shop.request("GET", "/topics").json
    return next((int(each["count"]) for each in topics if each["topic"] == TOPIC), 0)


def titles(shop: Shop) -> list[str]:
    """Return the titles of the imported books, in the order of their ids."""
    found: list[str] = []
    after = 0
    while page := shop.request(
        "GET", f"/books?limit=5000&after={after}", server="catalog", admin=True
    ).json:
        found += [book["title"] for book in page if TOPIC in book["topics"]]
        after = page[-1]["id"]
    return found


def expected(count: int = ROWS) -> list[str]:
    """Return the titles of so many rows."""
    return [f"Row {number}" for number in range(count)]


@contextlib.contextmanager
def upload(shop: Shop) -> Iterator[socket.socket]:
    """Begin an import whose body goes in chunks over a connection of the test's own."""
    url = urlsplit(shop.urls["frontend"])
    head = (
        "POST /books/import HTTP/1.1\r\nHost: shop\r\nContent-Type: application/x-ndjson\r\n"
        f"Idempotency-Key: {KEY}\r\nAuthorization: Bearer {shop.token()}\r\n"
        "Transfer-Encoding: chunked\r\n\r\n"
    )
    with socket.create_connection((url.hostname or "", url.port or 0), PATIENCE_S) as line:
        line.sendall(head.encode())
        yield line


def chunk(data: bytes) -> bytes:
    """Return a chunk of a body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def answer(line: socket.socket) -> dict[str, Any]:
    """Return the body of the one answer that comes."""
    data = b""
    while b"\r\n\r\n" not in data or not data.endswith(b"}"):
        part = line.recv(65536)
        assert part, data
        data += part
    told: dict[str, Any] = json.loads(data.partition(b"\r\n\r\n")[2])
    return told


async def test_an_import_beside_purchases(shop: Shop) -> None:
    """Both go on together; each row is a book, and books, orders and ledger agree."""
    body = b"".join(map(row, range(ROWS)))
    async with load_on(shop, seed=1) as load:
        await load.until_answered(50)
        before = len(load.stories)
        said = await asyncio.to_thread(send, shop, body)
        bought = len(load.stories) - before
    assert (said.json["added"], said.json["refused"]) == (ROWS, 0)
    assert bought > 0, "purchases went on"
    assert await asyncio.to_thread(titles, shop) == expected()
    await assert_nothing_is_wrong(shop, load)


def test_the_catalog_is_killed(shop: Shop, tmp_path: Path) -> None:
    """The import goes on with the catalog that is started again; repeated, it adds nothing."""
    file = tmp_path / "books.ndjson"
    file.write_bytes(b"".join(map(row, range(ROWS))))
    command = [sys.executable, "-m", "bookstore_cli", "--data", str(shop.data)]
    with subprocess.Popen(
        [*command, "books", "import", str(file), "--key", KEY, "--timeout", "30", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as importing:
        for goal in (200, 2000):
            wait_until(lambda goal=goal: _known(shop) >= goal, what="a part of it")
            pid = shop.pid("catalog")
            os.kill(pid, signal.SIGKILL)
            wait_until(lambda pid=pid: shop.pid("catalog") != pid, what="another catalog")
        out, err = importing.communicate(timeout=60)
    assert importing.returncode == 0, err
    told = json.loads(out)
    assert (told["read"], told["refused"]) == (ROWS, 0)
    assert titles(shop) == expected()
    again = send(shop, file.read_bytes()).json
    assert (again["added"], again["replayed"]) == (0, ROWS)
    assert titles(shop) == expected()
    assert_audit_is_clean(shop)
    assert_no_traceback(shop.log)


def _known(shop: Shop) -> int:
    """Return how many books were imported, as far as the catalog can be asked now."""
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        return imported(shop)
    return -1


def test_the_frontend_is_killed(shop: Shop, tmp_path: Path) -> None:
    """The command repeats a file by itself; each row goes in once."""
    file = tmp_path / "books.ndjson"
    file.write_bytes(b"".join(map(row, range(ROWS))))
    command = [sys.executable, "-m", "bookstore_cli", "--data", str(shop.data)]
    with subprocess.Popen(
        [*command, "books", "import", str(file), "--timeout", "30", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as importing:
        wait_until(lambda: _known(shop) >= 500, what="a part of it")
        shop.kill("frontend")
        out, err = importing.communicate(timeout=60)
    assert importing.returncode == 0, err
    told = json.loads(out)
    assert told["added"] + told["replayed"] == ROWS
    assert told["replayed"] >= 500
    assert titles(shop) == expected()
    assert_audit_is_clean(shop)


def test_a_client_that_goes(shop: Shop) -> None:
    """What was added stays, nothing is left of the request, and a repetition adds the rest."""
    with upload(shop) as line:
        line.sendall(chunk(b"".join(map(row, range(100))) + b'{"title"'))
        wait_until(lambda: imported(shop) >= 96, what="three batches")
    wait_until(lambda: _in_flight(shop) == 0, what="nothing under way")
    assert titles(shop) == expected(96)
    again = send(shop, b"".join(map(row, range(120)))).json
    assert (again["added"], again["replayed"]) == (24, 96)
    assert titles(shop) == expected(120)
    assert_audit_is_clean(shop)


def test_a_stop_holds_up_nothing(shop: Shop) -> None:
    """An import that waits for its client is ended with the line that it came to."""
    assert shop.process is not None
    with upload(shop) as line:
        line.sendall(chunk(b"\n\n" + b"".join(map(row, range(70)))))
        wait_until(lambda: imported(shop) >= 64, what="two batches")
        begin_s = time.monotonic()
        shop.process.send_signal(signal.SIGTERM)
        told = answer(line)
    assert shop.process.wait(PATIENCE_S) == 0
    assert time.monotonic() - begin_s < 10
    assert (told["status"], told["code"], told["line"]) == (504, "outcome_unknown", 66)


def test_a_stop_while_the_catalog_hangs(tmp_path: Path) -> None:
    """An import that waits for the catalog is ended too, while there is time to tell."""
    with served_shop(tmp_path / "shop") as served:
        served.start_all(sample="false", shutdown_s="3")
        shop = served.shop
        with upload(shop) as line:
            line.sendall(chunk(b"".join(map(row, range(40)))))
            wait_until(lambda: imported(shop) >= 32, what="a batch")
            with served.servers["catalog"].frozen():
                line.sendall(chunk(b"".join(map(row, range(40, 80)))))
                begin_s = time.monotonic()
                assert served.servers["frontend"].stop() == 0
                took_s = time.monotonic() - begin_s
                told = answer(line)
    assert took_s < 3
    assert (told["status"], told["code"], told["line"]) == (504, "outcome_unknown", 32)


def test_who_is_refused_sends_no_more(shop: Shop, tmp_path: Path) -> None:
    """The command hears at once that it may not, and does not send a long file to its end."""
    file = tmp_path / "books.ndjson"
    file.write_bytes(row(1) * 500_000)
    stranger = tmp_path / "admin.token"
    stranger.write_text("f" * 64 + "\n")
    stranger.chmod(0o600)
    done = shop.command("books", "import", str(file), "--token-file", str(stranger))
    assert done.returncode == 4, done.stderr
    assert imported(shop) == 0


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is looked up on Linux")
def test_memory_does_not_grow_with_it(shop: Shop) -> None:
    """Of a body of 60 MiB the frontend never has more than a little in memory."""
    long = b'{"title": "' + b"x" * 60_000 + b'"}\n'
    with upload(shop) as line:
        line.sendall(chunk(long))
        before_kb = _memory_kb(shop)
        for _ in range(1000):
            line.sendall(chunk(long))
        line.sendall(chunk(b"y" * 30_000_000 + b"\n") + chunk(row(0)) + b"0\r\n\r\n")
        told = answer(line)
        grown_kb = _memory_kb(shop) - before_kb
    assert (told["read"], told["added"], told["refused"]) == (1003, 1, 1002)
    assert told["problems_left_off"] == 2
    assert grown_kb < 16_000


def _memory_kb(shop: Shop) -> int:
    """Return the most memory that the frontend ever had."""
    status = Path(f"/proc/{shop.pid('frontend')}/status").read_text()
    (line,) = [each for each in status.splitlines() if each.startswith("VmHWM")]
    return int(line.split()[1])


def _in_flight(shop: Shop) -> int:
    """Return how many requests the frontend is answering, but for this one."""
    lines = shop.request("GET", "/metrics").body.decode().splitlines()
    (line,) = [each for each in lines if each.startswith("bookstore_requests_in_flight ")]
    return int(float(line.split()[1])) - 1
