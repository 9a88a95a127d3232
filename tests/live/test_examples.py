"""Every example in every help page works as it is printed, on a fresh shop."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from bookstore_cli.main import make_cli
from tests.support.shop import PATIENCE_S, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.shop import Shop


def _examples() -> list[str]:
    """Return the lines that stand after a `$` in the help pages, each once."""
    lines: dict[str, None] = {}
    for page in _help_pages(make_cli(), click.Context(make_cli(), info_name="bookstore")):
        block = page.partition("\nExamples:\n")[2]
        found = [line.strip()[2:] for line in block.splitlines() if line.startswith("  $ ")]
        lines.update(dict.fromkeys(found))
    return list(lines)


def _help_pages(command: click.Command, context: click.Context) -> Iterator[str]:
    yield command.get_help(context)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            assert child is not None
            yield from _help_pages(child, click.Context(child, context, info_name=name))


EXAMPLES = _examples()
SERVERS = [line for line in EXAMPLES if line.split()[1] in {"up", "serve"}]
RESTORE = "bookstore db restore"
# The tour has a shop of its own and its own tests.
# A backup is put back where no shop runs, which has tests of its own.
ELSEWHERE = [line for line in EXAMPLES if line.startswith(("bookstore demo", RESTORE))]
SHORT = [line for line in EXAMPLES if line not in ELSEWHERE and line not in SERVERS]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A PATH on which `bookstore` is the one of these sources."""
    folder = tmp_path_factory.mktemp("bin")
    script = folder / "bookstore"
    # An interrupt must reach Python itself, so the shell makes way for it.
    script.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m bookstore_cli "$@"\n')
    script.chmod(0o755)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


@pytest.fixture
def environ(path: str, shop: Shop) -> dict[str, str]:
    """What a person has who set BOOKSTORE_DATA to the shop's folder."""
    return {
        **os.environ,
        "PATH": path,
        "BOOKSTORE_DATA": str(shop.data),
        "PYTHONPATH": str(Path.cwd()),
    }


def test_there_are_examples() -> None:
    """All commands have some, so that the tests below have something to run."""
    words = {line.split()[1] for line in EXAMPLES}
    assert {*make_cli().list_commands(click.Context(make_cli()))} <= words
    assert len(SHORT) >= 24
    assert len(SERVERS) >= 4


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files of books that the examples name."""
    folder = tmp_path_factory.mktemp("files")
    book = {"title": "Emma", "authors": ["Jane Austen"], "price": "9.50", "stock": 3}
    (folder / "books.ndjson").write_text(json.dumps(book) + "\n")
    (folder / "books.csv").write_text("title,authors,price,stock\nEmma,Jane Austen,9.5,3\n")
    return folder


def typed(line: str, environ: dict[str, str], files: Path) -> subprocess.CompletedProcess[str]:
    """Run a line as it is typed into a shell."""
    return subprocess.run(
        ["/bin/sh", "-c", line],
        cwd=files,
        env=environ,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        stdin=subprocess.DEVNULL,
        check=False,
    )


@pytest.mark.parametrize("line", SHORT)
def test_an_example(line: str, environ: dict[str, str], files: Path) -> None:
    """It is typed into a shell as it stands, exits 0, and complains of nothing."""
    done = typed(line, environ, files)
    assert done.returncode == 0, done.stderr
    assert "Error" not in done.stderr
    quiet = line.split()[1:3] == ["books", "delete"]
    assert bool(done.stdout) != quiet


@pytest.mark.parametrize("line", SERVERS)
def test_an_example_that_serves(
    line: str, environ: dict[str, str], tmp_path: Path, shop: Shop
) -> None:
    """It serves until Ctrl-C, then exits 0. Only its ports are not the printed ones here."""
    environ |= {"BOOKSTORE_PORT": "0", "BOOKSTORE_ORDER_URL": shop.urls["order"]}
    if "frontend" not in line:
        # A frontend may join the servers of another; what has a database needs its own folder.
        environ["BOOKSTORE_DATA"] = str(tmp_path / "shop")
    ours = {"8080": "0", "http://127.0.0.1:8001": shop.urls["catalog"]}
    words = [ours.get(word, word) for word in shlex.split(line)]
    log = tmp_path / "log"
    with log.open("w") as output:
        process = subprocess.Popen(
            words,
            cwd=tmp_path,
            env=environ,
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
        )
    try:
        wait_until(lambda: _serves(log.read_text(), line), what="the server being up")
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_S) == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def _serves(log: str, line: str) -> bool:
    if line.split()[1] == "up":
        return all(f"\n{name} http://" in f"\n{log}" for name in ("frontend", "catalog", "order"))
    return "ready at" in log
