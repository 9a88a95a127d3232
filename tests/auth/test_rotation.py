"""Exchanging tokens under a shop that runs, and that nobody else gets to see one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.shop import Shop, open_shop, run_command, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator


EXCHANGE = """
revoke="$0 -m bookstore_cli token revoke"
$revoke $($0 -m bookstore_cli token new service -o tsv | tail -n 1 | cut -f 4)
"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A running shop."""
    with open_shop(tmp_path_factory.mktemp("rotation") / "shop") as opened:
        yield opened


def status(shop: Shop, token: str, server: str = "frontend", path: str = "/orders") -> int:
    """Return how a server answers to a token."""
    headers = {"Authorization": f"Bearer {token}"}
    return shop.request("GET", path, headers=headers, server=server).status


def fields(output: str) -> list[str]:
    """Return the cells of the last line of a command's output."""
    return output.splitlines()[-1].split("\t")


def test_staff_exchange_their_token(shop: Shop) -> None:
    """The new one works at once, the old one until it is revoked, without a restart."""
    pids, old = shop.pids(), shop.token()
    made = fields(shop.command("token", "new", "admin", check=True).stdout)
    new = shop.token()
    assert new != old
    assert shop.command("orders", "list").returncode == 0
    assert [status(shop, token) for token in (old, new)] == [200, 200]
    revoked = shop.command("token", "revoke", made[3], check=True)
    assert fields(revoked.stdout)[:2] == [made[3], "admin"]
    wait_until(lambda: status(shop, old) == 401, within_s=2.0, what="the old token is refused")
    assert status(shop, new) == 200
    assert shop.pids() == pids


def test_the_servers_exchange_theirs_under_purchases(shop: Shop) -> None:
    """While the service token is exchanged and the old one revoked no purchase fails."""
    book = shop.add_book(1_000_000)
    old = shop.token("service")
    command = subprocess.Popen(
        [
            "sh",
            "-c",
            EXCHANGE,
            sys.executable,
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "BOOKSTORE_DATA": str(shop.data)},
    )
    answers = []
    while command.poll() is None:
        answers.append(shop.request("POST", f"/purchase/{book}").status)
    assert command.returncode == 0
    assert set(answers) == {201}
    wait_until(lambda: status(shop, old, "catalog", "/books") == 401, within_s=2.0)
    wait_until(lambda: status(shop, old, "order") == 401, within_s=2.0)
    assert shop.request("POST", f"/purchase/{book}").status == 201
    assert status(shop, shop.token("service"), "catalog", "/books") == 200


def test_new_tokens_outlive_a_restart(tmp_path: Path) -> None:
    """A shop that was closed knows both tokens when it opens again."""
    with open_shop(tmp_path / "shop") as opened:
        old = opened.token()
    run_command("--data", str(tmp_path / "shop"), "token", "new", "admin", check=True)
    with open_shop(tmp_path / "shop") as opened:
        assert [status(opened, token) for token in (old, opened.token())] == [200, 200]


def _processes() -> Iterator[tuple[str, bytes]]:
    """Yield the command line of every process, and the environment of those of the shop."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            yield f"{folder.name} cmdline", (folder / "cmdline").read_bytes()
        except OSError:
            continue


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="needs /proc, as on Linux")
def test_no_token_is_seen(shop: Shop) -> None:
    """No process list, log, output or error has a token, whatever is done with them."""
    secrets = {shop.token(), shop.token("service")}
    seen = []
    for words in (
        ("token", "new", "admin"),
        ("token", "new", "service", "--json"),
        ("token", "list", "--json"),
        ("token", "revoke", "00000000"),
        ("doctor", "--json"),
        ("status", "--json"),
        ("orders", "list"),
        ("books", "restock", "1", "+1"),
    ):
        done = shop.command(*words)
        seen += [done.stdout, done.stderr]
    secrets |= {shop.token(), shop.token("service")}
    for secret in secrets:
        status(shop, secret + "x")
        status(shop, secret, "catalog", f"/{secret[:8]}")
    seen += [
        shop.log,
        (shop.data / "tokens.json").read_text(),
        (shop.data / "shop.json").read_text(),
    ]
    processes = dict(_processes())
    assert any(b"serve\0catalog" in each for each in processes.values())
    seen += [each.decode(errors="replace") for each in processes.values()]
    environs = [Path(f"/proc/{pid}/environ").read_text() for pid in shop.pids().values()]
    assert len(secrets) == 4
    for secret in secrets:
        assert not [text for text in (*seen, *environs) if secret in text]
        assert not [text for text in seen if secret[8:40] in text]
