"""A token that the shop refuses: which it was, where it is from, and what to do about it."""

from __future__ import annotations

import json
import os
import threading
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest

from bookstore_cli.main import run
from tests.cli.conftest import TOKEN
from tests.cli.fake_frontend import answers, frontend, refuses

if TYPE_CHECKING:
    from pathlib import Path

OTHER = "1" * 64
HTTP_WORDS = "Send a valid token as `Authorization: Bearer …`."
REFUSES = refuses("unauthorized", HTTP_WORDS)


def id_of(token: str) -> str:
    """Return what `token list` calls a token."""
    return sha256(token.encode()).hexdigest()[:8]


@pytest.mark.parametrize(
    ("source", "token", "place", "advice"),
    [
        ("folder", TOKEN, "{folder}/admin.token", "with --data, or its token with --token-file"),
        ("option", OTHER, "{folder}/other.token", "--token-file, or leave it out"),
        (
            "file variable",
            OTHER,
            "{folder}/other.token, which BOOKSTORE_TOKEN_FILE names",
            "--token-file, or unset BOOKSTORE_TOKEN_FILE",
        ),
        ("variable", OTHER, "BOOKSTORE_ADMIN_TOKEN", "Set BOOKSTORE_ADMIN_TOKEN to the right one"),
    ],
)
def test_the_refused_token_is_named(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[Any],
    *,
    source: str,
    token: str,
    place: str,
    advice: str,
) -> None:
    """Wherever it came from: its place and its id are told, not HTTP's words, nor the secret."""
    other = folder / "other.token"
    other.write_text(OTHER)
    other.chmod(0o600)
    words = ["--data", str(folder), "orders", "list"]
    match source:
        case "option":
            words += ["--token-file", str(other)]
        case "file variable":
            monkeypatch.setenv("BOOKSTORE_TOKEN_FILE", str(other))
        case "variable":
            monkeypatch.setenv("BOOKSTORE_ADMIN_TOKEN", OTHER)
    with frontend(REFUSES) as shop:
        code = run([*words, "--url", shop.url])
    told = capfd.readouterr().err
    assert [each.headers["authorization"] for each in shop.requests] == [f"Bearer {token}"]
    assert code == 4
    where = place.format(folder=folder)
    assert f"{shop.url} refused the admin token (id {id_of(token)}) in {where}" in told
    assert advice in told
    assert "`bookstore token list`" in told
    assert "Bearer" not in told
    assert token not in told


def test_a_token_of_another_role_is_named(folder: Path, capfd: pytest.CaptureFixture[Any]) -> None:
    """That of the servers is known to the shop, and not enough."""
    with frontend(refuses("forbidden", HTTP_WORDS)) as shop:
        code = run(["--data", str(folder), "orders", "list", "--url", shop.url])
    told = capfd.readouterr().err
    assert code == 4
    assert f"knows the token (id {id_of(TOKEN)}) in {folder}/admin.token" in told
    assert "not one of staff" in told


def test_a_customer_at_the_wrong_door(folder: Path, capfd: pytest.CaptureFixture[Any]) -> None:
    """A command that sends no token says so where it is asked for one."""
    with frontend(REFUSES) as shop:
        code = run(["--data", str(folder), "info", "2", "--url", shop.url])
    told = capfd.readouterr().err
    assert code == 4
    assert f"{shop.url} wants a token, and this command sends none" in told
    assert "--url" in told


def test_an_audit_that_is_refused(folder: Path, capfd: pytest.CaptureFixture[Any]) -> None:
    """It asks catalog and order server, and names its token likewise."""
    with frontend(answers({}), REFUSES) as catalog, frontend(answers({}), REFUSES) as order:
        urls = ["--catalog-url", catalog.url, "--order-url", order.url]
        code = run(["--data", str(folder), "audit", *urls])
    told = capfd.readouterr().err
    assert code == 4
    assert f"refused the admin token (id {id_of(TOKEN)}) in {folder}/admin.token" in told


def test_a_program_is_told_the_problem_as_it_came(
    folder: Path, capfd: pytest.CaptureFixture[Any]
) -> None:
    """With --json the server's own object stands on stderr."""
    with frontend(REFUSES) as shop:
        run(["--data", str(folder), "orders", "list", "--url", shop.url, "--json"])
    told = json.loads(capfd.readouterr().err)
    assert (told["code"], told["detail"]) == ("unauthorized", HTTP_WORDS)


def test_a_variable_that_holds_no_token(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[Any]
) -> None:
    """It is not sent, and what to do is told."""
    monkeypatch.setenv("BOOKSTORE_ADMIN_TOKEN", "short")
    with frontend(REFUSES) as shop:
        code = run(["--data", str(folder), "orders", "list", "--url", shop.url])
    told = capfd.readouterr().err
    assert (code, shop.asked) == (4, [])
    assert "BOOKSTORE_ADMIN_TOKEN holds no token" in told
    assert "unset it" in told


def test_a_token_from_another_command(folder: Path, capfd: pytest.CaptureFixture[Any]) -> None:
    """A FIFO that was named is read, as the shell's <(pass show shop); in the folder it is none."""
    token = folder / "admin.token"
    token.unlink()
    os.mkfifo(token, 0o600)
    writer = threading.Thread(target=token.write_text, args=(TOKEN,))
    writer.start()
    with frontend(answers([])) as shop:
        words = ["--data", str(folder), "orders", "list", "--url", shop.url]
        given = run([*words, "--token-file", str(token)])
        writer.join()
        found = run(words)
    assert (given, found) == (0, 4)
    assert f"{token} is not a file" in capfd.readouterr().err
    assert [each.headers["authorization"] for each in shop.requests] == [f"Bearer {TOKEN}"]
