"""`bookstore doctor`: what is wrong with an installation, and what to do about it.

Lives here: the command. What it looks at lives in one file for each kind: ``machine``,
``files``, ``certificate``, ``running``, ``orders`` and ``sources``; all imported when it runs.
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from bookstore_cli.commands import ShopCommand
from bookstore_cli.doctor.finding import FAIL, OK, WARN, Finding, Patient
from bookstore_cli.running import CONFIG, settings_of
from bookstore_cli.session import pass_session
from servers.domain.errors import ShopError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from bookstore_cli.session import Session
    from bookstore_cli.trust import Trust

COLUMNS = ("state", "check", "found", "advice", "source")
WRONG = 8
ANSWER_WITHIN_S = 3.0


@click.command(cls=ShopCommand, examples=("bookstore doctor", "bookstore doctor --json"))
@CONFIG
@pass_session
def doctor(session: Session, file: Path | None) -> int:
    """Say what is wrong with this installation, and what to do.

    One line for each thing that was looked at: ok, warn or fail. Works on a running shop and on
    a stopped one, and changes nothing. Exit 8 if anything failed.
    """
    findings = list(examine(session, file))
    shown = findings
    if session.output.kind == "table":
        # On a terminal what nobody has set is left out, for the rest to be seen.
        shown = [each for each in findings if each.source != "default"]
    session.output.rows(COLUMNS, [each.row() for each in shown])
    counts = Counter(each.state for each in findings)
    session.announce(f"{counts[OK]} ok, {counts[WARN]} to look at, {counts[FAIL]} wrong.")
    return WRONG if counts[FAIL] else 0


def examine(session: Session, file: Path | None) -> Iterator[Finding]:
    """Yield all findings, those of the machine first."""
    from bookstore_cli.doctor import (
        certificate,
        databases,
        files,
        machine,
        orders,
        running,
        sources,
    )
    from servers.settings import SettingsError

    yield from machine.versions()
    try:
        settings = settings_of(session, {}, file)
    except SettingsError as error:
        yield Finding(FAIL, "settings", str(error), "Correct the setting that is named.")
        return
    token: str | None = None
    with suppress(ShopError):  # Its file is looked at among the others.
        token = session.token()
    timeout_s = min(session.timeout_s, ANSWER_WITHIN_S)
    patient = Patient(settings, _trust(session), token, timeout_s)
    for check in (
        files.folder_and_files,
        files.tokens,
        certificate.door,
        certificate.certificate,
        files.note,
        files.locks,
        machine.disk,
        running.ports,
        running.servers,
        running.clocks,
        databases.databases,
        orders.unfinished,
        orders.last_entry,
    ):
        yield from _examined(check, patient)
    yield from sources.settings(patient)


def _examined(check: Callable[[Patient], Iterator[Finding]], patient: Patient) -> Iterator[Finding]:
    """Yield what one examination finds; what it cannot make sense of is a finding too."""
    try:
        yield from check(patient)
    except (ArithmeticError, LookupError, RecursionError, TypeError, ValueError) as error:
        told = f"makes no sense: {type(error).__name__}: {error}"
        advice = f"Look at the files in {patient.folder}; shop.json is safe to delete."
        yield Finding(FAIL, check.__name__, told, advice)


def _trust(session: Session) -> Trust:
    """Return whom to trust; a note that cannot be read names no certificate."""
    from bookstore_cli.trust import SYSTEM

    try:
        return session.trust
    except ShopError:
        return SYSTEM
