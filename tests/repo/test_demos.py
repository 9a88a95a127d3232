"""The scripts in `demos/`: each runs on a live shop, with `bookstore` on the path."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.shop import Shop, open_shop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Script = Callable[..., subprocess.CompletedProcess[str]]

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = sorted(path.name for path in (ROOT / "demos").glob("*.sh"))
PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """One shop for all scripts: they do not count on being alone."""
    with open_shop(tmp_path_factory.mktemp("demos") / "shop") as opened:
        yield opened


@pytest.fixture
def script(shop: Shop, tmp_path: Path) -> Script:
    """Run a script of `demos/` on the shop, as a person would from any folder."""
    command = tmp_path / "bin" / "bookstore"
    command.parent.mkdir()
    python = shlex.quote(sys.executable)
    command.write_text(f'#!/bin/sh\nexec {python} -m bookstore_cli "$@"\n')
    command.chmod(0o755)

    def call(name: str, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", str(ROOT / "demos" / name), *words],
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
            timeout=PATIENCE_S,
            cwd=tmp_path,
            env={
                **os.environ,
                "PATH": f"{command.parent}{os.pathsep}{os.environ['PATH']}",
                "PYTHONPATH": str(ROOT),
                "BOOKSTORE_DATA": str(shop.data),
            },
        )

    return call


def test_there_are_scripts() -> None:
    """The folder is found; the tests below are not about nothing."""
    assert len(SCRIPTS) >= 3


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_runs_and_ends_with_an_audit(script: Script, name: str) -> None:
    """It exits 0, and the last that it prints is that the shop is right."""
    done = script(name)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.match(r"audit ok: received \d+", done.stdout.splitlines()[-1])


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_is_plain_sh_that_stops_at_mistakes(name: str) -> None:
    """It can be started by its name, needs no more than a POSIX shell, and says -eu."""
    path = ROOT / "demos" / name
    lines = path.read_text().splitlines()
    assert lines[0] == "#!/bin/sh"
    assert "set -eu" in lines
    assert os.access(path, os.X_OK)


def test_a_retried_purchase_is_made_once(shop: Shop, script: Script) -> None:
    """The script asks twice with one key; the stock falls by one."""
    book_id = shop.add_book(stock=5)
    assert script("buy-with-retry.sh", str(book_id)).returncode == 0
    assert shop.request("GET", f"/books/{book_id}").json["stock"] == 4


@pytest.mark.parametrize(("stock", "deleted", "code"), [(0, False, 6), (1, True, 5)])
def test_a_final_refusal_is_not_retried(
    shop: Shop, script: Script, stock: int, deleted: bool, code: int
) -> None:
    """A script that purchases passes on that the book is sold out, or deleted."""
    book_id = shop.add_book(stock)
    if deleted:
        shop.request("DELETE", f"/books/{book_id}", headers={"If-Match": "*"}, admin=True)
    done = script("buy-with-retry.sh", str(book_id))
    assert done.returncode == code
    assert done.stderr.count("Error:") == 1


def test_restocking_twice_a_day_adds_one_parcel(shop: Shop, script: Script) -> None:
    """What is low gets ten copies, once, however often the script runs; the rest stays."""
    book = {"authors": ["Somebody"], "price": "1.00", "topics": ["parcels"]}
    ids = []
    for stock in (1, 7):
        made = shop.request("POST", "/books", {**book, "title": "B", "stock": stock}, admin=True)
        ids.append(made.json["id"])
    for _ in range(2):
        done = script("restock.sh", "parcels", "20")
        assert done.returncode == 0, done.stderr
    assert [shop.request("GET", f"/books/{each}").json["stock"] for each in ids] == [11, 17]
