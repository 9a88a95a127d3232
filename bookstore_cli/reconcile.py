"""Repairing the shop's data after a loss, or saying what a repair would do; for its keepers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from bookstore_cli.audit import (
    CATALOG_URL,
    FOUND,
    ORDER_URL,
    counted,
    ended,
    findings_lines,
    findings_object,
    no_collecting,
    open_shop,
)
from bookstore_cli.commands import ShopCommand
from bookstore_cli.session import pass_session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bookstore_cli.session import Session
    from servers.domain.invariants import Findings
    from servers.upkeep.reconcile import Repairs

REPAIRS = ("sales", "refusals", "returns", "orders", "corrections", "lost_books", "retitled")
REPAIRED = ("dry_run", *REPAIRS, *FOUND)

_GIVEN_UP = (
    "The catalog was given up: every book that no order tells of is gone, and so are authors, "
    "topics and stock of the others. Add what you sell anew: `bookstore books add`."
)


@click.command(cls=ShopCommand, examples=("bookstore reconcile --dry-run", "bookstore reconcile"))
@click.option(
    "--dry-run",
    is_flag=True,
    help="Say what would be repaired, and what an audit would find then; change nothing.",
)
@click.option(
    "--without-backup",
    is_flag=True,
    help="Go on though the catalog is lost: of its books nothing is left but what orders tell.",
)
@CATALOG_URL
@ORDER_URL
@pass_session
def reconcile(
    session: Session,
    dry_run: bool,
    without_backup: bool,
    catalog_url: str | None,
    order_url: str | None,
) -> int:
    """Rebuild orders from the ledger, and missing sales.

    For a shop of which a database was lost or restored from an old copy. What can be repaired
    is repaired, one line for each kind; then the shop is audited. A lost catalog is not made anew
    from the orders, which know its sold books alone and nothing of its stock: put a backup
    back, or say that there is none.
    """
    import asyncio

    from servers.upkeep.audit import audit as examine
    from servers.upkeep.reconcile import catalog_is_lost
    from servers.upkeep.reconcile import reconcile as repair
    from servers.upkeep.rehearsal import rehearse

    urls = catalog_url, order_url
    # Where it is neither, a catalog that is not there is not even made.
    lost_or_not = dry_run or without_backup

    async def run() -> tuple[Repairs, Findings]:
        async with open_shop(
            session, *urls, to_change=not dry_run, without_catalog=lost_or_not
        ) as shop:
            if dry_run:
                rehearsal = await rehearse(shop)
                return rehearsal.repairs, rehearsal.findings
            repairs = await repair(shop, without_backup=without_backup)
            return repairs, await examine(shop)

    with no_collecting():
        repairs, findings = asyncio.run(run())
    found, repaired = findings_object(findings), _repairs_object(repairs)
    told = {"dry_run": dry_run, "repairs": repaired, **found}
    row = {"dry_run": dry_run, **found, **repaired}
    then = (f"then: {line}" if dry_run else line for line in findings_lines(findings))
    lines = (*_repairs_lines(repairs, "would be " if dry_run else ""), *then)
    session.output.outcome(told, (REPAIRED, row), lines)
    if repairs.catalog_lost and not without_backup:
        raise catalog_is_lost(repairs.catalog_lost)
    if repairs.catalog_lost and not dry_run:
        session.say(_GIVEN_UP)
    return ended(session, findings, "an audit would fail then" if dry_run else "audit failed")


def _repairs_lines(repairs: Repairs, would_be: str) -> Iterator[str]:
    """Yield a line for each book that was lost or corrected, and for each kind of repair."""
    for book_id, title in sorted(repairs.lost_books.items()):
        yield (
            f"book {book_id}, {title}: the catalog has lost it, only its orders are left; it "
            f"{would_be or 'was '}entered as deleted"
        )
    for book_id, (told, now) in sorted(repairs.retitled.items()):
        yield (
            f"book {book_id}, {now}: it was sold as {told}; if that is another book, count the "
            f"copies: bookstore books restock {book_id} --count N"
        )
    lines: tuple[tuple[int, Callable[[int], str]], ...] = (
        (repairs.sales, lambda n: f"{counted(n, 'sale')} {would_be}entered again"),
        (repairs.refusals, lambda n: f"{counted(n, 'refusal')} {would_be}entered again"),
        (repairs.returns, lambda n: f"{counted(n, 'return')} {would_be}entered again"),
        (repairs.rows, lambda n: f"{counted(n, 'order')} {would_be}made to agree with the ledger"),
        (
            len(repairs.lost_books),
            lambda n: f"{counted(n, 'lost book')} {would_be}entered as deleted",
        ),
    )
    for book_id, copies in sorted(repairs.corrections.items()):
        if book_id in repairs.lost_books:
            continue  # Of such a book nothing but its sales is known, so that says nothing.
        short = f"{counted(copies, 'copy', 'copies')} of book {book_id}"
        yield f"correction: {short} {would_be}received, sold before the catalog was restored"
    yield from (line(count) for count, line in lines if count)
    if not any(count for count, _ in lines):
        yield "nothing to repair"


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
        "lost_books": [
            {"book_id": book_id, "title": title}
            for book_id, title in sorted(repairs.lost_books.items())
        ],
        "retitled": [
            {"book_id": book_id, "sold_as": told, "title": now}
            for book_id, (told, now) in sorted(repairs.retitled.items())
        ],
    }
