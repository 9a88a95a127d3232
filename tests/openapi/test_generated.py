"""Requests that schemathesis makes of the documents, good and bad, and every check it has.

`BOOKSTORE_CASES` in the environment of the tests says how many are made of each kind for each
route; a few by itself, so that all of it takes a part of a minute.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.shop import open_shop

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.shop import Shop

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CASES = int(os.environ.get("BOOKSTORE_CASES", "5"))
"""Read at import: the environment of a test is cleaned before it runs."""

ENOUGH = {"frontend": 700, "order": 300, "catalog": 1000}
"""How many requests there are at least; 2,000 together."""

_GENERATED = re.compile(r"^ *(\d+) generated, \1 passed", re.MULTILINE)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A shop of its own, as what is asked of it is nobody else's business."""
    with open_shop(tmp_path_factory.mktemp("generated") / "shop") as opened:
        yield opened


def generated(shop: Shop, server: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Let schemathesis ask one server for what its document says."""
    command = [
        *(sys.executable, "-m", "schemathesis.cli"),
        *("--config-file", str(HERE / "schemathesis.toml")),
        *("run", f"{shop.urls[server]}/openapi.json"),
        *("--header", f"Authorization: Bearer {shop.token()}"),
        *("--phases", "examples,coverage,fuzzing", "--checks", "all"),
        *("--max-examples", str(CASES), "--generation-deterministic"),
        *("--continue-on-failure", "--no-color", "--suppress-health-check", "all"),
    ]
    environ = {**os.environ, "SCHEMATHESIS_HOOKS": "tests.openapi.hooks", "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=folder, env=environ
    )


@pytest.mark.timeout(60 + 12 * CASES)
@pytest.mark.parametrize("server", ENOUGH)
def test_what_is_said_holds(shop: Shop, server: str, tmp_path: Path) -> None:
    """Good requests are answered as the document says, bad ones refused, none breaks a thing."""
    made = generated(shop, server, tmp_path)
    told = made.stdout + made.stderr
    assert made.returncode == 0, told
    count = _GENERATED.search(told)
    assert count is not None, told
    assert int(count[1]) >= ENOUGH[server], told
    assert "Traceback" not in shop.log
    assert shop.request("GET", "/readyz", server=server).status == 200


def test_the_shop_is_right_after_it(shop: Shop) -> None:
    """Stock, ledger and orders agree after whatever was asked for."""
    assert sum(ENOUGH.values()) >= 2000
    # The catalog was asked to sell for orders that no order server ever placed.
    shop.command("reconcile", check=True)
    proven = shop.command("audit")
    assert proven.returncode == 0, proven.stdout + proven.stderr
