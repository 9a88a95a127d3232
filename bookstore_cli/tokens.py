"""The tokens of staff and of the servers: making one, listing them, revoking one."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from bookstore_cli import params
from bookstore_cli.commands import ShopGroup, done_anyway
from bookstore_cli.running import CONFIG, settings_of
from bookstore_cli.session import pass_session
from servers.domain.errors import InvalidRequest, NotFound

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bookstore_cli.session import Session
    from servers.access.token_list import Entry
    from servers.settings import Settings

ROLES = ("admin", "service")
NEW = ("id", "role", "created_at", "previous")
LISTED = ("id", "role", "created_at", "in_use")


@click.group(cls=ShopGroup, examples=("bookstore token list", "bookstore token new admin"))
def token() -> None:
    """Make, list and revoke the tokens of staff and servers."""


@token.command("new", examples=("bookstore token new admin", "bookstore token new service"))
@click.argument("role", type=click.Choice(ROLES))
@CONFIG
@pass_session
def new(session: Session, role: str, file: Path | None) -> None:
    """Make a new token, which takes the place of the one in use.

    It is written into ROLE.token in the shop's folder and shown nowhere. The one before stays
    valid until it is revoked, or until one more is made. Running servers need no restart.
    """
    from servers.access import token_list

    with _explained():
        given = _settings(session, role, file)
        before = {each.id for each in token_list.valid(given) if each.role == role}
        if role == "service" and len(before) > 1:
            _wait_until_settled(session, given)
        *previous, made = token_list.make(given, role, _now_ms(), time.sleep)
    row = {**_told(made), "previous": previous[0].id if previous else None}
    done = f"The new {role} token is in {_file_of(given, role)}."
    with done_anyway(done):
        session.output.rows(NEW, [row])
    session.say(done)
    for gone in sorted(before - {each.id for each in previous}):
        session.say(f"Token {gone} is not valid any more.")


@token.command("list", examples=("bookstore token list", "bookstore token list --json"))
@CONFIG
@pass_session
def list_tokens(session: Session, file: Path | None) -> None:
    """List the tokens that are valid; none of them can be told from its id."""
    from servers.access import token_list

    with _explained():
        given = settings_of(session, {}, file)
        entries = token_list.valid(given)
        used = [token_list.current_of(given, role) for role in ROLES]
    in_use = {each.id for each in used if each is not None}
    session.output.rows(LISTED, [{**_told(each), "in_use": each.id in in_use} for each in entries])
    for role in ROLES:
        if getattr(given, f"{role}_token"):
            session.say(f"The {role} token of this environment is valid and not listed.")


@token.command(
    "revoke",
    examples=(
        "bookstore token revoke $(bookstore token new admin -o tsv | tail -n 1 | cut -f 4)",
        "bookstore token revoke $(bookstore token new service -o tsv | tail -n 1 | cut -f 4) -q",
    ),
)
@click.argument("token_id", metavar="ID", type=params.TOKEN_ID)
@CONFIG
@pass_session
def revoke(session: Session, token_id: str, file: Path | None) -> None:
    """Make a token invalid; running servers follow within two seconds.

    The one in use cannot be revoked: make another first.
    """
    from servers.access import token_list

    with _explained():
        given = settings_of(session, {}, file)
        roles = {each.role for each in token_list.valid(given) if each.id == token_id}
        if "service" in roles:
            _wait_until_settled(session, given)
        gone = token_list.revoke(given, token_id)
    done = f"The {gone.role} token {gone.id} is not valid any more."
    with done_anyway(done):
        session.output.rows(LISTED[:3], [_told(gone)])
    session.say(done)


def _settings(session: Session, role: str, file: Path | None) -> Settings:
    """Return the settings, or refuse a role whose token is not in files."""
    given = settings_of(session, {}, file)
    if getattr(given, f"{role}_token"):
        variable = f"BOOKSTORE_{role.upper()}_TOKEN"
        raise InvalidRequest(
            f"The {role} token is set by {variable} here; change it there, and start the servers"
            " again."
        )
    return given


def _wait_until_settled(session: Session, given: Settings) -> None:
    from servers.access import token_list

    wait_s = token_list.settles_in_s(given, _now_ms())
    if wait_s > 0:
        session.say(f"Waiting {wait_s:.1f} s for the servers to use the newest token.")
        time.sleep(wait_s)


@contextmanager
def _explained() -> Iterator[None]:
    """Turn what is wrong with files and settings into refusals of the command line."""
    from servers.access.token_list import NoSuchTokenError
    from servers.settings import SettingsError

    try:
        yield
    except NoSuchTokenError as error:
        raise NotFound(str(error)) from error
    except SettingsError as error:
        raise InvalidRequest(str(error)) from error


def _told(entry: Entry) -> dict[str, object]:
    return {"id": entry.id, "role": entry.role, "created_at": entry.created_at}


def _file_of(given: Settings, role: str) -> Path:
    path: Path = getattr(given, f"{role}_token_file")
    return path


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
