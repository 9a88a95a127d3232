"""The token files of a shop."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from servers import settings
from servers.access import tokens

if TYPE_CHECKING:
    from pathlib import Path


def mode_of(path: Path) -> int:
    """Return the permission bits of a file or folder."""
    return stat.S_IMODE(path.stat().st_mode)


def test_tokens_are_made_once_and_stay(tmp_path: Path) -> None:
    """The first call makes two different tokens of 64 digits, the next ones read them."""
    made = tokens.ensure(tmp_path / "shop")
    assert re.fullmatch(r"[0-9a-f]{64}", made.admin)
    assert re.fullmatch(r"[0-9a-f]{64}", made.service)
    assert made.admin != made.service
    assert tokens.ensure(tmp_path / "shop") == made


def test_only_the_owner_can_read_them(tmp_path: Path) -> None:
    """Files are 0600, a new folder is 0700, and an empty one becomes so."""
    empty = tmp_path / "empty"
    empty.mkdir()
    empty.chmod(0o755)
    for folder in (tmp_path / "new" / "shop", empty):
        tokens.ensure(folder)
        assert mode_of(folder) == 0o700
        assert mode_of(folder / "admin.token") == mode_of(folder / "service.token") == 0o600


def test_a_folder_with_content_keeps_its_mode(tmp_path: Path) -> None:
    """A folder that holds something else is not closed to those who use that."""
    (tmp_path / "other.txt").touch()
    tmp_path.chmod(0o755)
    tokens.ensure(tmp_path)
    assert mode_of(tmp_path) == 0o755


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_file_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    """A token that others may read or write is not used, and the sentence says how to close it."""
    tokens.ensure(tmp_path)
    path = tmp_path / "admin.token"
    path.chmod(mode)
    with pytest.raises(tokens.TokenError, match=f"chmod 600 {re.escape(str(path))}"):
        tokens.ensure(tmp_path)


@pytest.mark.parametrize("text", ["", "short\n", "F" * 64, "0" * 65, "0" * 64 + "\n" + "1" * 64])
def test_a_file_without_a_token_is_refused(tmp_path: Path, text: str) -> None:
    """Anything but one line of 64 digits is refused and never shown."""
    path = tmp_path / "admin.token"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(tokens.TokenError, match="does not hold a token") as refused:
        tokens.read(path)
    assert not text or text not in str(refused.value)
    assert "bookstore token new admin" in str(refused.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    """Reading makes nothing."""
    with pytest.raises(tokens.TokenError, match="cannot be read"):
        tokens.read(tmp_path / "admin.token")
    assert list(tmp_path.iterdir()) == []


def test_a_fifo_is_refused(tmp_path: Path) -> None:
    """A server reads the file again and again, and must not wait for somebody who writes."""
    path = tmp_path / "admin.token"
    os.mkfifo(path, 0o600)
    with pytest.raises(tokens.TokenError, match="is not a file"):
        tokens.read(path)


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    """A file in the place of the folder gives a sentence, no traceback."""
    (tmp_path / "file").touch()
    with pytest.raises(tokens.TokenError, match="cannot be made"):
        tokens.ensure(tmp_path / "file" / "shop")


def test_processes_that_begin_together_agree(tmp_path: Path) -> None:
    """Eight processes that make the tokens at once all get the same ones, and leave no drafts."""
    program = (
        "import sys, pathlib; from servers.access import tokens\n"
        "sys.stdin.read()\n"
        "made = tokens.ensure(pathlib.Path(sys.argv[1])); print(made.admin, made.service)"
    )
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for _ in range(8)
    ]
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.close()
    answers = set()
    for racer in racers:
        assert racer.stdout is not None
        with racer.stdout as answer:
            answers.add(answer.read())
        assert racer.wait() == 0
    assert len(answers) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["admin.token", "service.token"]


def test_the_environment_can_carry_the_token(tmp_path: Path) -> None:
    """A token from the environment is used and leaves no file; the other one is made."""
    given = settings.load({"data": tmp_path}, {"BOOKSTORE_ADMIN_TOKEN": "a" * 64})
    assert tokens.load(given).admin == "a" * 64
    assert [path.name for path in tmp_path.iterdir()] == ["service.token"]


def test_a_file_that_was_named_must_be_there(tmp_path: Path) -> None:
    """A misspelt token file is an error, not a reason for a new token."""
    given = settings.load({"data": tmp_path, "admin_token_file": tmp_path / "typo"}, {})
    with pytest.raises(tokens.TokenError, match="typo cannot be read"):
        tokens.load(given)


def test_tokens_do_not_show_themselves(tmp_path: Path) -> None:
    """Printed by mistake, neither tokens nor settings give a token away."""
    made = tokens.ensure(tmp_path)
    given = settings.load({"data": tmp_path}, {"BOOKSTORE_ADMIN_TOKEN": made.admin})
    assert made.admin not in repr(made)
    assert made.admin not in repr(given)
