"""The SQL functions of this program, which migrations call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from servers.storage.full_text import search_words

if TYPE_CHECKING:
    import apsw


def add_functions(connection: apsw.Connection) -> None:
    """Let a connection call them."""
    connection.create_scalar_function("search_words", _search_words, deterministic=True)


def _search_words(*texts: object) -> str:
    return search_words(*(str(text) for text in texts))
