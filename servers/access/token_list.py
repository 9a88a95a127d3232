"""The list of a shop's tokens: which are valid, of which role, since when.

Lives here: ``tokens.json``, which has of each token that `bookstore token new` made its digest
and never the token itself; making and revoking one. ::

    {"tokens": [{"id": "9f86d081", "role": "admin", "sha256": "9f86d081…",
                 "created_at": "2026-01-31T12:00:00.000Z"}]}

A shop that never had a new token has no such file: there the tokens in ``admin.token`` and
``service.token`` are all. The token in such a file is always valid, listed or not.
"""

from __future__ import annotations

import fcntl
import json
import os
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from servers.access import token_files
from servers.access.token_files import TokenError
from servers.domain.times import parse_rfc3339, rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from servers.settings import Settings

ROLES: Final = ("admin", "service")
LIST_FILE: Final = "tokens.json"
KNOWN_AFTER_S: Final = 1.2
"""By this time every running server has read the list again."""

SETTLED_AFTER_S: Final = 4.0
"""By this time every running server knows a new service token and sends it itself."""

_LOCK_FILE: Final = "tokens.lock"
_ID_DIGITS: Final = 8


@dataclass(frozen=True, slots=True)
class Entry:
    """One valid token, without its secret. The first digits of its digest are its name."""

    id: str
    role: str
    sha256: str
    created_at: str

    @property
    def digest(self) -> bytes:
        """The digest as bytes."""
        return bytes.fromhex(self.sha256)


class NoSuchTokenError(TokenError):
    """No valid token has this id."""


def entry_of(secret: str, role: str, now_ms: int) -> Entry:
    """Return what may be told of a token."""
    digest = sha256(secret.encode("ascii")).hexdigest()
    return Entry(digest[:_ID_DIGITS], role, digest, rfc3339(now_ms))


def read(folder: Path) -> list[Entry]:
    """Return the tokens on the list, oldest first; none where there is no list.

    Raises `TokenError` if others may read the list or it is none.
    """
    path = folder / LIST_FILE
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        # Not to be taken for an empty list: every listed token would be refused.
        raise TokenError(f"{path} cannot be looked at: {error.strerror}.") from error
    text = token_files.read_private(path)
    try:
        return [_entry(each) for each in json.loads(text)["tokens"]]
    except (ValueError, LookupError, TypeError) as error:
        raise TokenError(
            f"{path} is not what `bookstore token` writes. Restore it, or delete it: then only"
            f" the tokens in admin.token and service.token are valid."
        ) from error


def valid(settings: Settings) -> list[Entry]:
    """Return all tokens that are valid by the shop's files, the list's first, oldest first.

    Raises `TokenError`.
    """
    listed = read(settings.data)
    for role in ROLES:
        current = current_of(settings, role)
        if current is not None and current.id not in {each.id for each in listed}:
            listed.append(current)
    return listed


def current_of(settings: Settings, role: str) -> Entry | None:
    """Return the token in a role's own file; None where there is no file or no token in it.

    Raises `TokenError` if others may read the file.
    """
    path: Path = getattr(settings, f"{role}_token_file")
    if not path.exists():
        return None
    try:
        secret = token_files.read(path)
    except token_files.MalformedTokenError:
        return None
    return entry_of(secret, role, path.stat().st_mtime_ns // 1_000_000)


def make(settings: Settings, role: str, now_ms: int, pause: Callable[[float], None]) -> list[Entry]:
    """Make a token of a role, put it into the role's file, and return those valid now.

    The last of them is the new one. The one before stays valid until it is revoked or one more
    is made; older ones end here. ``pause`` is called with a number of seconds to wait, so that
    running servers have read the list before anybody sends the new token. Raises `TokenError`.
    """
    with _only_writer(settings.data):
        entries = valid(settings)
        ours = [each for each in entries if each.role == role]
        current = current_of(settings, role) or next(reversed(ours), None)
        kept = [each for each in ours if current is not None and each.id == current.id]
        secret = token_files.new_secret()
        now_ours = [*kept, entry_of(secret, role, now_ms)]
        _write(settings.data, [*(each for each in entries if each.role != role), *now_ours])
        if kept:
            pause(KNOWN_AFTER_S)
        token_files.replace(getattr(settings, f"{role}_token_file"), secret + "\n")
        return now_ours


def settles_in_s(settings: Settings, now_ms: int) -> float:
    """Return how long a token of the servers must not be taken away yet, in seconds.

    Until then some of them may not have heard of the newest. Raises `TokenError`.
    """
    made_ms = [
        parse_rfc3339(each.created_at) for each in read(settings.data) if each.role == "service"
    ]
    age_s = (now_ms - made_ms[-1]) / 1000 if made_ms else SETTLED_AFTER_S
    # One that was made in the future says that the clock was set: it is no reason to wait long.
    return SETTLED_AFTER_S - age_s if 0 <= age_s < SETTLED_AFTER_S else 0.0


def revoke(settings: Settings, token_id: str) -> Entry:
    """Take a token off the list and return what it was.

    Raises `NoSuchTokenError`, and `TokenError` for a token that stands in its role's file:
    whoever uses that file would be locked out.
    """
    with _only_writer(settings.data):
        entries = valid(settings)
        gone = next((each for each in entries if each.id == token_id), None)
        if gone is None:
            known = ", ".join(each.id for each in entries) or "none"
            raise NoSuchTokenError(f"No valid token has the id {token_id}; there are: {known}.")
        current = current_of(settings, gone.role)
        if current is not None and current.id == token_id:
            raise TokenError(
                f"Token {token_id} is the one in {gone.role}.token, which is in use. Make"
                f" another first: bookstore token new {gone.role}"
            )
        _write(settings.data, [each for each in entries if each.id != token_id])
        return gone


def _entry(fields: Any) -> Entry:
    """Return an entry of the list. Raises ValueError, LookupError or TypeError."""
    entry = Entry(**fields)
    parse_rfc3339(entry.created_at)
    whole = len(bytes.fromhex(entry.sha256)) == sha256().digest_size
    if not whole or entry.role not in ROLES or entry.id != entry.sha256[:_ID_DIGITS]:
        raise ValueError(entry.id)
    return entry


def _write(folder: Path, entries: Iterable[Entry]) -> None:
    text = json.dumps({"tokens": [asdict(each) for each in entries]}, indent=1) + "\n"
    token_files.replace(folder / LIST_FILE, text)


@contextmanager
def _only_writer(folder: Path) -> Iterator[None]:
    """Be the one process that changes the list while the block runs; others wait."""
    path = folder / _LOCK_FILE
    with token_files.made_or_told(path):
        token_files.close_folder(folder)
        lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
