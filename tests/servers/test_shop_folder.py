"""Who else may look into the shop's folder."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest

from servers.access import shop_folder
from servers.settings import SettingsError
from tests.support.shop import open_shop, run_command

if TYPE_CHECKING:
    from pathlib import Path


def mode_of(path: Path) -> int:
    """Return the permission bits of a file or folder."""
    return stat.S_IMODE(path.stat().st_mode)


def test_files_that_are_open_are_closed(tmp_path: Path) -> None:
    """Each of the shop's files that others can open is closed, with a sentence; no other is."""
    for name in ("catalog.db", "orders.db-wal", "shop.json", "foreign.txt"):
        (tmp_path / name).touch()
        (tmp_path / name).chmod(0o664)
    told = shop_folder.guard(tmp_path)
    assert len(told) == 3
    assert f"{tmp_path / 'catalog.db'} was open to other users (mode 0664)" in told[0]
    modes = {path.name: mode_of(path) for path in tmp_path.iterdir()}
    assert modes.pop("foreign.txt") == 0o664
    assert set(modes.values()) == {0o600}
    assert shop_folder.guard(tmp_path) == []


def test_a_folder_for_others_is_refused(tmp_path: Path) -> None:
    """Where others may write nothing of the shop is safe, sticky bit or not."""
    (tmp_path / "something").touch()
    for mode in (0o777, 0o1777, 0o702, 0o770, 0o775, 0o720):
        tmp_path.chmod(mode)
        who = "this machine" if mode & stat.S_IWOTH else "its group"
        told = f"Every user of {who} may write into {tmp_path}.*chmod 700 {tmp_path}"
        with pytest.raises(SettingsError, match=told):
            shop_folder.guard(tmp_path)
    tmp_path.chmod(0o755)
    assert shop_folder.guard(tmp_path) == []


def test_an_empty_folder_becomes_the_shops(tmp_path: Path) -> None:
    """An empty folder, or none, is no reason to refuse: it is closed when the shop moves in."""
    tmp_path.chmod(0o777)
    assert shop_folder.guard(tmp_path) == []
    assert shop_folder.guard(tmp_path / "none") == []


@pytest.mark.parametrize("words", [("up",), ("serve", "catalog")], ids=" ".join)
def test_no_server_starts_there(tmp_path: Path, words: tuple[str, ...]) -> None:
    """The command says it in a sentence and exits 8."""
    (tmp_path / "something").touch()
    tmp_path.chmod(0o777)
    done = run_command("--data", str(tmp_path), *words, "--port", "0")
    assert done.returncode == 8
    assert "Every user of this machine may write into" in done.stderr


def test_all_of_an_open_shop_is_its_owners(tmp_path: Path) -> None:
    """Folder 0700, every file 0600, while it runs and after; a file that was open is named."""
    folder = tmp_path / "shop"
    with open_shop(folder) as shop:
        assert shop.request("POST", "/purchase/2").status == 201
        assert mode_of(folder) == 0o700
        running = {path.name: mode_of(path) for path in folder.iterdir()}
    assert {"catalog.db", "catalog.db-wal", "shop.json", "admin.token"} <= set(running)
    assert set(running.values()) == {0o600}
    (folder / "orders.db").chmod(0o644)
    with open_shop(folder) as shop:
        assert f"{folder / 'orders.db'} was open to other users" in shop.log
        assert mode_of(folder / "orders.db") == 0o600
