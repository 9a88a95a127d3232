"""`token new`, `token list` and `token revoke`, on a shop that does not run."""

from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING

import pytest

from bookstore_cli.main import run
from tests.cli.conftest import TOKEN, needs_full_device, run_into_full_device
from tests.cli.fake_frontend import answers, frontend

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cli.conftest import Bookstore
    from tests.cli.fake_frontend import Frontend


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """No server runs here, for which a command would have to wait."""
    monkeypatch.setattr("time.sleep", lambda _: None)


def listed(bookstore: Bookstore) -> list[dict[str, object]]:
    """Return what `token list` says."""
    ran = bookstore("token", "list", "--json")
    assert ran.code == 0, ran.err
    rows: list[dict[str, object]] = json.loads(ran.out)
    return rows


@needs_full_device
def test_a_token_whose_row_cannot_be_written_is_told(bookstore: Bookstore, folder: Path) -> None:
    """Where the output takes nothing, the error says what was made, and what is invalid now."""
    first = listed(bookstore)[0]["id"]
    for words, done in (
        (("new", "admin"), f"The new admin token is in {folder / 'admin.token'}."),
        (("revoke", str(first)), f"The admin token {first} is not valid any more."),
    ):
        ran = run_into_full_device("token", *words, "--data", str(folder))
        assert ran.returncode == 1
        assert f"(No space left on device). {done}" in ran.stderr


def test_a_new_token_is_in_its_file_alone(bookstore: Bookstore, folder: Path) -> None:
    """It is told where the token is, and neither output has it."""
    ran = bookstore("token", "new", "admin", "--json")
    (made,) = json.loads(ran.out)
    secret = (folder / "admin.token").read_text().strip()
    assert ran.code == 0
    assert secret != TOKEN
    assert len(secret) == 64
    assert secret not in ran.out + ran.err
    assert f"in {folder / 'admin.token'}" in ran.err
    assert stat.S_IMODE((folder / "admin.token").stat().st_mode) == 0o600
    assert [row["id"] for row in listed(bookstore)] == [made["previous"], made["id"]]


def test_the_list_says_which_is_in_use(bookstore: Bookstore) -> None:
    """Of two tokens the newer one stands in the file."""
    bookstore("token", "new", "admin")
    assert [row["in_use"] for row in listed(bookstore)] == [False, True]


def test_one_more_ends_the_oldest_and_says_so(bookstore: Bookstore) -> None:
    """The third token leaves the second valid, and the first is named as gone."""
    first = listed(bookstore)[0]["id"]
    bookstore("token", "new", "admin")
    ran = bookstore("token", "new", "admin")
    assert f"Token {first} is not valid any more." in ran.err
    assert len(listed(bookstore)) == 2


def test_a_revoked_token_is_not_listed(bookstore: Bookstore) -> None:
    """Revoking by id takes the one before away; a second time it is not found."""
    first = listed(bookstore)[0]["id"]
    bookstore("token", "new", "admin")
    assert bookstore("token", "revoke", first).code == 0
    assert [row["in_use"] for row in listed(bookstore)] == [True]
    assert bookstore("token", "revoke", first).code == 5


def test_the_one_in_use_stays(bookstore: Bookstore) -> None:
    """Revoking the token in the file is refused with what to do first."""
    ran = bookstore("token", "revoke", listed(bookstore)[0]["id"])
    assert ran.code == 8
    assert "bookstore token new admin" in ran.err


@pytest.mark.parametrize(
    "words",
    [
        ("token", "revoke", "xyz"),
        ("token", "revoke", TOKEN),
        ("token", "revoke", "ABCDEF01"),
        ("token", "new", "public"),
        ("token", "new"),
    ],
)
def test_what_is_malformed_is_usage(bookstore: Bookstore, words: tuple[str, ...]) -> None:
    """An id that is none and a role that has no tokens exit 2."""
    assert bookstore(*words).code == 2


def test_a_token_of_the_environment_is_not_ours_to_change(
    bookstore: Bookstore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a variable has the token a new one would be in vain, and none is made."""
    monkeypatch.setenv("BOOKSTORE_ADMIN_TOKEN", "a" * 64)
    ran = bookstore("token", "new", "admin")
    assert ran.code == 8
    assert "BOOKSTORE_ADMIN_TOKEN" in ran.err
    assert "a" * 64 not in ran.err
    assert (folder / "admin.token").read_text().strip() == TOKEN
    assert "environment" in bookstore("token", "list").err


def test_a_named_file_gets_the_token(
    bookstore: Bookstore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The setting admin_token_file says where the token is kept."""
    elsewhere = tmp_path / "kept" / "staff.token"
    monkeypatch.setenv("BOOKSTORE_ADMIN_TOKEN_FILE", str(elsewhere))
    assert bookstore("token", "new", "admin").code == 0
    assert len(elsewhere.read_text().strip()) == 64


def test_an_open_file_is_refused(bookstore: Bookstore, folder: Path) -> None:
    """A token that others could read is not carried on as if nothing had happened."""
    (folder / "admin.token").chmod(0o644)
    ran = bookstore("token", "new", "admin")
    assert ran.code == 8
    assert f"chmod 600 {folder / 'admin.token'}" in ran.err


def test_the_command_takes_its_token_from_the_environment(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A malformed one is refused before anybody is asked, and is not shown."""
    monkeypatch.setenv("BOOKSTORE_ADMIN_TOKEN", "nearly-a-secret")
    assert run(["--data", str(folder), "orders", "list"]) == 4
    told = capfd.readouterr().err
    assert "BOOKSTORE_ADMIN_TOKEN" in told
    assert "nearly-a-secret" not in told


class FoldersOwn:
    """A folder whose note says where its shop is, and a shop that is another."""

    def __init__(self, folder: Path, own: Frontend, other: Frontend) -> None:
        note = {"frontend": {"url": own.url, "pid": 1}}
        (folder / "shop.json").write_text(json.dumps(note))
        self.folder, self.own, self.other = folder, own, other


@pytest.fixture
def shops(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FoldersOwn]:
    """Return the folder that is used where none is named, its own shop and another one."""
    monkeypatch.delenv("BOOKSTORE_DATA", raising=False)
    monkeypatch.setattr("platformdirs.user_data_dir", lambda _name: str(folder))
    with frontend(answers([])) as own, frontend(answers([])) as other:
        yield FoldersOwn(folder, own, other)


def test_the_folders_token_is_for_the_folders_shop(
    shops: FoldersOwn, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Another shop that is named hears nothing; the same one, named by its URL, is asked."""
    assert run(["orders", "list", "--url", shops.other.url]) == 4
    assert "--token-file" in capfd.readouterr().err
    monkeypatch.setenv("BOOKSTORE_URL", shops.other.url)
    assert run(["orders", "list"]) == 4
    note = shops.folder / "shop.json"
    written = note.read_text()
    for nonsense in ("{", '{"frontend": {"url": "nowhere"}}'):
        note.write_text(nonsense)
        assert run(["orders", "list"]) == 4
    assert shops.other.requests == []
    note.write_text(written)
    for url in (f"{shops.own.url}/", shops.own.url.replace("127.0.0.1", "localhost")):
        assert run(["orders", "list", "--url", url]) == 0


def test_a_token_that_was_named_goes_where_the_url_says(
    shops: FoldersOwn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever names the token or its folder, be it the usual one, means it for that shop."""
    token_file = str(shops.folder / "admin.token")
    orders = ["orders", "list", "--url", shops.other.url]
    assert run([*orders, "--token-file", token_file]) == 0
    assert run([*orders, "--data", str(shops.folder)]) == 0
    monkeypatch.setenv("BOOKSTORE_ADMIN_TOKEN", "a" * 64)
    assert run(orders) == 0
    sent = [request.headers["authorization"] for request in shops.other.requests]
    assert sent == [f"Bearer {TOKEN}", f"Bearer {TOKEN}", f"Bearer {'a' * 64}"]


def test_servers_without_a_note(shops: FoldersOwn) -> None:
    """Servers that were started one by one write no note: their folder's token is sent."""
    (shops.folder / "shop.json").unlink()
    assert run(["orders", "list", "--url", shops.other.url]) == 0
    assert len(shops.other.requests) == 1
