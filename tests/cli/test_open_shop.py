"""Commands that want a folder to themselves, while a shop is open there: one code for all."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from servers.shop_file import only_supervisor
from servers.storage.sqlite_file import FileLock

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Bookstore, Ran


@pytest.fixture
def backup(bookstore: Bookstore, story: Path) -> Path:
    """A backup of the shop."""
    target = story / "backup"
    assert bookstore("db", "backup", target).code == 0
    return target


def said(ran: Ran, *words: str) -> None:
    """Claim that nothing happened, exit 9, and that these words say why."""
    assert (ran.code, ran.out) == (9, "")
    assert all(word in ran.err for word in words), ran.err


def test_a_shop_that_is_open(bookstore: Bookstore, story: Path, backup: Path) -> None:
    """A second `up` and a restore say that it is open already; exit 9: later it may be closed."""
    with only_supervisor(story):
        said(bookstore("up", "--port", 0), "open already")
        said(bookstore("db", "restore", backup), "open already")


@pytest.mark.parametrize("name", ["catalog", "orders"])
def test_a_database_that_a_server_has(
    bookstore: Bookstore, story: Path, backup: Path, name: str
) -> None:
    """So do those that need a database which a server that was started alone has; exit 9."""
    server = {"catalog": "catalog", "orders": "order"}[name]
    with ExitStack() as stack:
        stack.callback(FileLock(story / f"{name}.db").release)
        said(bookstore("serve", server, "--port", 0), "in use")
        for words in (("db", "restore", backup), ("audit",), ("reconcile",)):
            said(bookstore(*words), "in use")


def test_a_folder_that_cannot_be_used(bookstore: Bookstore, story: Path, backup: Path) -> None:
    """That is no question of time: what was named is refused by both; exit 8."""
    below_a_file = story / "admin.token" / "shop"
    for words in (("up", "--port", 0), ("db", "restore", backup)):
        ran = bookstore("--data", below_a_file, *words)
        assert (ran.code, ran.out) == (8, "")
        assert str(below_a_file) in ran.err
