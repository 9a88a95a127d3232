"""A server is down or hangs: the command says which one, in time, and whether anything happened."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.support.books import ledger_of, orders_of
from tests.support.shop import run_command, wait_until

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.support.serving import ServedShop

TIMEOUT_S = 2.0
START_S = 4.0
"""What the command itself may take on a busy machine: starting Python, and printing."""

NOTICED_S = 4.0
"""A time-out that is long enough for the frontend to notice that another server hangs."""

UNREACHABLE, UNKNOWN = 9, 10


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


def _run(servers: ServedShop, *words: str, timeout_s: float = TIMEOUT_S) -> Ended:
    """Run a command against the frontend; it must keep its time-out."""
    url = servers.servers["frontend"].url
    begin_s = time.monotonic()
    done = run_command(
        *("--data", str(servers.data), "--url", url, "--timeout", str(timeout_s)), *words
    )
    assert time.monotonic() - begin_s < timeout_s + START_S
    assert "Traceback" not in done.stderr
    return Ended(done.returncode, done.stdout, done.stderr)


def _knows_of_loss(servers: ServedShop, server: str, lost: str) -> None:
    """Wait until a server has noticed that another does not answer."""

    def noticed() -> bool:
        said = servers.shop.request("GET", "/readyz", server=server)
        return said.status == 503 and lost in said.json["not_ready"]

    wait_until(noticed, what=f"{server} noticing that {lost} is gone")


@pytest.mark.parametrize("words", [("info", "1"), ("buy", "1"), ("orders", "list")])
def test_no_frontend(servers: ServedShop, words: Sequence[str]) -> None:
    """Nobody answers at the URL: exit 9, the frontend and its URL are named."""
    servers.servers["frontend"].kill()
    ended = _run(servers, *words)
    assert (ended.code, ended.out) == (UNREACHABLE, "")
    assert f"The frontend at {servers.servers['frontend'].url}" in ended.err
    assert "connection refused" in ended.err
    assert "bookstore up" in ended.err


@pytest.mark.parametrize(
    ("server", "words"), [("catalog", ("info", "1")), ("order", ("orders", "list"))]
)
def test_nobody_behind_a_read(servers: ServedShop, server: str, words: Sequence[str]) -> None:
    """A killed server behind the frontend: exit 9, and it is named."""
    servers.servers[server].kill()
    ended = _run(servers, *words)
    assert (ended.code, ended.out) == (UNREACHABLE, "")
    assert f"the {server} server" in ended.err


@pytest.mark.parametrize("server", ["order", "catalog"])
def test_a_purchase_that_cannot_begin(servers: ServedShop, server: str) -> None:
    """The loss of a server is known: exit 9, it is named, and no order was made."""
    book_id = servers.shop.add_book(5)
    servers.servers[server].kill()
    _knows_of_loss(servers, "frontend", server)
    if server == "catalog":
        _knows_of_loss(servers, "order", server)
    ended = _run(servers, "buy", str(book_id))
    assert (ended.code, ended.out) == (UNREACHABLE, "")
    assert f"the {server} server" in ended.err
    assert "repeat with" not in ended.err
    servers.start_all()
    assert orders_of(servers.shop, book_id) == []


@pytest.mark.parametrize("server", ["frontend", "order", "catalog"])
def test_a_server_that_hangs_in_a_purchase(servers: ServedShop, server: str) -> None:
    """Exit 10 with the key in time; the printed command then tells the one outcome."""
    book_id = servers.shop.add_book(5)
    ended, tries = Ended(UNREACHABLE, "", ""), 3
    # Where the hang is noticed before the purchase comes, nothing is begun.
    while ended.code == UNREACHABLE and tries:
        tries -= 1
        with servers.servers[server].frozen():
            ended = _run(servers, "buy", str(book_id), "-n", "2")
    assert (ended.code, ended.out) == (UNKNOWN, ""), ended.err
    assert re.search("may (or may not )?have been made|has not decided it in time", ended.err)
    again = re.search(r"^repeat with: bookstore (.+)$", ended.err, re.MULTILINE)
    assert again is not None, ended.err
    repeated = run_command(*again[1].split())
    assert repeated.returncode == 0, repeated.stderr
    sold = [entry for entry in ledger_of(servers.shop, book_id) if entry["kind"] == "sold"]
    assert [(entry["order_id"], entry["quantity"]) for entry in sold] == [
        (repeated.stdout.splitlines()[1].split("\t")[0], 2)
    ]


def test_a_catalog_that_hangs_is_named(servers: ServedShop) -> None:
    """A purchase that nobody decides, or that is not begun, says whom the shop waits for."""
    book_id = servers.shop.add_book(5)
    with servers.servers["catalog"].frozen():
        ended = _run(servers, "buy", str(book_id), timeout_s=NOTICED_S)
    assert ended.code in {UNREACHABLE, UNKNOWN}
    assert "the catalog server did not answer in time" in ended.err
    if ended.code == UNKNOWN:
        assert re.search("^catalog is not ready: ", ended.err, re.MULTILINE)


@pytest.mark.parametrize(
    ("server", "words"),
    [("frontend", ("info", "1")), ("catalog", ("info", "1")), ("order", ("orders", "list"))],
)
def test_a_server_that_hangs_in_a_read(
    servers: ServedShop, server: str, words: Sequence[str]
) -> None:
    """Exit 9 in time: a read that got no answer has changed nothing."""
    with servers.servers[server].frozen():
        ended = _run(servers, *words)
    assert (ended.code, ended.out) == (UNREACHABLE, "")
    assert f"The {server}" in ended.err or f"the {server} server" in ended.err


def test_others_are_unharmed(servers: ServedShop) -> None:
    """While the order server hangs, books are found; while the catalog does, orders are."""
    bought = _run(servers, "buy", "1", "-o", "json")
    assert bought.code == 0
    with servers.servers["order"].frozen():
        assert _run(servers, "info", "1").code == 0
        assert _run(servers, "search", "travel").code == 0
    with servers.servers["catalog"].frozen():
        assert bought.out.split('"')[3] in _run(servers, "orders", "list").out


def test_status_names_what_does_not_run(servers: ServedShop) -> None:
    """`status` on the frontend says which server behind it is missing, and exits 9."""
    assert _run(servers, "status").code == 0
    servers.servers["order"].kill()
    _knows_of_loss(servers, "frontend", "order")
    ended = _run(servers, "status")
    assert ended.code == UNREACHABLE
    assert "the order server cannot be reached" in ended.out
