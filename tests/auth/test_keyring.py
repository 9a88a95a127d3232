"""A server that runs follows its token files."""

from __future__ import annotations

import errno
import logging
import os
from typing import TYPE_CHECKING

import pytest

from servers import settings
from servers.access import keyring, token_files, token_list, tokens
from servers.access.keyring import SEND_AFTER_LOOKS, Keyring
from servers.domain.errors import Unauthorized
from servers.web.auth import INSIDE, STAFF, Doors, Role
from servers.web.hop import Hop

if TYPE_CHECKING:
    from pathlib import Path

    from servers.settings import Settings


class OneServer:
    """The doors and the hop of one server, and the keyring that keeps them."""

    def __init__(self, folder: Path) -> None:
        self.settings: Settings = settings.load({"data": folder}, {})
        present = tokens.load(self.settings)
        self.doors = Doors({Role.ADMIN: present.admin, Role.SERVICE: present.service})
        self.hop = Hop("catalog", "http://127.0.0.1:1", present.service)
        self.keyring = Keyring(self.settings, present, self.doors, [self.hop])
        self.keyring.look()

    def lets_in(self, token: str) -> bool:
        """Say whether a token opens a door."""
        try:
            self.doors.admit(f"Bearer {token}", INSIDE | STAFF)
        except Unauthorized:
            return False
        return True

    def sends(self, token: str) -> bool:
        """Say whether a token is what the hop sends."""
        return f"Bearer {token}\r\n" in self.hop._head

    def new(self, role: str) -> str:
        """Make a token as the command does, and return it."""
        token_list.make(self.settings, role, 1_700_000_000_000, lambda _: None)
        return token_files.read(getattr(self.settings, f"{role}_token_file"))


@pytest.fixture
def server(tmp_path: Path) -> OneServer:
    """A server that runs."""
    return OneServer(tmp_path / "shop")


def test_a_new_token_is_let_in_at_the_next_look(server: OneServer) -> None:
    """The new one and the one before open the door, and a revoked one does not."""
    old = token_files.read(server.settings.admin_token_file)
    new = server.new("admin")
    assert not server.lets_in(new)
    server.keyring.look()
    assert server.lets_in(old)
    assert server.lets_in(new)
    token_list.revoke(server.settings, token_list.entry_of(old, "admin", 0).id)
    server.keyring.look()
    assert not server.lets_in(old)
    assert server.lets_in(new)


def test_a_new_service_token_is_sent_when_the_others_know_it(server: OneServer) -> None:
    """It is let in at once and sent some looks later."""
    old = token_files.read(server.settings.service_token_file)
    new = server.new("service")
    server.keyring.look()
    assert server.lets_in(new)
    for _ in range(SEND_AFTER_LOOKS - 1):
        assert server.sends(old)
        server.keyring.look()
    assert server.sends(old)
    server.keyring.look()
    assert server.sends(new)
    assert server.lets_in(old)


def test_what_has_not_changed_is_not_read(
    server: OneServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look at files that are as they were opens none of them."""
    monkeypatch.setattr(tokens, "load_again", None)
    server.keyring.look()
    monkeypatch.undo()
    new = server.new("admin")
    server.keyring.look()
    assert server.lets_in(new)


def test_a_damaged_file_changes_nothing(
    server: OneServer, caplog: pytest.LogCaptureFixture
) -> None:
    """A running server keeps its tokens, says once what is wrong, and shows none of them."""
    old = token_files.read(server.settings.admin_token_file)
    server.settings.admin_token_file.write_text("nonsense-that-is-secret")
    with caplog.at_level(logging.WARNING, keyring.__name__):
        server.keyring.look()
        server.keyring.look()
    assert server.lets_in(old)
    assert len(caplog.records) == 1
    assert "does not hold a token" in caplog.text
    assert "nonsense-that-is-secret" not in caplog.text


def test_what_passes_is_noticed(server: OneServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look that failed for want of a file descriptor is made up for by the next one."""
    new = server.new("admin")
    with monkeypatch.context() as patch:
        patch.setattr(os, "open", _no_descriptor)
        server.keyring.look()
        assert not server.lets_in(new)
    server.keyring.look()
    assert server.lets_in(new)


def _no_descriptor(*_: object, **__: object) -> None:
    raise OSError(errno.EMFILE, "Too many open files")


def test_files_that_are_gone(server: OneServer) -> None:
    """The servers keep the token they send; that of staff is only valid while it is somewhere."""
    service = token_files.read(server.settings.service_token_file)
    admin = token_files.read(server.settings.admin_token_file)
    server.settings.service_token_file.unlink()
    server.settings.admin_token_file.unlink()
    server.keyring.look()
    assert server.lets_in(service)
    assert server.sends(service)
    assert not server.lets_in(admin)


def test_ids_alone_are_logged(server: OneServer, caplog: pytest.LogCaptureFixture) -> None:
    """The log names the tokens by their ids."""
    with caplog.at_level(logging.INFO, keyring.__name__):
        new = server.new("admin")
        server.keyring.look()
    assert token_list.entry_of(new, "admin", 0).id in caplog.text
    assert new not in caplog.text
