"""The index of words in SQLite: FTS5.

The words are made in ``full_text`` and not by FTS5, so no text can mean anything to FTS5 but
itself. The index has the beginnings of words as words of their own, up to
`INDEXED_PREFIX_CHARACTERS`; and it is read in the order of its rows, from any row on. So an
answer costs what its rows cost, and not what all the rows would that have these words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from servers.storage.database import Transaction


class SqliteWordIndexes:
    """The indexes of words in one transaction; see ``servers.storage.database.WordIndexes``."""

    __slots__ = ("_tx",)

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def add(self, index: str, rows: Iterable[tuple[int, str]]) -> None:
        """Let rows, which are not in the index yet, be found by their words."""
        await self._tx.fetch_many(f"INSERT INTO {index} (rowid, words) VALUES ($1, $2)", rows)

    async def remove(self, index: str, row_id: int) -> None:
        """Let a row be found no more."""
        await self._tx.execute(f"DELETE FROM {index} WHERE rowid = $1", row_id)

    async def matching(self, index: str, words: Sequence[str], after: int, limit: int) -> list[int]:
        """Return the rows numbered above ``after`` that have all of these words, by number."""
        if not words:
            return []
        rows = await self._tx.fetch_all(
            f"SELECT rowid FROM {index} WHERE {index} MATCH $1 AND rowid > $2 "
            "ORDER BY rowid LIMIT $3",
            _expression(words),
            after,
            limit,
        )
        return [row_id for (row_id,) in rows]


def _expression(words: Sequence[str]) -> str:
    """Return words in FTS5's own language; there is nothing in a word that it could mean."""
    *whole, last = words
    terms = [f'"{word}"' for word in dict.fromkeys(whole)]
    if not any(word.startswith(last) for word in whole):
        terms.append(f'"{last}" *')
    return " ".join(terms)
