"""Facts that a database keeps about itself for good, by name: set once, then compared."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from servers.storage.database import Transaction


async def keep_fact(tx: Transaction, name: str, value: str) -> str:
    """Keep a fact if it is new; return the value that is kept, which may be an older one."""
    await tx.execute(
        "INSERT INTO facts (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING",
        name,
        value,
    )
    kept = await fact(tx, name)
    return value if kept is None else kept


async def fact(tx: Transaction, name: str) -> str | None:
    """Return a fact that is kept, or None."""
    row = await tx.fetch_one("SELECT value FROM facts WHERE name = $1", name)
    return str(row[0]) if row is not None else None
