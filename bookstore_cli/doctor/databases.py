"""The two databases: whether they are there, can be read, and know of each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bookstore_cli.doctor.finding import FAIL, OK, WARN, Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bookstore_cli.doctor.finding import Patient

CATALOG, ORDERS = "catalog", "orders"

_PUT_BACK = "Put a backup back: bookstore db restore DIR --only {name}; then: bookstore reconcile"
_NO_CATALOG = (
    "{put_back}. Only where there is no backup: bookstore reconcile --without-backup, "
    "which loses all books"
)
_NO_ORDERS = (
    "Run: bookstore reconcile, before the shop is opened. It makes them anew from the ledger; a "
    "backup put back before that, bookstore db restore DIR --only orders, also has when they were "
    "placed"
)


def databases(patient: Patient) -> Iterator[Finding]:
    """Look at both files, then at whether one of them lacks what the other knows."""
    from servers.upkeep.shop_files import is_lost

    if not any((patient.folder / f"{name}.db").exists() for name in (CATALOG, ORDERS)):
        return
    lost = [name for name in (CATALOG, ORDERS) if is_lost(patient.folder, name)]
    yield from (_lost(patient, name) for name in lost)
    if patient.running:
        return  # Who has them open says what is wrong with them.
    for name in (CATALOG, ORDERS):
        if name not in lost:
            found = _read(patient, name)
            yield found
            if found.state != OK:
                return
    if not lost:
        yield _compared(patient)


def _lost(patient: Patient, name: str) -> Finding:
    """Return how bad it is that a database is lost: without orders a shop may only be new."""
    check, put_back = f"{name}.db", _PUT_BACK.format(name=name)
    if patient.running:
        told = "was deleted or emptied under the server that has it open"
        return Finding(FAIL, check, told, f"Stop the shop. {put_back}")
    if name == CATALOG:
        told = "is lost: the orders of a shop are there without it"
        return Finding(FAIL, check, told, _NO_CATALOG.format(put_back=put_back))
    if _any_decided(patient):
        told = "is lost: nobody can look up or cancel the orders that the ledger has decided"
        return Finding(FAIL, check, told, _NO_ORDERS)
    told = "is not there, and the ledger has decided no order: no order server has run here"
    return Finding(WARN, check, told, "Start the shop: bookstore up")


def _any_decided(patient: Patient) -> bool:
    """Say whether the ledger has decided any order, or cannot be read, which is told elsewhere."""
    from servers.storage.database import StorageError
    from servers.upkeep import checkup

    try:
        return checkup.any_decided(patient.folder)
    except StorageError:
        return True


def _compared(patient: Patient) -> Finding:
    from servers.upkeep import checkup

    lack = checkup.lack(patient.folder)
    if lack is None:
        return Finding(OK, "ledger and orders", "know of each other")
    advice = "Run: bookstore reconcile"
    if lack.catalog_lost:
        advice = _NO_CATALOG.format(put_back=_PUT_BACK.format(name=CATALOG))
    return Finding(FAIL, "ledger and orders", lack.found, advice)


def _read(patient: Patient, name: str) -> Finding:
    from servers.storage.database import StorageError, StorageUnavailable
    from servers.upkeep import checkup

    try:
        checkup.must_be_readable(patient.folder, name)
    except StorageUnavailable as error:
        return Finding(WARN, f"{name}.db", str(error), "Start the shop, then look again.")
    except (StorageError, OSError) as error:
        advice = f"See: bookstore db check. {_PUT_BACK.format(name=name)}"
        return Finding(FAIL, f"{name}.db", str(error), advice)
    return Finding(OK, f"{name}.db", "can be read")
