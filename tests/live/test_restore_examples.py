"""The examples of `bookstore db restore`, which want a backup and a shop that does not run."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from tests.audit.keepers import tell_the_story
from tests.live.test_examples import ELSEWHERE, RESTORE, path, typed

__all__ = ["path"]

LINES = [line for line in ELSEWHERE if line.startswith(RESTORE)]


@pytest.mark.parametrize("line", LINES)
def test_an_example_of_restore(line: str, path: str, tmp_path: Path) -> None:
    """After a backup to the same place it exits 0 as it stands, and says what comes next."""
    folder = tmp_path / "shop"
    folder.mkdir(0o700)
    asyncio.run(tell_the_story(folder))
    backup = line.split()[3]
    environ = {
        **os.environ,
        "PATH": path,
        "HOME": str(tmp_path),
        "BOOKSTORE_DATA": str(folder),
        "PYTHONPATH": str(Path.cwd()),
    }
    done = typed(f"bookstore db backup {backup} && {line}", environ, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "restored" in done.stdout
    assert "bookstore up" in done.stderr


def test_restore_has_examples() -> None:
    """Both of its help page are tried above."""
    assert len(LINES) == 2
