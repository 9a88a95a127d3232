"""`status`, and the settings of `up` and `serve`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.cli.fake_frontend import (
    answers,
    closed_port,
    frontend,
    refuses,
)

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from tests.cli.conftest import Bookstore


def test_status_names_each_server(bookstore: Bookstore, folder: Path) -> None:
    """One server that is not ready makes exit 9, and its reason is shown."""
    wrong = refuses("unavailable", "Not ready: storage: disk full.")
    well = answers({"ready": True})
    with frontend(well, well) as good, frontend(well, wrong) as bad:
        gone = closed_port()
        urls = {"frontend": good.url, "catalog": bad.url, "order": gone}
        note = {name: {"url": url, "pid": 7} for name, url in urls.items()}
        (folder / "shop.json").write_text(json.dumps(note))
        ran = bookstore("status", "--json")
    rows = {row["server"]: row for row in json.loads(ran.out)}
    assert ran.code == 9
    assert [(row["live"], row["ready"]) for row in rows.values()] == [
        (True, True),
        (True, False),
        (False, False),
    ]
    assert rows["catalog"]["detail"] == "Not ready: storage: disk full."
    assert rows["order"]["detail"] == "connection refused"
    assert rows["frontend"]["pid"] == 7


def test_status_is_0_when_all_is_well(bookstore: Bookstore) -> None:
    """With --url only the frontend is asked."""
    with frontend(answers({})) as shop:
        ran = bookstore("status", "--url", shop.url)
    assert (ran.code, shop.asked) == (0, ["GET /livez", "GET /readyz"])
    assert ran.out.splitlines()[1] == f"frontend\t{shop.url}\t\ttrue\ttrue\t"


def test_a_misspelt_setting_is_named(bookstore: Bookstore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A setting that no server knows is refused before anything starts; exit 8."""
    monkeypatch.setenv("BOOKSTORE_POTR", "1")
    for words in (("up",), ("serve", "catalog")):
        ran = bookstore(*words)
        assert ran.code == 8
        assert "BOOKSTORE_POTR" in ran.err


def test_a_port_in_use_is_named(bookstore: Bookstore) -> None:
    """`up` on a port that is taken says which, and exits 8."""
    with frontend(answers({})) as other:
        port = other.url.rpartition(":")[2]
        ran = bookstore("up", "--port", port)
    assert ran.code == 8
    assert port in ran.err


def test_a_catalog_that_is_open_elsewhere_is_named(tmp_path: Path) -> None:
    """A second catalog on one database says which process has it, and exits 8."""
    command = [sys.executable, "-m", "bookstore_cli", "serve", "catalog", "--port", "0"]
    environ = {**os.environ, "BOOKSTORE_DATA": str(tmp_path / "shop")}
    with subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, text=True) as first:
        assert first.stderr is not None
        assert any("ready at http://" in line for line in first.stderr)
        second = subprocess.run(
            command, env=environ, capture_output=True, text=True, check=False, timeout=30
        )
        first.terminate()
        first.stderr.read()
    assert first.returncode == 0
    assert second.returncode == 8
    assert f"process {first.pid}" in second.stderr
