"""A command line to try: its exit code, what it prints, and a folder with a token."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest

from bookstore_cli.main import run
from tests.audit.conftest import told_story

__all__ = ["told_story"]

TOKEN = "0" * 64


@dataclass(frozen=True)
class Ran:
    """What a command did."""

    code: int
    out: str
    err: str


class Bookstore(Protocol):
    """Runs one command in this process, with a folder of its own."""

    def __call__(self, *words: object) -> Ran: ...


FULL = Path("/dev/full")
needs_full_device = pytest.mark.skipif(
    not FULL.exists(), reason="this system has no device that is always full"
)


def run_into_full_device(*words: str) -> subprocess.CompletedProcess[str]:
    """Run one command in a process of its own, with a standard output that takes nothing."""
    with FULL.open("w") as full:
        return subprocess.run(
            [sys.executable, "-m", "bookstore_cli", *words],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("BOOKSTORE_") or name == "NO_COLOR":
            monkeypatch.delenv(name)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A shop's folder with an admin token."""
    token = tmp_path / "admin.token"
    token.write_text(TOKEN + "\n")
    token.chmod(0o600)
    return tmp_path


@pytest.fixture
def story(told_story: Path, folder: Path) -> Path:
    """The command's folder, with a stopped shop in it."""
    shutil.copytree(told_story, folder, dirs_exist_ok=True)
    return folder


@pytest.fixture
def bookstore(folder: Path, capfd: pytest.CaptureFixture[Any]) -> Bookstore:
    """Run one command in this process, with a folder of its own.

    The folder's token is named, as it is for whoever keeps it for a shop elsewhere.
    """
    place = ("--data", folder, "--token-file", folder / "admin.token")

    def call(*words: object) -> Ran:
        capfd.readouterr()
        code = run([str(word) for word in (*place, *words)])
        captured = capfd.readouterr()
        return Ran(code, captured.out, captured.err)

    return call
