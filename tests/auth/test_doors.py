"""The doors alone: which tokens they know, and that they compare in constant time."""

from __future__ import annotations

from contextlib import suppress
from hashlib import sha256
from hmac import compare_digest

import pytest

from servers.domain.errors import Forbidden, Unauthorized
from servers.web import auth
from servers.web.auth import INSIDE, STAFF, Doors, Role

ADMIN, SERVICE, NEXT = "a" * 64, "b" * 64, "c" * 64


def digest(token: str) -> bytes:
    """Return the SHA-256 of a token."""
    return sha256(token.encode()).digest()


@pytest.fixture
def doors() -> Doors:
    """Doors that know two admin tokens and one of the servers."""
    doors = Doors({Role.ADMIN: ADMIN, Role.SERVICE: SERVICE})
    doors.open_to(
        [
            (Role.ADMIN, digest(ADMIN)),
            (Role.ADMIN, digest(NEXT)),
            (Role.SERVICE, digest(SERVICE)),
        ]
    )
    return doors


@pytest.mark.parametrize("token", [ADMIN, NEXT])
def test_two_tokens_of_a_role_are_valid_at_once(doors: Doors, token: str) -> None:
    """Both say the same role."""
    assert doors.admit(f"Bearer {token}", STAFF) is Role.ADMIN
    assert doors.admit(f"bearer {token}", INSIDE) is Role.ADMIN


def test_a_token_that_was_taken_away_is_unknown(doors: Doors) -> None:
    """What is not named any more opens nothing."""
    assert doors.open_to([(Role.ADMIN, digest(NEXT))])
    with pytest.raises(Unauthorized):
        doors.admit(f"Bearer {ADMIN}", STAFF)
    assert doors.admit(f"Bearer {NEXT}", STAFF) is Role.ADMIN


def test_the_same_tokens_are_no_change(doors: Doors) -> None:
    """Naming the same tokens in another order changes nothing and says so."""
    same = [
        (Role.SERVICE, digest(SERVICE)),
        (Role.ADMIN, digest(NEXT)),
        (Role.ADMIN, digest(ADMIN)),
    ]
    assert not doors.open_to(same)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        f"Basic {ADMIN}",
        ADMIN,
        f"Bearer {ADMIN[:-1]}",
        f"Bearer {ADMIN}0",
        f"Bearer {ADMIN.upper()}",
        f"Bearer {digest(ADMIN).hex()}",
        f"Bearer {ADMIN},Bearer {ADMIN}",
        "Bearer \udcff\udc80",
        "Bearer " + "x" * 100_000,
    ],
)
def test_anything_else_is_nobody(doors: Doors, header: str | None) -> None:
    """Garbage, parts of a token and its digest are 401, and are not repeated."""
    with pytest.raises(Unauthorized) as refused:
        doors.admit(header, STAFF)
    assert ADMIN[:-1] not in refused.value.detail


def test_another_role_is_forbidden(doors: Doors) -> None:
    """A token that is known, but of the wrong role, is 403."""
    with pytest.raises(Forbidden):
        doors.admit(f"Bearer {SERVICE}", STAFF)


@pytest.mark.parametrize("token", [ADMIN, NEXT, SERVICE, "0" * 64, ""])
def test_whatever_comes_is_compared_with_all(
    doors: Doors, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Right or wrong, first or last: each digest is compared once, by `hmac.compare_digest`."""
    compared: list[tuple[bytes, bytes]] = []

    def noted(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return compare_digest(one, other)

    monkeypatch.setattr(auth, "compare_digest", noted)
    with suppress(Unauthorized, Forbidden):
        doors.admit(f"Bearer {token}", STAFF)
    assert [other for _, other in compared] == [digest(ADMIN), digest(NEXT), digest(SERVICE)]
    assert {one for one, _ in compared} == {digest(token)}


def test_doors_do_not_show_tokens(doors: Doors) -> None:
    """What a debugger or a log would print of them has no token in it, and they keep none."""
    assert ADMIN not in repr(doors)
    assert ADMIN not in repr(vars(doors))
