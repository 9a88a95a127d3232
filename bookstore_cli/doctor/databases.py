"""The two databases: whether they are there, can be read, and know of each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bookstore_cli.doctor.finding import FAIL, OK, WARN, Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bookstore_cli.doctor.finding import Patient

CATALOG, ORDERS = "catalog", "orders"


def databases(patient: Patient) -> Iterator[Finding]:
    """Look at both files, then at whether one of them lacks what the other knows."""
    from servers.upkeep import checkup

    there = [name for name in (CATALOG, ORDERS) if (patient.folder / f"{name}.db").exists()]
    if not there:
        return
    if CATALOG not in there:
        told = "is lost: the orders of a shop are there without it"
        advice = "Put a backup back: bookstore db restore; then: bookstore reconcile"
        yield Finding(FAIL, "catalog.db", told, advice)
    if ORDERS not in there:
        told = "is not there: no order server has run here, or it is lost"
        yield Finding(WARN, "orders.db", told, "If there were orders: bookstore reconcile")
    if patient.running:
        return  # Who has them open says what is wrong with them.
    for name in there:
        found = _read(patient, name)
        yield found
        if found.state != OK:
            return
    if len(there) > 1:
        lack = checkup.lack(patient.folder)
        if lack is not None:
            yield Finding(FAIL, "ledger and orders", lack, "Run: bookstore reconcile")
        else:
            yield Finding(OK, "ledger and orders", "know of each other")


def _read(patient: Patient, name: str) -> Finding:
    from servers.storage.database import StorageError, StorageUnavailable
    from servers.upkeep import checkup

    try:
        checkup.must_be_readable(patient.folder, name)
    except StorageUnavailable as error:
        return Finding(WARN, f"{name}.db", str(error), "Start the shop, then look again.")
    except (StorageError, OSError) as error:
        advice = "See: bookstore db check; put a backup back with: bookstore db restore"
        return Finding(FAIL, f"{name}.db", str(error), advice)
    return Finding(OK, f"{name}.db", "can be read")
