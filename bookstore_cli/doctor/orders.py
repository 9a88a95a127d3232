"""What the shop has written down: orders that should be finished, and times that should be over."""

from __future__ import annotations

import time
from http import HTTPStatus
from typing import TYPE_CHECKING

from bookstore_cli.connection import Answer
from bookstore_cli.doctor.finding import FAIL, OK, WARN, Finding
from bookstore_cli.doctor.running import ask

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bookstore_cli.doctor.finding import Patient

STUCK_AFTER_S = 75.0
AHEAD_MS = 2000
"""A clock may be set back by so much without a word."""

_MOST = 5000


def unfinished(patient: Patient) -> Iterator[Finding]:
    """Look for orders that are pending or cancelling, and since when."""
    url = patient.url_of("order") if patient.alive("order") else None
    if url is not None:
        yield _stuck(patient, url)
        return
    from servers.storage.database import StorageError
    from servers.upkeep import checkup

    if not (patient.folder / "orders.db").exists():
        return
    try:
        count = checkup.unfinished_orders(patient.folder)
    except StorageError as error:
        yield Finding(WARN, "orders", str(error), "Start the shop, then look again.")
        return
    if count:
        told = f"{count} not finished when the shop was closed"
        yield Finding(WARN, "orders", told, "Start the shop: it drives them to their end.")
    else:
        yield Finding(OK, "orders", "all are finished")


def _stuck(patient: Patient, url: str) -> Finding:
    from servers.domain.times import parse_rfc3339

    begun_ms = []
    for state in ("pending", "cancelling"):
        answer = ask(patient, url, f"/orders?state={state}&limit={_MOST}", staff=True)
        if not isinstance(answer, Answer) or not answer.good or not isinstance(answer.value, list):
            why = answer if isinstance(answer, str) else _why(answer.status)
            advice = "The admin token is needed; see the lines about tokens and servers."
            return Finding(WARN, "orders", f"the order server did not say: {why}", advice)
        begun_ms += [parse_rfc3339(order["history"][-1]["at"]) for order in answer.value]
    old_ms = time.time() * 1000 - STUCK_AFTER_S * 1000
    stuck = [each for each in begun_ms if each < old_ms]
    if stuck:
        age_s = time.time() - min(stuck) / 1000
        told = (
            f"{len(stuck)} not finished for more than {STUCK_AFTER_S:.0f} s, one for {age_s:.0f} s"
        )
        advice = "See that catalog and order server are ready; then: bookstore audit"
        return Finding(FAIL, "orders", told, advice)
    return Finding(OK, "orders", f"{len(begun_ms)} under way, none stuck")


def _why(status: int) -> str:
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return "it refused the admin token"
    return f"it answered {status}"


def last_entry(patient: Patient) -> Iterator[Finding]:
    """Look at whether the ledger's last entry lies in the past."""
    from servers.storage.database import StorageError

    url = patient.url_of("catalog") if patient.alive("catalog") else None
    try:
        at_ms = _asked(patient, url) if url is not None else _read(patient)
    except StorageError:
        return  # Said of the database already.
    if at_ms is None:
        return
    ahead_ms = at_ms - time.time() * 1000
    if ahead_ms > AHEAD_MS:
        told = f"is {ahead_ms / 1000:.0f} s ahead of this machine's clock"
        advice = "The clock was set back. Let NTP set it; the shop itself goes by numbers."
        yield Finding(FAIL, "last entry", told, advice)
    else:
        yield Finding(OK, "last entry", "is in the past, as it should be")


def _asked(patient: Patient, url: str) -> int | None:
    from servers.domain.times import parse_rfc3339

    last = ask(patient, url, "/ledger/last", staff=True)
    if not isinstance(last, Answer) or not isinstance(last.value, int) or last.value < 1:
        return None
    entry = ask(patient, url, f"/ledger?after={last.value - 1}&limit=1", staff=True)
    if not isinstance(entry, Answer) or not isinstance(entry.value, list) or not entry.value:
        return None
    return parse_rfc3339(entry.value[0]["at"])


def _read(patient: Patient) -> int | None:
    from servers.upkeep import checkup

    if not (patient.folder / "catalog.db").exists():
        return None
    return checkup.last_entry_at_ms(patient.folder)
