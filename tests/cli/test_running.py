"""`status`, and the settings of `up` and `serve`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.cli.fake_frontend import (
    answers,
    closed_port,
    frontend,
    refuses,
)

if TYPE_CHECKING:
    from pathlib import Path

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
    assert (ran.code, ran.err) == (9, "")
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


@pytest.mark.parametrize("command", [("up",), ("serve", "frontend")])
@pytest.mark.parametrize(
    ("option", "value", "allowed"),
    [
        ("--port", "http", "a port from 0"),
        ("--port", "65536", "a port from 0"),
        ("--host", "", "a host name or an address"),
        ("--host", "a b", "a host name or an address"),
        ("--tls-cert", "", "a path"),
        ("--tls-cert", "no.pem", "does not exist"),
        ("--tls-cert", ".", "is a directory"),
        ("--tls-cert", "pyproject.toml", "without tls_key: TLS needs both"),
        ("--tls-key", "", "a path"),
        ("--tls-key", "no.pem", "does not exist"),
        ("--tls-key", "pyproject.toml", "without tls_cert: TLS needs both"),
        ("--config", "", "does not exist"),
        ("--config", "no.toml", "does not exist"),
        ("--data", "", "a folder"),
        ("--ca-file", "", "a path"),
        ("--token-file", "", "a path"),
    ],
)
def test_a_bad_option_of_a_server_is_exit_2(
    bookstore: Bookstore, command: tuple[str, ...], option: str, value: str, allowed: str
) -> None:
    """What was typed wrongly is told as of any command: its option, and what is allowed."""
    ran = bookstore(*command, option, value)
    assert ran.code == 2
    assert f"Usage: bookstore {command[0]} " in ran.err
    assert f"'{option}'" in ran.err
    assert allowed in ran.err


@pytest.mark.parametrize(
    ("option", "value", "allowed"),
    [
        ("--log-level", "loud", "one of debug, info, warning and error"),
        ("--log-level", "", "one of debug, info, warning and error"),
        ("--catalog-url", "here", "a URL"),
        ("--catalog-url", "http://host/path", "a URL of scheme, host and port alone"),
        ("--order-url", "", "a URL"),
        ("--order-url", "http://host/path", "a URL of scheme, host and port alone"),
    ],
)
def test_a_bad_option_of_serve_alone_is_exit_2(
    bookstore: Bookstore, option: str, value: str, allowed: str
) -> None:
    """Likewise for what only one server by itself is told."""
    ran = bookstore("serve", "order", option, value)
    assert ran.code == 2
    assert f"Invalid value for '{option}': " in ran.err
    assert allowed in ran.err


def test_up_needs_three_ports(bookstore: Bookstore) -> None:
    """A first port that leaves no room for two more is a mistake of usage."""
    ran = bookstore("up", "--port", "65534")
    assert ran.code == 2
    assert "65533: catalog and order take the next two" in ran.err


@pytest.mark.parametrize(("variable", "value"), [("HOST", "a b"), ("LOG_LEVEL", "loud")])
def test_a_bad_variable_is_exit_8(
    bookstore: Bookstore, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    """What stands wrongly in the environment was not typed: the variable is named instead."""
    monkeypatch.setenv(f"BOOKSTORE_{variable}", value)
    ran = bookstore("up")
    assert ran.code == 8
    assert f"BOOKSTORE_{variable}" in ran.err
    assert "Usage:" not in ran.err


def test_a_port_in_use_is_named(bookstore: Bookstore) -> None:
    """`up` and `serve` on a port that is taken say which, and exit 9."""
    with frontend(answers({})) as other:
        port = other.url.rpartition(":")[2]
        for words in (("up",), ("serve", "catalog")):
            ran = bookstore(*words, "--port", port)
            assert ran.code == 9
            assert f"Port {port} on 127.0.0.1 is in use" in ran.err


@pytest.mark.parametrize("kind", ["a FIFO", "a folder", "a link to nowhere", "unreadable"])
def test_a_lock_that_is_no_file_is_named(bookstore: Bookstore, folder: Path, kind: str) -> None:
    """What lies in the place of the lock is told with what to do, and no bug."""
    lock = folder / "shop.lock"
    match kind:
        case "a FIFO":
            os.mkfifo(lock, 0o600)
        case "a folder":
            lock.mkdir(0o700)
        case "a link to nowhere":
            lock.symlink_to(folder / "gone" / "shop.lock")
        case _:
            lock.touch(0o000)
            if os.access(lock, os.R_OK):
                pytest.skip("this user may read whatever there is")
    ran = bookstore("up", "--port", "0")
    assert ran.code == 8
    assert f"The lock {lock} cannot be used" in ran.err
    assert "remove it and start again" in ran.err


def inside_shell(redirection: str, *words: str) -> list[str]:
    """Return the command line of our command with a redirection, as a person would type it."""
    return ["sh", "-c", f'exec "$@" {redirection}', "sh", sys.executable, *words]


@pytest.mark.parametrize("redirection", ["</dev/null", "<&-"])
@pytest.mark.parametrize("command", [("up",), ("serve", "catalog")])
def test_a_parent_without_a_pipe_is_named(
    tmp_path: Path, command: tuple[str, ...], redirection: str
) -> None:
    """Who says that standard input ends with the parent, and gives none that can, exits 8."""
    words = ("-m", "bookstore_cli", *command, "--port", "0", "--data", str(tmp_path / "shop"))
    ended = subprocess.run(
        inside_shell(redirection, *words),
        env={**os.environ, "BOOKSTORE_PARENT_PIPE": "true"},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert ended.returncode == 8
    assert "BOOKSTORE_PARENT_PIPE: standard input is not a pipe" in ended.stderr
    assert "Unset the variable" in ended.stderr


def test_a_socket_that_was_not_given_is_named(
    bookstore: Bookstore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So is the number of a socket that the process does not have."""
    monkeypatch.setenv("BOOKSTORE_LISTEN_FD", "1048576")
    ran = bookstore("serve", "catalog")
    assert ran.code == 8
    assert "BOOKSTORE_LISTEN_FD: 1048576 is not a socket" in ran.err


def test_a_server_without_standard_input(tmp_path: Path) -> None:
    """A server that was started with standard input closed serves, and stops as any other."""
    words = ("-m", "bookstore_cli", "serve", "catalog", "--port", "0", "--data", str(tmp_path))
    with subprocess.Popen(
        inside_shell("<&-", *words), stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        assert any("ready at http://" in line for line in process.stderr)
        process.terminate()
        left = process.stderr.read()
    assert (process.returncode, left) == (0, "")


def test_a_catalog_that_is_open_elsewhere_is_named(tmp_path: Path) -> None:
    """A second catalog on one database says which process has it, and exits 9."""
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
    assert second.returncode == 9
    assert f"process {first.pid}" in second.stderr
