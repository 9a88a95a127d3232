"""The shop's folder: who may read it, its tokens, what was left behind."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from bookstore_cli.doctor.finding import FAIL, OK, SERVERS, WARN, Finding
from bookstore_cli.locks import owner_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bookstore_cli.doctor.finding import Patient

OTHERS = 0o077
LOCKS = ("shop.lock", "catalog.db.lock", "orders.db.lock")


def folder_and_files(patient: Patient) -> Iterator[Finding]:
    """Look at the modes of the folder and of what lies in it."""
    from servers.access import shop_folder

    folder = patient.folder
    try:
        found = folder.stat()
    except OSError as error:
        told = f"{folder} cannot be looked at: {error.strerror}"
        if isinstance(error, FileNotFoundError):
            told = f"{folder} is not there yet"
        yield Finding(WARN, "folder", told, "Name another with --data, or start: bookstore up")
        return
    mode = stat.S_IMODE(found.st_mode)
    advice = f"Close it with: chmod 700 {folder}"
    if not stat.S_ISDIR(found.st_mode):
        yield Finding(FAIL, "folder", f"{folder} is not a folder", "Name another with --data.")
        return
    others = shop_folder.writers(folder)
    if others is not None:
        yield Finding(FAIL, "folder", f"{others} may write into {folder}", advice)
    elif mode & OTHERS:
        yield Finding(WARN, "folder", f"{folder} is open to others (mode {mode:04o})", advice)
    else:
        yield Finding(OK, "folder", f"{folder} is its owner's alone")
    if found.st_uid != os.geteuid():
        told = f"{folder} belongs to user {found.st_uid}, and you are {os.geteuid()}"
        yield Finding(WARN, "owner", told, "Run the command as the user who runs the shop.")
    opened = [path.name for path in shop_folder.open_files(folder)]
    if opened:
        told = f"open to others: {', '.join(opened)}"
        yield Finding(WARN, "files", told, "The next start closes them, or: chmod 600")
    else:
        yield Finding(OK, "files", "none of the databases is open to others")


def tokens(patient: Patient) -> Iterator[Finding]:
    """Look at the token files and the list."""
    from servers.access import token_list
    from servers.access.token_files import TokenError, read

    given = patient.settings
    try:
        entries = token_list.read(given.data)
    except TokenError as error:
        yield Finding(FAIL, "tokens.json", str(error), "The servers refuse to start like this.")
        entries = []
    for role in token_list.ROLES:
        check = f"{role} token"
        if getattr(given, f"{role}_token"):
            yield Finding(OK, check, "set in the environment")
            continue
        path: Path = getattr(given, f"{role}_token_file")
        listed = [each for each in entries if each.role == role]
        if not path.exists():
            advice = "The next start makes it." if not listed else ""
            advice = advice or f"If it is lost: bookstore token new {role}"
            yield Finding(WARN, check, f"{path} is not there", advice)
            continue
        try:
            current = token_list.entry_of(read(path), role, 0)
        except TokenError as error:
            yield Finding(FAIL, check, str(error), "The servers refuse to start like this.")
            continue
        older = [each.id for each in listed if each.id != current.id]
        told = f"{current.id} is in use" + (f", {', '.join(older)} still valid" if older else "")
        advice = f"If all use the new one: bookstore token revoke {older[0]}" if older else ""
        yield Finding(WARN if older else OK, check, told, advice)


def note(patient: Patient) -> Iterator[Finding]:
    """Look at whether shop.json tells the truth."""
    path = patient.folder / "shop.json"
    if not path.exists():
        yield Finding(OK, "shop.json", "not there: no shop that `bookstore up` started is open")
        return
    advice = f"Delete it: rm {path}"
    if patient.note is None:
        yield Finding(FAIL, "shop.json", "is not what the shop writes", advice)
    elif patient.supervised:
        yield Finding(OK, "shop.json", f"supervisor {patient.note['supervisor_pid']} runs")
    elif patient.running:
        told = f"the supervisor is gone, but {', '.join(patient.running)} still run"
        yield Finding(FAIL, "shop.json", told, "Wait until they have ended, then: bookstore up")
    else:
        told = "left behind by a shop that was killed"
        yield Finding(WARN, "shop.json", told, f"The next start replaces it; or: rm {path}")


def locks(patient: Patient) -> Iterator[Finding]:
    """Look at who holds the locks of the folder and of the databases."""
    ours = {(patient.note or {}).get("supervisor_pid")} if patient.supervised else set()
    for server in SERVERS:
        if patient.alive(server):
            ours.add((patient.note or {})[server]["pid"])
    for name in LOCKS:
        path = patient.folder / name
        if path.exists() and not path.is_file():
            advice = f"The shop cannot open like this. Remove it: {path}"
            yield Finding(FAIL, name, "is not a file", advice)
            continue
        with suppress(FileNotFoundError, PermissionError):
            owner = owner_of(path)
            if owner is None:
                yield Finding(OK, name, "nobody holds it")
            elif owner in ours:
                yield Finding(OK, name, f"held by process {owner}, of this shop")
            else:
                told = f"held by process {owner or 'unknown'}, which shop.json does not know"
                advice = "A server that was started by itself, or is still ending: see `ps`."
                yield Finding(WARN, name, told, advice)
