"""A folder whose shop is not open: no other shop gets its purchases, nor its tokens."""

from __future__ import annotations

import fcntl
import json
import os
from typing import TYPE_CHECKING

import pytest

from bookstore_cli import running, session
from servers.shop_file import only_supervisor, write_shop_file
from servers.storage.sqlite_file import FileLock
from tests.cli.fake_frontend import answers, frontend

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Bookstore
    from tests.cli.fake_frontend import Frontend

BOOK = {"id": 1, "title": "Another shop's", "version": 1}


def at_the_usual_address(monkeypatch: pytest.MonkeyPatch, stranger: Frontend) -> None:
    """Let this frontend be where a shop usually is."""
    monkeypatch.setattr(session, "DEFAULT_URL", stranger.url)
    monkeypatch.setattr(running, "USUAL_URLS", {"frontend": stranger.url})


@pytest.mark.parametrize("words", [("info", 1), ("buy", 1), ("orders", "list"), ("status",)])
def test_nobody_else_is_asked(
    bookstore: Bookstore, story: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[object, ...]
) -> None:
    """Whoever listens at the usual address hears nothing; exit 9 says that the shop is closed."""
    with frontend(answers(BOOK)) as stranger:
        at_the_usual_address(monkeypatch, stranger)
        ran = bookstore(*words)
        assert ran.code == 9
        assert "not open" in ran.out + ran.err
        assert stranger.requests == []


def test_nobody_is_asked_for_a_shop_that_lost_its_catalog(
    bookstore: Bookstore, story: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Orders without a catalog are a shop too: no other one gets its token, or sells."""
    (story / "catalog.db").unlink()
    with frontend(answers(BOOK)) as stranger:
        at_the_usual_address(monkeypatch, stranger)
        for words in (("buy", 1), ("orders", "list")):
            ran = bookstore(*words)
            assert ran.code == 9
            assert "not open" in ran.err
        assert stranger.requests == []


def test_a_note_that_was_left_behind(
    bookstore: Bookstore, story: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is anybody asked where a shop that was killed had been."""
    with frontend(answers(BOOK)) as stranger:
        note = {"frontend": {"url": stranger.url, "pid": 2**22}, "supervisor_pid": 2**22}
        (story / "shop.json").write_text(json.dumps(note))
        assert bookstore("info", 1).code == 9
        assert stranger.requests == []


def test_a_note_whose_process_id_another_has(
    bookstore: Bookstore, story: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor where the supervisor's id has gone to another process; the lock tells them apart."""
    with frontend(answers(BOOK)) as stranger:
        write_shop_file(story, {"frontend": (stranger.url, 1)})
        assert bookstore("info", 1).code == 9
        assert stranger.requests == []
        with only_supervisor(story):
            assert bookstore("info", 1).code == 0


def test_a_shop_that_is_being_opened(bookstore: Bookstore, story: Path) -> None:
    """Nor until it is ready, where the note is that of a shop that was killed before."""
    lock = FileLock(story / "catalog.db")
    try:
        with frontend(answers(BOOK)) as stranger, only_supervisor(story):
            note = {"frontend": {"url": stranger.url, "pid": 2**22}, "supervisor_pid": 2**22}
            (story / "shop.json").write_text(json.dumps(note))
            assert bookstore("info", 1).code == 9
            write_shop_file(story, {"frontend": (stranger.url, 1)})
            assert bookstore("info", 1).code == 0
            assert len(stranger.requests) == 1
    finally:
        lock.release()


def test_a_question_does_not_keep_a_shop_from_being_opened(
    story: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who asks whether a shop is open has its lock for an instant; opening waits for that."""
    asking = os.open(story / "shop.lock", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(asking, fcntl.LOCK_SH)
    monkeypatch.setattr("time.sleep", lambda _seconds: os.close(asking))
    with only_supervisor(story):
        pass


def test_a_catalog_that_runs_by_itself(
    bookstore: Bookstore, story: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the folder's catalog is served, the usual address is asked, as in a container."""
    lock = FileLock(story / "catalog.db")
    try:
        with frontend(answers(BOOK)) as shop:
            at_the_usual_address(monkeypatch, shop)
            assert bookstore("info", 1).code == 0
    finally:
        lock.release()


def test_the_folder_of_the_settings(
    story: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The folder that the servers' settings name is the command's too; others beat it."""
    from bookstore_cli.main import run

    settings = tmp_path / "shop.toml"
    settings.write_text(f'data = "{story}"\n')
    monkeypatch.setenv("BOOKSTORE_CONFIG", str(settings))
    assert run(["audit"]) == 0
    monkeypatch.setenv("BOOKSTORE_DATA", str(tmp_path / "nowhere"))
    assert run(["audit"]) == 5
    settings.write_text("data =")
    monkeypatch.delenv("BOOKSTORE_DATA")
    assert run(["audit"]) == 8
    assert "shop.toml" in capfd.readouterr().err
