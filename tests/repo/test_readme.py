"""The README: what it shows is executed, what it lists is compared with the code.

Blocks of ``console`` are one session on a fresh shop, from the first to the last: each line
after a ``$`` is run by a shell, and what it prints is what stands below, where ``…`` is any
text within a line. Blocks of ``sh`` are scripts that are run on the same shop. Blocks of
``shell`` open shops and are only checked for what they name.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click
import pytest

from bookstore_cli.main import INTERRUPTED, make_cli
from servers.domain.errors import leaves
from servers.settings import DEFAULT_PORTS, Settings, load
from tests.support.markdown import ROOT, blocks, code_words, document, section, table
from tests.support.shop import Shop, clean_environ, open_shop
from tests.support.tables import tables

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

README = document("README.md")
PATIENCE_S = 60.0
MARK = "--- a line of the block ends here: "
LANGUAGES = {"console", "sh", "shell", "text", "toml"}


@dataclass(frozen=True)
class Line:
    """A line that a person types, and what is printed then."""

    typed: str
    printed: list[str]
    number: int


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """One fresh shop, as a newcomer has it."""
    with open_shop(tmp_path_factory.mktemp("readme") / "shop") as opened:
        yield opened


@pytest.fixture
def environ(shop: Shop, tmp_path: Path) -> dict[str, str]:
    """A shell in which `bookstore` is known and prints as on a terminal of 80 columns."""
    command = tmp_path / "bin" / "bookstore"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m bookstore_cli "$@"\n')
    command.chmod(0o755)
    return clean_environ() | {
        "PATH": f"{command.parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "PYTHONUTF8": "1",
        "COLUMNS": "80",
        "BOOKSTORE_DATA": str(shop.data),
        "BOOKSTORE_OUTPUT": "table",
    }


def _session() -> list[Line]:
    """Return the lines of all console blocks, in order."""
    found: list[Line] = []
    for block in blocks(README, "console"):
        for place, line in enumerate(block.text.splitlines()):
            if line.startswith("$ "):
                found.append(Line(line[2:], [], block.line + place))
            else:
                found[-1].printed.append(line)
    return found


def _run(script: str, environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        encoding="utf-8",
        check=False,
        timeout=PATIENCE_S,
        env=environ,
    )


def _trimmed(lines: list[str]) -> list[str]:
    """Return lines without the white space that nobody sees."""
    return "\n".join(line.rstrip() for line in lines).strip("\n").splitlines()


def _agrees(shown: list[str], printed: list[str]) -> bool:
    """Tell whether lines are as shown, ``…`` standing for any text within a line."""
    patterns = [re.escape(line).replace("…", ".*") for line in shown]
    return len(patterns) == len(printed) and all(
        re.fullmatch(pattern, line) for pattern, line in zip(patterns, printed, strict=True)
    )


def test_the_session_prints_what_is_shown(environ: dict[str, str]) -> None:
    """Typed on a fresh shop from top to bottom, every line prints what stands below it."""
    session = _session()
    assert len(session) >= 10
    # One shell for all, so that `$?` and variables are those of the line before.
    script = "code=0\n" + "".join(
        f"(exit $code)\n{line.typed}\ncode=$?\necho '{MARK}{line.number}'\n" for line in session
    )
    rest = _run(script, environ).stdout
    for line in session:
        printed, mark, rest = rest.partition(f"{MARK}{line.number}\n")
        assert mark, f"README.md:{line.number} did not end:\n{printed}"
        shown, got = _trimmed(line.printed), _trimmed(printed.splitlines())
        told = f"README.md:{line.number}: $ {line.typed}\nprinted:\n" + "\n".join(got)
        assert _agrees(shown, got), told


def test_the_scripts_run(environ: dict[str, str]) -> None:
    """Each script exits 0 on a shop that runs."""
    scripts = blocks(README, "sh")
    assert scripts
    for script in scripts:
        done = _run(f"set -eu\n{script.text}", environ)
        assert done.returncode == 0, f"README.md:{script.line}\n{done.stdout}"


def test_an_ellipsis_stays_within_its_line() -> None:
    """What compares the output of a block is not content with anything."""
    assert _agrees(["id  …", "a.b"], ["id  12", "a.b"])
    assert not _agrees(["id  …"], ["id  1", "2"])
    assert not _agrees(["a.b"], ["axb"])
    assert not _agrees(["one", "two"], ["one"])


def test_every_block_is_of_a_known_kind() -> None:
    """No block escapes these tests by a language that nobody runs."""
    assert {block.language for block in blocks(README)} == LANGUAGES


def test_pictures_fit_a_terminal() -> None:
    """Pictures and scripts have 80 columns at most."""
    for block in blocks(README):
        if block.language != "console":
            assert max(map(len, block.text.splitlines())) <= 80, f"README.md:{block.line}"


def _shell_lines() -> list[str]:
    return [line for block in blocks(README, "shell") for line in block.text.splitlines()]


def test_make_targets_are_there() -> None:
    """Whatever `make` is asked for in the README is a target of the Makefile."""
    targets = set(re.findall(r"^([a-z]+):", document("Makefile"), re.MULTILINE))
    named = set(re.findall(r"(?:`|^)make ([a-z]+)", README, re.MULTILINE))
    assert {"demo", "test", "up", "bench"} <= named <= targets


def test_commands_that_open_shops_are_accepted() -> None:
    """Every `bookstore` line that is not run is one that the command line understands."""
    named = [shlex.split(line)[1:] for line in _shell_lines() if line.startswith("bookstore ")]
    assert named
    cli = make_cli()
    root = click.Context(cli, info_name="bookstore")
    for words in named:
        name, command, rest = cli.resolve_command(root, words)
        assert command is not None
        command.make_context(name, rest, parent=root)


def test_the_settings_file_is_accepted(tmp_path: Path) -> None:
    """The TOML shown is read as settings."""
    (block,) = blocks(README, "toml")
    file = tmp_path / "shop.toml"
    file.write_text(block.text)
    settings = load({}, {}, file)
    assert (settings.port, settings.currency, settings.access_log) == (8080, "EUR", False)


def test_all_settings_are_listed() -> None:
    """The table names every setting that a file may have, with its default."""
    shown = {
        code_words(row[0])[0]: row[1].strip("`") for row in table(section(README, "Running it"))
    }
    defaults = load({"data": "/data"}, {})
    inner = {"admin_token", "service_token", "listen_fd", "ready_fd", "parent_pipe", "log_prefix"}
    known = set(Settings.__dataclass_fields__) - inner - {"sources"}
    assert set(shown) == known
    told = {
        "data": "the user's data folder",
        "port": ", ".join(str(port) for port in DEFAULT_PORTS.values()),
        "admin_token_file": "admin.token` in it",
        "service_token_file": "service.token` in it",
    }
    for name in known:
        value = getattr(defaults, name)
        plain = str(value).lower() if isinstance(value, bool) else str(value or "none")
        assert shown[name] == told.get(name, plain), name


def test_all_exit_codes_are_listed() -> None:
    """The table has every exit code of the command and, in its row, every code of the wire."""
    shown = {int(row[0]): set(code_words(row[2])) for row in table(section(README, "Exit codes"))}
    known: dict[int, set[str]] = {code: set() for code in (0, click.UsageError.exit_code, 3)}
    known[INTERRUPTED] = set()
    for error in leaves():
        known.setdefault(error.exit_code, set()).add(error.code)
    assert shown == known


def test_all_routes_are_listed() -> None:
    """The table has every route of the frontend and says which ones are for staff."""
    rows = {code_words(row[0])[0]: row[1] == "staff" for row in table(section(README, "Over HTTP"))}
    known = {
        f"{route.method} {re.sub(r':[a-z]+}', '}', route.path)}": bool(route.roles)
        for route in tables()["frontend"]
    }
    assert rows == known


def test_numbers_have_their_place() -> None:
    """What `make bench` printed stands between two marks, each once, in order."""
    assert re.search(r"<!-- bench -->\n.*<!-- /bench -->", README, re.DOTALL)
    assert README.count("<!-- bench -->") == README.count("<!-- /bench -->") == 1
