"""Help pages, and what a short command imports."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import click
import pytest

from bookstore_cli.main import LATE, make_cli
from tests.cli.fake_frontend import (
    BOOK,
    ORDER,
    ORDER_ID,
    answers,
    frontend,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cli.conftest import Bookstore


_ELSEWHERE = {"audit", "reconcile", "demo"}  # These have tests of their own.


def _commands(group: click.Group, words: tuple[str, ...]) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        if name in _ELSEWHERE:
            continue
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from _commands(command, (*words, name))
        yield " ".join((*words, name)), command


def test_every_help_page_ends_with_two_examples(bookstore: Bookstore) -> None:
    """Two lines of each page's `Examples:` block call this very command."""
    own = [(name, c) for name, c in _commands(make_cli(), ("bookstore",)) if hasattr(c, "examples")]
    assert len(own) >= 17
    for name, command in own:
        page = bookstore(*name.split()[1:], "--help").out
        block = page.partition("\nExamples:\n")[2].partition("\n\n")[0].splitlines()
        assert len(block) == 2, name
        assert all(line.startswith(f"  $ {name} ") or line == f"  $ {name}" for line in block), name
        assert command.help, name


def test_the_short_help_of_late_commands_is_their_own() -> None:
    """The line in the list of commands is the first line of the command's help."""
    known = {name.split()[1]: c for name, c in _commands(make_cli(), ("bookstore",))}
    for name, late in LATE.items():
        if name not in _ELSEWHERE:
            first = (known[name].help or "").partition("\n\n")[0].replace("\n", " ")
            assert first == late.short_help


def _python(code: str, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONDEVMODE"}
    return subprocess.run(
        [sys.executable, "-c", code, *words],
        capture_output=True,
        text=True,
        check=False,
        env={**clean, **environ},
        timeout=30,
    )


_IMPORTED = """
import sys
from bookstore_cli.main import run
run(sys.argv[1:])
heavy = {"aiohttp", "asyncio", "rich", "msgspec", "platformdirs", "uvloop", "apsw", "tomllib",
         "prometheus_client"}
print(*sorted(heavy & set(sys.modules)), file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("words", "value"),
    [
        (("info", "2"), BOOK),
        (("search", "x"), []),
        (("buy", "2"), ORDER),
        (("topics",), []),
        (("orders", "list", "--json"), []),
        (("orders", "cancel", ORDER_ID), ORDER),
        (("books", "restock", "2", "+1", "-o", "csv"), BOOK),
        (("books", "edit", "2", "--price", "1", "-o", "ndjson"), BOOK),
        (("books", "import", "/dev/null", "--format", "csv"), {"added": 0}),
        (("status",), {}),
    ],
)
def test_a_short_command_imports_nothing_heavy(
    folder: Path, words: tuple[str, ...], value: object
) -> None:
    """Piped one-shot commands load neither a web framework nor an event loop nor tables."""
    with frontend(answers(value)) as shop:
        token = ("--token-file", str(folder / "admin.token"))
        done = _python(_IMPORTED, *words, "--url", shop.url, *token)
    assert "Error" not in done.stderr
    assert done.stderr.splitlines()[-1] == ""


def test_help_imports_no_command() -> None:
    """The list of commands is printed without importing one of them."""
    code = _IMPORTED.replace('{"aiohttp"', '{"bookstore_cli.shop", "http.client", "aiohttp"')
    assert _python(code, "--help").stderr.strip() == ""
