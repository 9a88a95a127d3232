"""What a terminal, or a pipe that closes, makes of a command."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.cli.fake_frontend import (
    BOOK,
    answers,
    frontend,
)

if TYPE_CHECKING:
    from pathlib import Path


ROW = {"id": 1, "title": "T", "authors": ["A"], "price": "1.00", "stock": 1}


def test_a_closed_pipe_is_quiet(folder: Path) -> None:
    """When the reader goes away the command ends without a word."""
    script = 'set -o pipefail; "$0" -m bookstore_cli search x --url "$1" | true'
    rows = [{**ROW, "title": "t" * 500}] * 2000
    with frontend(answers(rows)) as shop:
        done = subprocess.run(
            ["bash", "-c", script, sys.executable, shop.url],
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
    assert (done.returncode, done.stderr) == (0, "")


def _on_a_terminal(typed: str, *words: str) -> tuple[int, str]:
    """Run a command on a terminal of its own; return its exit code and what stood there."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "bookstore_cli", *words],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "COLUMNS": "80", "TERM": "xterm", "LANG": "C.UTF-8"},
    )
    os.close(theirs)
    os.write(ours, typed.encode())
    seen = b""
    while chunk := _chunk(ours):
        seen += chunk
    os.close(ours)
    return process.wait(30), seen.decode()


def _chunk(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux says so when the last writer has closed its side.
        return b""


def test_a_terminal_gets_a_table() -> None:
    """On a terminal the data stand in a table, and the title's escapes are visible."""
    with frontend(answers([{**ROW, "title": "Evil \x1b[2J title"}])) as shop:
        code, seen = _on_a_terminal("", "search", "x", "--url", shop.url)
    assert code == 0
    assert "Evil \\x1b[2J title" in seen
    assert "\t" not in seen


@pytest.mark.parametrize(("typed", "code"), [("n\n", 3), ("\n", 3), ("\x04", 3), ("y\n", 0)])
def test_a_terminal_is_asked_before_a_delete(folder: Path, typed: str, code: int) -> None:
    """Only a yes deletes; anything else is exit 3 and changes nothing."""
    with frontend(answers(BOOK), answers(None, 204)) as shop:
        words = ("books", "delete", "2", "--url", shop.url)
        token = ("--token-file", str(folder / "admin.token"))
        exited, seen = _on_a_terminal(typed, *words, *token)
    assert exited == code
    assert "Delete book 2, “RPCs for Noobs”, for good? [y/N]" in seen
    assert shop.asked == ["GET /books/2"] + ["DELETE /books/2"] * (code == 0)
