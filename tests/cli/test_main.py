"""Options, environment and folder: where a command finds what it works with."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from typing import TYPE_CHECKING

import pytest

from bookstore_cli import session as sessions
from tests.cli.conftest import FULL, TOKEN, needs_full_device, run_into_full_device
from tests.cli.fake_frontend import (
    BOOK,
    answers,
    frontend,
)
from tests.repo.modules import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Bookstore

_ENTRY = tomllib.loads((ROOT / "pyproject.toml").read_text())


@pytest.mark.parametrize(
    "words",
    [
        ("info", "0"),
        ("info", "01"),
        ("info", "+1"),
        ("info", "\u0661"),
        ("info", "1_0"),
        ("info", str(2**63)),
        ("info", " 1"),
        ("info",),
        ("buy", "1", "-n", "0"),
        ("buy", "1", "-n", "1000001"),
        ("buy", "1", "-n", "1.5"),
        ("buy", "1", "--key", "short"),
        ("buy", "1", "--key", "é" * 20),
        ("buy", "1", "--max-price", "1.234"),
        ("buy", "1", "--max-price", "-1"),
        ("buy", "1", "--version", "0"),
        ("orders", "show", "ABC"),
        ("orders", "show", "A" * 32),
        ("orders", "list", "--state", "lost"),
        ("books", "restock", "1"),
        ("books", "restock", "1", "5"),
        ("books", "restock", "1", "+5", "--count", "5"),
        ("books", "restock", "1", "--nonsense"),
        ("books", "edit", "1"),
        ("search", ""),
        ("search", "a", "--limit", "0"),
        ("search", "a", "--limit", "5", "--all"),
        ("search", "a", "--timeout", "nan"),
        ("search", "a", "--timeout", "0"),
        ("search", "a", "--url", "ftp://x"),
        ("search", "a", "--url", "http://user@x"),
        ("search", "a", "-o", "xml"),
        ("search", "a", "--data", ""),
        ("orders", "list", "--token-file", ""),
        ("search", "a", "--ca-file", ""),
        ("nonsense",),
    ],
)
def test_a_slip_in_the_command_line_is_exit_2(bookstore: Bookstore, words: tuple[str, ...]) -> None:
    """What is malformed never reaches the shop."""
    with frontend(answers(BOOK)) as shop:
        ran = bookstore("--url", shop.url, *words)
    assert (ran.code, ran.out, shop.asked) == (2, "", [])
    assert "Error: " in ran.err


def test_global_options_stand_before_or_after_the_command(bookstore: Bookstore) -> None:
    """An option after the name beats the one before it, and both beat the environment."""
    with frontend(answers(BOOK)) as shop:
        before = bookstore("--json", "--url", shop.url, "info", 2)
        after = bookstore("--json", "info", 2, "--url", shop.url, "-o", "tsv")
    assert json.loads(before.out) == BOOK
    assert after.out.startswith("id\t")


def test_the_environment_is_beaten_by_what_is_typed(
    bookstore: Bookstore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`BOOKSTORE_OUTPUT` and `BOOKSTORE_URL` hold until an option says otherwise."""
    with frontend(answers(BOOK)) as shop:
        monkeypatch.setenv("BOOKSTORE_URL", shop.url)
        monkeypatch.setenv("BOOKSTORE_OUTPUT", "csv")
        csv, listed = bookstore("info", 2), bookstore("--json", "info", 2)
    assert csv.out.startswith("id,")
    assert json.loads(listed.out) == BOOK


def test_the_url_comes_from_the_running_shop(bookstore: Bookstore, folder: Path) -> None:
    """Without --url the folder's own note says where the frontend is."""
    with frontend(answers(BOOK)) as shop:
        note = folder / "shop.json"
        note.write_text(json.dumps({"frontend": {"url": shop.url, "pid": 1}}))
        assert bookstore("info", 2).code == 0
    assert str(note) in bookstore("info", 2, "--timeout", "0.2").err


@pytest.mark.parametrize(
    ("note", "code"), [("{", 8), ("[]", 8), ('{"frontend": {"url": "gopher://x"}}', 8)]
)
def test_a_broken_note_is_named(bookstore: Bookstore, folder: Path, note: str, code: int) -> None:
    """A note that the shop did not write so is an error that names the file."""
    (folder / "shop.json").write_text(note)
    ran = bookstore("info", 2)
    assert ran.code == code
    assert str(folder / "shop.json") in ran.err


@pytest.mark.parametrize("words", [("status",), ("info", "1")], ids=" ".join)
def test_a_fifo_in_place_of_the_note(
    bookstore: Bookstore, folder: Path, words: tuple[str, ...]
) -> None:
    """Nobody waits for what might come out of it."""
    os.mkfifo(folder / "shop.json")
    ran = bookstore(*words)
    assert ran.code == 8
    assert f"{folder / 'shop.json'} is not what the shop writes" in ran.err


@pytest.mark.parametrize(
    ("content", "mode", "words"),
    [
        (None, 0o600, "cannot be read"),
        ("short", 0o600, "does not hold an admin token"),
        (TOKEN, 0o644, "chmod 600"),
    ],
)
def test_without_a_good_token_staff_commands_exit_4(
    bookstore: Bookstore, folder: Path, content: str | None, mode: int, words: str
) -> None:
    """A token that is missing, broken or open to others is never sent."""
    token = folder / "admin.token"
    token.unlink()
    if content is not None:
        token.write_text(content)
        token.chmod(mode)
    with frontend(answers([])) as shop:
        ran = bookstore("books", "ledger", 2, "--url", shop.url)
    assert (ran.code, shop.asked) == (4, [])
    assert words in ran.err


def test_a_bug_is_one_sentence(bookstore: Bookstore, monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody foresaw exits 1 without a traceback."""

    def broken(_self: object, **_options: object) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr(sessions.Session, "client", broken)
    ran = bookstore("info", 2)
    assert ran.code == 1
    assert ran.err.count("\n") == 1
    assert "ZeroDivisionError: oops" in ran.err


@pytest.mark.parametrize("way", ["python", "script"])
def test_ctrl_c_before_the_command_has_begun(tmp_path: Path, way: str) -> None:
    """Who thinks better of it while modules are still imported is told nothing; exit 130."""
    module, _, name = _ENTRY["project"]["scripts"]["bookstore"].partition(":")
    begun = {
        "python": ["-m", "bookstore_cli"],
        "script": ["-c", f"import {module}; {module}.{name}()"],
    }
    ctrl_c = "import os, signal; os.kill(os.getpid(), signal.SIGINT)"
    (tmp_path / "click.py").write_text(ctrl_c)
    ended = subprocess.run(
        [sys.executable, *begun[way], "search", "x"],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"},
        capture_output=True,
        check=False,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, b"", b"")


@pytest.mark.parametrize("words", [["--help"], ["buy", "--help"], ["--version"]])
def test_help_for_somebody_who_reads_none_of_it(words: list[str]) -> None:
    """`bookstore --help | true` is no bug of ours: nothing is said, and exit is 0."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        ended = subprocess.run(
            [sys.executable, "-m", "bookstore_cli", *words],
            stdout=writer,
            stderr=subprocess.PIPE,
            check=False,
        )
    finally:
        os.close(writer)
    assert (ended.returncode, ended.stderr) == (0, b"")


@needs_full_device
@pytest.mark.parametrize(
    ("words", "code"),
    [(["info", "x"], 2), (["--url", "http://127.0.0.1:1", "info", "2", "--timeout", "0.2"], 9)],
)
def test_words_that_cannot_be_written_cost_no_exit_code(words: list[str], code: int) -> None:
    """A script decides by the exit code, also where the disk of its log is full."""
    with FULL.open("wb") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "bookstore_cli", *words],
            stdout=subprocess.DEVNULL,
            stderr=full,
            check=False,
        )
    closed = ["sh", "-c", 'exec "$@" 2>&-', "sh", sys.executable, "-m", "bookstore_cli", *words]
    assert ended.returncode == code == subprocess.run(closed, check=False).returncode


@needs_full_device
@pytest.mark.parametrize("words", [["--help"], ["--version"], ["info", "--help"]])
def test_a_full_device_is_no_bug(words: list[str]) -> None:
    """What cannot be written is said, in a sentence."""
    ended = run_into_full_device(*words)
    assert ended.returncode == 1
    assert ended.stderr == "Error: The output cannot be written (No space left on device).\n"
