"""The shop's databases as files: backing them up, putting a backup back, examining them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bookstore_cli.commands import ShopGroup
from bookstore_cli.session import pass_session
from bookstore_cli.terminal import tell, visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bookstore_cli.session import Session
    from servers.storage.sqlite_check import Examined
    from servers.upkeep.backup import Manifest
    from servers.upkeep.restore import Restored

DAMAGED = 8
OPEN, REPAIR, RESTORE = "bookstore up", "bookstore reconcile", "bookstore db restore"
DATABASES = ("catalog", "orders")
BACKED_UP = ("folder", "began_at", "ended_at", "ledger", "orders_complete")
RESTORED = ("restored", "replaced", "next")
CHECKED = ("database", "ok", "schema", "pages", "free_pages", "page_bytes", "problems")

_FOLDER = click.Path(file_okay=False, path_type=Path)


@click.group(
    cls=ShopGroup, examples=("bookstore db check", "bookstore db backup ~/backups/$(date +%F)")
)
def db() -> None:
    """Back up, restore and check the shop's databases."""


@db.command(
    examples=(
        "bookstore db backup ~/bookstore-backup",
        "bookstore db backup ~/backups/$(date +%s) --json",
    )
)
@click.argument("target", metavar="DIR", type=_FOLDER)
@pass_session
def backup(session: Session, target: Path) -> None:
    """Copy both databases into a new folder.

    Works on a running shop, which goes on selling, and on a stopped one. The copies are of one
    moment, and are examined. Tokens are not part of a backup.
    """
    from servers.upkeep.backup import back_up

    manifest = back_up(session.folder, target)
    told = {"folder": str(target), **_manifest_object(manifest)}
    done = f"backed up to {target}: the shop as it was at {manifest.began_at}"
    session.output.outcome(told, (BACKED_UP, told), [done])
    if manifest.ledger < manifest.ledger_seen:
        session.say(
            f"The ledger ends at {manifest.ledger}, but the orders know of {manifest.ledger_seen}: "
            "the catalog was lost or is an old one. Keep the backups from before; see `bookstore "
            "reconcile --dry-run`."
        )
    if not manifest.orders_complete:
        session.say("The orders lack some of what the ledger decided: run `bookstore reconcile`.")


@db.command(
    examples=(
        "bookstore db restore ~/bookstore-backup",
        "bookstore db restore ~/bookstore-backup --only catalog",
    )
)
@click.argument("source", metavar="DIR", type=_FOLDER)
@click.option("--only", type=click.Choice(DATABASES), help="Put back this database alone.")
@pass_session
def restore(session: Session, source: Path, only: str | None) -> None:
    """Put a backup back, while the shop does not run.

    What it replaces is kept in a folder beside it. Then the two databases are compared, and
    the next step is told. Tokens are not part of a backup: those in the shop's folder stay.
    """
    import asyncio

    from servers.upkeep.restore import restore as put_back

    done = put_back(source, session.folder, [only] if only else DATABASES)
    next_step = asyncio.run(_next_step(session.folder))
    aside = None if done.aside is None else str(done.aside)
    row = {"restored": list(done.databases), "replaced": aside, "next": next_step}
    told = {**row, "backup": _manifest_object(done.manifest)}
    session.output.outcome(told, (RESTORED, row), _restored_lines(source, done, next_step))
    if aside is not None:
        session.say(f"What was there before is kept in {aside}.")
    session.say("Tokens are not part of a backup; those of the shop's folder stay.")
    if next_step == OPEN:
        session.say(f"Next: `{OPEN}`.")


@db.command(examples=("bookstore db check", "bookstore db check --json"))
@pass_session
def check(session: Session) -> int:
    """Examine both database files.

    Looks for damage, for rows that name missing rows, and for a schema that no migration has
    made, in a running shop or a stopped one. Changes nothing. Exit 8 if something is wrong;
    whether the rows agree with each other is told by `bookstore audit`.
    """
    from servers.upkeep.shop_files import check as examine

    found = examine(session.folder)
    session.output.rows(CHECKED, [_checked(name, each) for name, each in found.items()])
    if not session.machine_reads_errors:
        for name, each in found.items():
            for problem in each.problems:
                tell(visible(f"{name}.db: {problem}"))
    for name, each in found.items():
        if each.problems and not each.advised:
            session.announce(_advice(name))
    return DAMAGED if any(each.problems for each in found.values()) else 0


def _advice(name: str) -> str:
    """Return what to do about a database that is damaged or lost."""
    step = (
        f"Next: stop the shop, and put a backup of {name}.db back with `bookstore db restore DIR "
        f"--only {name}`; what was there is kept."
    )
    if name == "orders":
        step += (
            " Without a backup: where no orders.db is in the folder, `bookstore reconcile` makes"
            " the orders again from the ledger."
        )
    return step


async def _next_step(folder: Path) -> str:
    """Return what is to be done with a stopped shop: it is whole, to be repaired, or half lost."""
    from servers.upkeep.audit import audit
    from servers.upkeep.backoffice import open_stopped
    from servers.upkeep.shop_files import CATALOG, is_lost

    if is_lost(folder, CATALOG):
        return RESTORE
    async with open_stopped(folder, to_change=False) as shop:
        return REPAIR if (await audit(shop)).violations else OPEN


def _restored_lines(source: Path, done: Restored, next_step: str) -> Iterator[str]:
    names = " and ".join(done.databases)
    yield f"restored {names} from {source}, as of {done.manifest.began_at}"
    if next_step == REPAIR:
        yield f"orders and ledger do not agree; next: `{REPAIR}`, then `{OPEN}`"
    if next_step == RESTORE:
        yield f"the catalog is lost; next: `{RESTORE} DIR --only catalog`, then `{REPAIR}`"


def _manifest_object(manifest: Manifest) -> dict[str, object]:
    import msgspec

    told: dict[str, object] = msgspec.to_builtins(manifest)
    return told


def _checked(name: str, found: Examined) -> dict[str, object]:
    return {
        "database": name,
        "ok": not found.problems,
        "schema": found.schema,
        "pages": found.pages,
        "free_pages": found.free_pages,
        "page_bytes": found.page_bytes,
        "problems": list(found.problems),
    }
