"""`bookstore up`: quick, with something to sell, and the same shop after every restart."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from typing import TYPE_CHECKING, Any

from tests.support.markdown import code_words, document, section
from tests.support.shop import open_shop, run_command, wait_until

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

READY_S = 5.0
"""It is to be 2 s; a busy machine gets more."""

SAMPLE = [
    (1, "How to get a good grade in DOS in 40 minutes a day", "distributed systems"),
    (2, "RPCs for Noobs", "distributed systems"),
    (3, "Xen and the Art of Surviving Undergraduate School", "undergraduate school"),
    (4, "Cooking for the Impatient Undergrad", "undergraduate school"),
    (5, "How to finish Project 3 on time", "undergraduate school"),
    (6, "Why theory classes are so hard", "undergraduate school"),
    (7, "Spring in the Pioneer Valley", "travel"),
]


def test_an_empty_folder_becomes_a_shop(tmp_path: Path) -> None:
    """It is ready soon, sells the sample catalogue, and keeps its files to itself."""
    begin_s = time.monotonic()
    with open_shop(tmp_path / "shop") as shop:
        assert time.monotonic() - begin_s < READY_S
        assert list(shop.urls) == ["frontend", "catalog", "order"]
        for book_id, title, topic in SAMPLE:
            book = json.loads(shop.command("info", str(book_id), "--json").stdout)
            assert (book["title"], topic in book["topics"]) == (title, True)
            assert book["stock"] > 0
        counts = shop.request("GET", "/topics").json
        assert len(counts) >= 6
        found = shop.command("search", "Undergraduate  School", "-o", "json")
        assert {3, 4, 5, 6} <= {book["id"] for book in json.loads(found.stdout)}
        modes = {file.name: file.stat().st_mode & 0o777 for file in shop.data.iterdir()}
        assert shop.data.stat().st_mode & 0o777 == 0o700
        assert {modes[name] for name in ("catalog.db", "orders.db")} == {0o600}
        assert {modes[name] for name in ("admin.token", "service.token")} == {0o600}
        assert shop.stop() == 0
    assert not (tmp_path / "shop" / "shop.json").exists()


def test_the_folder_keeps_the_shop(tmp_path: Path) -> None:
    """After a clean stop all is there again, and the samples are not added a second time."""
    with open_shop(tmp_path / "shop") as shop:
        order = json.loads(shop.command("buy", "7", "-n", "3", "--json").stdout)
        assert shop.command("books", "delete", "40", "--yes").returncode == 0
        before = _books(shop.command("search", "travel", "--json").stdout)
        token = shop.token()
        assert shop.stop(signal.SIGINT) == 0
    with open_shop(tmp_path / "shop") as shop:
        assert _books(shop.command("search", "travel", "--json").stdout) == before
        shown = json.loads(shop.command("orders", "show", order["id"], "--json").stdout)
        assert {name: shown[name] for name in order} == order
        assert shop.command("info", "40").returncode == 5
        assert shop.token() == token
        assert shop.command("audit").returncode == 0


def test_all_of_the_folder_is_explained(tmp_path: Path) -> None:
    """What a shop, its tokens and a restore leave in the folder is what the README lists."""
    items = re.findall(
        r"^- .*(?:\n  .*)*", section(document("README.md"), "Running it"), re.MULTILINE
    )
    listed = {word for item in items for word in code_words(item) if "." in word or "…" in word}
    with open_shop(tmp_path / "shop") as shop:
        assert shop.command("token", "new", "admin").returncode == 0
        assert shop.command("db", "backup", str(tmp_path / "backup")).returncode == 0
        found = {path.name for path in shop.data.iterdir()}
        assert shop.stop() == 0
    run_command("--data", str(shop.data), "db", "restore", str(tmp_path / "backup"), check=True)
    found |= {path.name for path in shop.data.iterdir()}
    assert {re.sub("^replaced-.*", "replaced-…", name) for name in found} == listed


def test_a_lost_catalog_is_not_filled_with_samples(tmp_path: Path) -> None:
    """Where orders lie beside an empty catalog nothing is sold, until a repair gives it up."""
    with open_shop(tmp_path / "shop") as shop:
        order = json.loads(shop.command("buy", "7", "--json").stdout)
        assert shop.stop() == 0
    (tmp_path / "shop" / "catalog.db").unlink()
    with open_shop(tmp_path / "shop") as shop:
        assert shop.command("info", "1").returncode == 5
        assert shop.command("status").returncode == 9
        assert "The shop has lost its catalog.db" in shop.log
        assert "the catalog was lost" in shop.log
        refused = shop.command("reconcile")
        assert (refused.returncode, refused.stdout) == (8, "")
        assert "bookstore db restore DIR --only catalog" in refused.stderr
        assert shop.command("reconcile", "--dry-run").returncode == 8
        assert shop.command("audit").returncode == 8
        assert shop.command("reconcile", "--without-backup").returncode == 0
        assert shop.command("audit").returncode == 0
        assert shop.command("orders", "show", order["id"]).returncode == 0
        wait_until(lambda: shop.command("status").returncode == 0, what="the shop being ready")
        assert shop.command("buy", "7").returncode == 5
        assert shop.add_book(1) == 8


def test_lost_orders_are_missed_at_once(tmp_path: Path) -> None:
    """A shop that lost its orders opens, says so first, and is made whole while it runs."""
    with open_shop(tmp_path / "shop") as shop:
        order = json.loads(shop.command("buy", "7", "--json").stdout)
        assert "lost" not in shop.log
        assert shop.stop() == 0
    (tmp_path / "shop" / "orders.db").unlink()
    with open_shop(tmp_path / "shop") as shop:
        assert "The shop has lost its orders.db" in shop.log
        assert shop.command("orders", "show", order["id"]).returncode == 5
        assert shop.command("buy", "8").returncode == 0
        assert shop.command("reconcile").stdout.startswith("1 order made to agree")
        assert shop.command("orders", "show", order["id"]).returncode == 0
        assert shop.command("audit").returncode == 0


def _books(text: str) -> dict[int, Any]:
    return {book["id"]: book for book in json.loads(text)}


def test_a_killed_server_comes_back(tmp_path: Path) -> None:
    """The command needs no help: each server is restarted, and a purchase waits for it."""
    with open_shop(tmp_path / "shop") as shop:
        for server in ("catalog", "order", "frontend"):
            before = shop.pids()
            shop.kill(server)
            bought = shop.command("buy", "2", "--timeout", "20")
            assert bought.returncode == 0, bought.stderr
            wait_until(lambda server=server, before=before: shop.pid(server) != before[server])
            others = {name: pid for name, pid in shop.pids().items() if name != server}
            assert others.items() <= before.items()
            wait_until(lambda: shop.command("status").returncode == 0, what="the shop being ready")
        assert shop.request("GET", "/info/2").json["version"] == 1 + 3


def test_a_folder_has_one_shop(tmp_path: Path) -> None:
    """A second shop on a folder is refused at once and says whose it is; the first goes on."""
    with open_shop(tmp_path / "shop") as shop:
        assert shop.process is not None
        begin_s = time.monotonic()
        second = shop.command("up", "--port", "0")
        assert time.monotonic() - begin_s < READY_S
        assert (second.returncode, second.stdout) == (9, "")
        assert second.stderr == (
            f"Error: The shop in {shop.data} is open already (process {shop.process.pid})."
            " Stop that first, or choose another folder with --data.\n"
        )
        for server in ("catalog", "order"):
            single = shop.command("serve", server, "--port", "0")
            assert single.returncode == 9
            assert f"already in use by process {shop.pid(server)}. Stop it first" in single.stderr
        assert shop.command("buy", "1").returncode == 0


def test_serve_takes_settings_from_option_environment_and_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An option beats the environment, that the file; a wrong one is named, with where it stood."""
    file = tmp_path / "shop.toml"
    file.write_text('currency = "lira"\n')
    data = ("--data", str(tmp_path / "shop"))
    from_file = run_command(*data, "serve", "catalog", "--config", str(file))
    assert (from_file.returncode, from_file.stdout) == (8, "")
    assert f"file {file}: currency: 'lira'" in from_file.stderr
    monkeypatch.setenv("BOOKSTORE_PORT", "70000")
    from_environment = run_command(*data, "serve", "catalog")
    assert from_environment.returncode == 8
    assert "environment BOOKSTORE_PORT: port: '70000'" in from_environment.stderr
    assert run_command(*data, "serve", "catalog", "--port", "-1").returncode == 2
    assert not (tmp_path / "shop").exists()


def test_a_shop_survives_whoever_watched_it(tmp_path: Path) -> None:
    """A SIGHUP, as a closed terminal sends it, stops the shop as cleanly as SIGTERM."""
    with open_shop(tmp_path / "shop") as shop:
        pids = shop.pids()
        assert shop.stop(signal.SIGHUP) == 0
    for pid in pids.values():
        wait_until(lambda pid=pid: not _runs(pid), what="the end of all servers")


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
