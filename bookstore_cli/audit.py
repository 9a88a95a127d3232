"""Proving that the shop's data agree, and repairing them after a loss; for the shop's keepers."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from bookstore_cli import params
from bookstore_cli.commands import ShopCommand
from bookstore_cli.locks import is_closed
from bookstore_cli.session import pass_session
from bookstore_cli.terminal import tell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from bookstore_cli.session import Session
    from servers.domain.invariants import Findings
    from servers.upkeep.audit import OpenShop
    from servers.upkeep.backoffice import Urls
    from servers.upkeep.reconcile import Repairs

    Opened = AbstractAsyncContextManager[OpenShop]

VIOLATED = 8
FOUND = ("ok", "received", "returned", "sold", "left", "unfinished", "violations")
REPAIRED = ("dry_run", "sales", "refusals", "returns", "orders", "corrections", *FOUND)

_CATALOG_URL = click.option(
    "--catalog-url", type=params.URL, help="Where the catalog runs, if not in the folder's shop."
)
_ORDER_URL = click.option(
    "--order-url", type=params.URL, help="Where the order server runs, likewise."
)


@click.command(cls=ShopCommand, examples=("bookstore audit", "bookstore audit --json"))
@_CATALOG_URL
@_ORDER_URL
@pass_session
def audit(session: Session, catalog_url: str | None, order_url: str | None) -> int:
    """Prove that stock, ledger and orders agree.

    Works on a running shop and on a stopped one, and changes nothing. Each violation of an
    invariant is one line; then the exit code is 8.
    """
    import asyncio

    from servers.upkeep.audit import audit as examine

    async def run() -> Findings:
        async with _open(session, catalog_url, order_url, to_change=False) as shop:
            return await examine(shop)

    with _no_collecting():
        findings = asyncio.run(run())
    told = _findings_object(findings)
    session.output.outcome(told, (FOUND, told), _findings_lines(findings))
    return _ended(session, findings)


@click.command(cls=ShopCommand, examples=("bookstore reconcile --dry-run", "bookstore reconcile"))
@click.option("--dry-run", is_flag=True, help="Say what would be repaired; change nothing.")
@_CATALOG_URL
@_ORDER_URL
@pass_session
def reconcile(
    session: Session, dry_run: bool, catalog_url: str | None, order_url: str | None
) -> int:
    """Rebuild orders from the ledger, and missing sales.

    For a shop of which a database was lost or restored from an old copy. What can be repaired
    is repaired, one line for each kind; then the shop is audited.
    """
    import asyncio

    from servers.upkeep.audit import audit as examine
    from servers.upkeep.reconcile import reconcile as repair

    async def run() -> tuple[Repairs, Findings]:
        async with _open(session, catalog_url, order_url, to_change=not dry_run) as shop:
            repairs = await repair(shop, dry_run=dry_run)
            return repairs, await examine(shop)

    with _no_collecting():
        repairs, findings = asyncio.run(run())
    found, repaired = _findings_object(findings), _repairs_object(repairs)
    told = {"dry_run": dry_run, "repairs": repaired, **found}
    row = {"dry_run": dry_run, **found, **repaired}
    lines = (*_repairs_lines(repairs, "would be " if dry_run else ""), *_findings_lines(findings))
    session.output.outcome(told, (REPAIRED, row), lines)
    return _ended(session, findings)


def _open(
    session: Session, catalog_url: str | None, order_url: str | None, *, to_change: bool
) -> Opened:
    """Return the shop to open: at the URLs named, where its note says, or stopped."""
    from servers.upkeep import backoffice

    if (catalog_url is None) != (order_url is None):
        raise click.UsageError("Name both --catalog-url and --order-url, or neither.")
    at: Urls | None
    if catalog_url is not None and order_url is not None:
        at = backoffice.Urls(catalog_url, order_url)
    elif session.typed("url") or (session.option("url") and not session.typed("data")):
        raise click.UsageError(
            "An audit asks the catalog and the order server, not the frontend: name the shop's "
            "folder with --data, or --catalog-url and --order-url."
        )
    else:
        at = _running_at(session.folder)
    if at is None:
        return backoffice.open_stopped(session.folder, to_change=to_change)
    secure = at.catalog.startswith("https:") or at.order.startswith("https:")
    tls = session.trust.context() if secure else None
    return backoffice.open_running(at, session.token(), call_s=session.timeout_s, tls=tls)


def _running_at(folder: Path) -> Urls | None:
    """Return where the shop in a folder runs; None where it is stopped, whatever its note says."""
    from servers.shop_file import read_shop_file
    from servers.upkeep import backoffice

    closed = is_closed(folder, read_shop_file(folder) or {})
    return None if closed else backoffice.running_at(folder)


@contextmanager
def _no_collecting() -> Iterator[None]:
    """Let nobody look for cycles meanwhile: there are none in a million orders, only time lost."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _findings_lines(findings: Findings) -> Iterator[str]:
    for each in findings.violations:
        yield f"{each.invariant} {each.detail}"
    if not findings.violations:
        totals = findings.totals
        yield (
            f"audit ok: received {totals.received} + returned {totals.returned} = "
            f"sold {totals.sold} + left {totals.left}"
        )


def _repairs_lines(repairs: Repairs, would_be: str) -> Iterator[str]:
    """Yield a line for each kind of repair that there was."""
    lines: tuple[tuple[int, Callable[[int], str]], ...] = (
        (repairs.sales, lambda n: f"{_counted(n, 'sale')} {would_be}entered again"),
        (repairs.refusals, lambda n: f"{_counted(n, 'refusal')} {would_be}entered again"),
        (repairs.returns, lambda n: f"{_counted(n, 'return')} {would_be}entered again"),
        (repairs.rows, lambda n: f"{_counted(n, 'order')} {would_be}made to agree with the ledger"),
    )
    for book_id, copies in sorted(repairs.corrections.items()):
        short = f"{_counted(copies, 'copy', 'copies')} of book {book_id}"
        yield f"correction: {short} {would_be}received, sold before the catalog was restored"
    yield from (line(count) for count, line in lines if count)
    if not any(count for count, _ in lines):
        yield "nothing to repair"


def _ended(session: Session, findings: Findings) -> int:
    """Tell what is not data, and return the exit code."""
    if findings.unfinished:
        session.say(f"{_counted(findings.unfinished, 'order')} not finished yet.")
    if not findings.violations:
        return 0
    # Not a hint but the result: said even where quiet is wanted.
    tell(f"audit failed: {_counted(len(findings.violations), 'violation')}")
    return VIOLATED


def _findings_object(findings: Findings) -> dict[str, object]:
    totals = findings.totals
    return {
        "ok": not findings.violations,
        "received": totals.received,
        "returned": totals.returned,
        "sold": totals.sold,
        "left": totals.left,
        "orders": {state.value: count for state, count in findings.states.items()},
        "unfinished": findings.unfinished,
        "violations": [
            {"invariant": each.invariant, "detail": each.detail} for each in findings.violations
        ],
    }


def _repairs_object(repairs: Repairs) -> dict[str, object]:
    return {
        "sales": repairs.sales,
        "refusals": repairs.refusals,
        "returns": repairs.returns,
        "orders": repairs.rows,
        "corrections": [
            {"book_id": book_id, "copies": copies}
            for book_id, copies in sorted(repairs.corrections.items())
        ],
    }


def _counted(count: int, one: str, many: str = "") -> str:
    return f"{count} {one if count == 1 else many or one + 's'}"
