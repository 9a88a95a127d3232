"""The list of tokens on disk: making, listing, revoking, and what is refused."""

from __future__ import annotations

import json
import re
import stat
import subprocess
import sys
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest

from servers import settings
from servers.access import token_files, token_list, tokens

if TYPE_CHECKING:
    from pathlib import Path

    from servers.settings import Settings

NOW_MS = 1_700_000_000_000


def no_pause(_seconds: float) -> None:
    """Wait for nobody: no server runs here."""


@pytest.fixture
def shop(tmp_path: Path) -> Settings:
    """The settings of a shop whose two tokens were made as they always were."""
    given = settings.load({"data": tmp_path / "shop"}, {})
    tokens.load(given)
    return given


def digests(given: Settings, role: str) -> set[bytes]:
    """Return the digests of a role that a server which starts now lets in."""
    return {digest for of, digest in tokens.load(given).valid() if of == role}


def digest(secret: str) -> bytes:
    """Return the SHA-256 of a secret."""
    return sha256(secret.encode()).digest()


def test_an_old_folder_is_as_good_as_ever(shop: Settings) -> None:
    """Without a list the tokens in the two files are all, and starting makes no list."""
    names = sorted(path.name for path in shop.data.iterdir())
    assert names == ["admin.token", "service.token"]
    listed = token_list.valid(shop)
    assert [each.role for each in listed] == ["admin", "service"]
    assert digests(shop, "admin") == {digest(token_files.read(shop.admin_token_file))}


def test_a_new_token_takes_the_place_of_the_old_one(shop: Settings) -> None:
    """The file has the new one, both are valid, and the list has digests alone."""
    old = token_files.read(shop.admin_token_file)
    previous, made = token_list.make(shop, "admin", NOW_MS, no_pause)
    new = token_files.read(shop.admin_token_file)
    assert old != new
    assert digests(shop, "admin") == {digest(old), digest(new)}
    assert (previous.digest, made.digest) == (digest(old), digest(new))
    assert made.created_at == "2023-11-14T22:13:20.000Z"
    text = (shop.data / "tokens.json").read_text()
    assert old not in text
    assert new not in text


def test_the_third_ends_the_first(shop: Settings) -> None:
    """At most two of a role are valid; the other role is not touched."""
    service = digests(shop, "service")
    first = token_list.make(shop, "admin", NOW_MS, no_pause)[0]
    second = token_list.make(shop, "admin", NOW_MS + 1, no_pause)
    assert first.digest not in digests(shop, "admin")
    assert digests(shop, "admin") == {each.digest for each in second}
    assert len(second) == 2
    assert digests(shop, "service") == service


def test_a_revoked_token_is_gone(shop: Settings) -> None:
    """Revoking takes away the one that is named and no other."""
    previous, made = token_list.make(shop, "admin", NOW_MS, no_pause)
    assert token_list.revoke(shop, previous.id).digest == previous.digest
    assert digests(shop, "admin") == {made.digest}
    with pytest.raises(token_list.NoSuchTokenError, match=previous.id):
        token_list.revoke(shop, previous.id)


def test_the_token_in_use_cannot_be_revoked(shop: Settings) -> None:
    """Whoever uses the file would be locked out; the sentence says what to do instead."""
    current = token_list.current_of(shop, "service")
    assert current is not None
    with pytest.raises(token_files.TokenError, match="bookstore token new service"):
        token_list.revoke(shop, current.id)
    assert current.digest in digests(shop, "service")


def test_staff_may_keep_their_token_elsewhere(shop: Settings) -> None:
    """Where the list knows a token of staff, the file may be gone: no new one is made."""
    made = token_list.make(shop, "admin", NOW_MS, no_pause)
    shop.admin_token_file.unlink()
    assert digests(shop, "admin") == {each.digest for each in made}
    assert not shop.admin_token_file.exists()


def test_a_token_of_the_environment_is_the_only_one(shop: Settings) -> None:
    """A role that has its token in the environment has no other."""
    token_list.make(shop, "admin", NOW_MS, no_pause)
    given = settings.load({"data": shop.data}, {"BOOKSTORE_ADMIN_TOKEN": "a" * 64})
    assert digests(given, "admin") == {digest("a" * 64)}
    assert digests(given, "service") == digests(shop, "service")


def test_the_list_is_its_owners_alone(shop: Settings) -> None:
    """List and token are 0600, and one that others may read is refused with what to do."""
    token_list.make(shop, "admin", NOW_MS, no_pause)
    listed = shop.data / "tokens.json"
    for path in (listed, shop.admin_token_file):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    listed.chmod(0o644)
    with pytest.raises(token_files.TokenError, match=f"chmod 600 {re.escape(str(listed))}"):
        tokens.load(shop)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"tokens": 1}',
        '{"tokens": [1]}',
        '{"tokens": [{}]}',
        '{"tokens": [{"id": "x", "role": "admin", "sha256": "x", "created_at": "x"}]}',
        "\x00",
    ],
)
def test_a_list_that_is_none_is_refused(shop: Settings, text: str) -> None:
    """A damaged list is named, and no server starts on a guess."""
    listed = shop.data / "tokens.json"
    listed.write_text(text)
    listed.chmod(0o600)
    with pytest.raises(token_files.TokenError, match=r"tokens\.json is not what"):
        tokens.load(shop)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("role", "root"),
        ("sha256", "0" * 63),
        ("sha256", "g" * 64),
        ("id", "00000000"),
        ("created_at", "yesterday"),
        ("created_at", None),
        ("more", "x"),
    ],
)
def test_a_wrong_field_is_refused(shop: Settings, field: str, value: object) -> None:
    """Each field of the list is checked when it is read."""
    token_list.make(shop, "admin", NOW_MS, no_pause)
    listed = shop.data / "tokens.json"
    table = json.loads(listed.read_text())
    table["tokens"][0][field] = value
    listed.write_text(json.dumps(table))
    with pytest.raises(token_files.TokenError, match=r"tokens\.json"):
        token_list.read(shop.data)


def test_a_file_without_a_token_can_be_replaced(shop: Settings) -> None:
    """What the sentence about a damaged file advises works."""
    shop.admin_token_file.write_text("nonsense\n")
    with pytest.raises(token_files.TokenError, match="bookstore token new"):
        tokens.load(shop)
    (made,) = token_list.make(shop, "admin", NOW_MS, no_pause)
    assert digests(shop, "admin") == {made.digest}


def test_the_list_is_written_before_the_file(shop: Settings) -> None:
    """While servers read the list the file still has the old token, which is valid."""
    old = token_files.read(shop.admin_token_file)
    seen = []

    def pause(seconds: float) -> None:
        seen.append((seconds, token_files.read(shop.admin_token_file), digests(shop, "admin")))

    made = token_list.make(shop, "admin", NOW_MS, pause)
    assert seen == [(token_list.KNOWN_AFTER_S, old, {each.digest for each in made})]


def test_a_service_token_settles(shop: Settings) -> None:
    """For some seconds after a new service token none is to be taken away, then any may."""
    assert token_list.settles_in_s(shop, NOW_MS) == 0
    token_list.make(shop, "service", NOW_MS, no_pause)
    assert token_list.settles_in_s(shop, NOW_MS + 1000) == token_list.SETTLED_AFTER_S - 1
    assert token_list.settles_in_s(shop, NOW_MS + 60_000) == 0
    assert token_list.settles_in_s(shop, NOW_MS - 60_000) == 0


def test_makers_take_turns(shop: Settings) -> None:
    """Of six tokens made by six processes at once the last two are valid, one in the file."""
    program = (
        "import sys, pathlib; from servers import settings; from servers.access import token_list\n"
        "sys.stdin.read(); given = settings.load({'data': pathlib.Path(sys.argv[1])}, {})\n"
        "token_list.make(given, 'admin', 1_700_000_000_000, lambda s: None)"
    )
    makers = [
        subprocess.Popen([sys.executable, "-c", program, str(shop.data)], stdin=subprocess.PIPE)
        for _ in range(6)
    ]
    for maker in makers:
        assert maker.stdin is not None
        maker.stdin.close()
    assert [maker.wait(60) for maker in makers] == [0] * 6
    assert len(digests(shop, "admin")) == 2
    assert digest(token_files.read(shop.admin_token_file)) in digests(shop, "admin")
    assert not [path for path in shop.data.iterdir() if path.name.startswith(".")]
