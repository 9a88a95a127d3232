"""Proving that the shop's data agree, for the shop's keepers; and how a shop is opened for them."""

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
    from collections.abc import Iterator
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from bookstore_cli.session import Session
    from servers.domain.invariants import Findings
    from servers.upkeep.audit import OpenShop
    from servers.upkeep.backoffice import Urls

    Opened = AbstractAsyncContextManager[OpenShop]

VIOLATED = 8
FOUND = ("ok", "received", "returned", "sold", "left", "unfinished", "violations")

CATALOG_URL = click.option(
    "--catalog-url", type=params.URL, help="Where the catalog runs, if not in the folder's shop."
)
ORDER_URL = click.option(
    "--order-url", type=params.URL, help="Where the order server runs, likewise."
)


@click.command(cls=ShopCommand, examples=("bookstore audit", "bookstore audit --json"))
@CATALOG_URL
@ORDER_URL
@pass_session
def audit(session: Session, catalog_url: str | None, order_url: str | None) -> int:
    """Prove that stock, ledger and orders agree.

    Works on a running shop and on a stopped one, and changes nothing. Each violation of an
    invariant is one line; then the exit code is 8.
    """
    import asyncio

    from servers.domain.order import State
    from servers.upkeep.audit import audit as examine
    from servers.upkeep.reconcile import catalog_is_lost, empty_beside

    async def run() -> tuple[Findings, int]:
        async with open_shop(session, catalog_url, order_url, to_change=False) as shop:
            return await examine(shop), await shop.catalog.last_number()

    with no_collecting():
        findings, last = asyncio.run(run())
    told = findings_object(findings)
    session.output.outcome(told, (FOUND, told), findings_lines(findings))
    code = ended(session, findings)
    decided = findings.states.total() - findings.states[State.PENDING]
    if session.machine_reads_errors:
        return code  # A program has all of it in the data.
    if last == 0 and decided:
        tell(catalog_is_lost(empty_beside(decided)).detail)
    elif findings.violations:
        session.say("What can be repaired is told by `bookstore reconcile --dry-run`.")
    return code


def open_shop(
    session: Session,
    catalog_url: str | None,
    order_url: str | None,
    *,
    to_change: bool,
    without_catalog: bool = False,
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
        return backoffice.open_stopped(
            session.folder, to_change=to_change, without_catalog=without_catalog
        )
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
def no_collecting() -> Iterator[None]:
    """Let nobody look for cycles meanwhile: there are none in a million orders, only time lost."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def findings_lines(findings: Findings) -> Iterator[str]:
    """Yield a line for each violation; where there is none, the one line that all is right."""
    for each in findings.violations:
        yield f"{each.invariant} {each.detail}"
    if not findings.violations:
        totals = findings.totals
        yield (
            f"audit ok: received {totals.received} + returned {totals.returned} = "
            f"sold {totals.sold} + left {totals.left}"
        )


def ended(session: Session, findings: Findings, failed: str = "audit failed") -> int:
    """Tell what is not data, and return the exit code."""
    if findings.unfinished:
        session.say(f"{counted(findings.unfinished, 'order')} not finished yet.")
    if not findings.violations:
        return 0
    # Not a hint but the result: said even where quiet is wanted. A program has it in the data.
    if not session.machine_reads_errors:
        tell(f"{failed}: {counted(len(findings.violations), 'violation')}")
    return VIOLATED


def findings_object(findings: Findings) -> dict[str, object]:
    """Return what was found as one object, for programs."""
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


def counted(count: int, one: str, many: str = "") -> str:
    """Return a number with its noun, which is the plural where it must be."""
    return f"{count} {one if count == 1 else many or one + 's'}"
