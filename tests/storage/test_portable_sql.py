"""The one SQL text: what SQLite alone understands stands in SQLite's own modules.

Each rule is a difference that PostgreSQL refuses, or answers otherwise. They cannot say that a
text runs there, only that none of these is in it.
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

import pytest

from tests.repo.modules import modules

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.repo.modules import Module

STATEMENT = re.compile(r"\b(SELECT|INSERT|UPDATE|DELETE|WHERE|ORDER BY|LIMIT)\b")

RULES = {
    "a column of its own instead of the number of a row": r"\browid\b|\b_rowid_\b|\boid\b",
    "the column's collation, and lower()": r"\bCOLLATE\b",
    "ON CONFLICT": r"\b(INSERT|UPDATE)\s+OR\b|\bREPLACE\s+INTO\b",
    "the words of the transaction": r"\b(MATCH|GLOB|REGEXP|LIKE|ILIKE)\b",
    "a method of the seam": r"\bPRAGMA\b|\bsqlite_\w+|\bpg_\w+|\bVACUUM\b|\bATTACH\b",
    "coalesce()": r"\bifnull\s*\(",
    "CASE": r"\biif\s*\(",
    "RETURNING": r"\b(last_insert_rowid|changes|total_changes)\s*\(",
    "Python": r"\b(typeof|total|group_concat|string_agg|printf|format|instr|hex|unhex|quote|char|"
    r"random\w*|zeroblob|json\w*|date|time|datetime|julianday|unixepoch|strftime|now)\s*\(",
    "Python's min() and max(), where they are not of a column": r"\b(max|min)\s*\([^()]*,",
    "=": r"==",
    "single quotes": r"[\"`\[]",
    "$n": r"\?|(?<![:\w]):\w|@\w",
    "= or IS NULL": r"\bIS\s+(?!NULL\b|NOT\s+NULL\b)",
    "LIMIT … OFFSET": r"\bLIMIT\s+(\S+\s*,|-)",
    "0 and 1": r"\b(TRUE|FALSE)\b",
    "no type and no cast": r"::|\bCAST\s*\(",
    "one way to read a table": r"\b(NOT\s+)?INDEXED\b",
    "a migration": r"\b(CREATE|ALTER|DROP|AUTOINCREMENT|STRICT|WITHOUT)\b",
}
"""What every engine has instead, and what is refused."""

REFUSED = [
    "SELECT rowid FROM books",
    "SELECT id FROM books ORDER BY title COLLATE NOCASE",
    "INSERT OR IGNORE INTO facts (name) VALUES ($1)",
    "REPLACE INTO facts (name) VALUES ($1)",
    "SELECT id FROM book_words WHERE book_words MATCH $1",
    "SELECT id FROM books WHERE title LIKE $1",
    "SELECT name FROM sqlite_schema WHERE name = $1",
    "SELECT ifnull(isbn, '') FROM books",
    "SELECT iif(deleted, 1, 0) FROM books",
    "SELECT last_insert_rowid() WHERE 1 = 1",
    "SELECT group_concat(name) FROM topics",
    "UPDATE books SET updated_at_ms = unixepoch('subsec') * 1000",
    "UPDATE books SET stock = max(stock - $1, 0) WHERE id = $2",
    "SELECT id FROM books WHERE id == $1",
    'SELECT id FROM books WHERE isbn = "9780306406157"',
    "SELECT id FROM books WHERE id = ?1",
    "SELECT id FROM books WHERE id = :id",
    "SELECT id FROM books WHERE isbn IS $1",
    "SELECT id FROM books LIMIT $1, $2",
    "SELECT id FROM books LIMIT -1",
    "UPDATE books SET deleted = TRUE WHERE id = $1",
    "SELECT CAST(isbn AS INTEGER) FROM books",
    "SELECT id FROM books INDEXED BY books_by_price",
    "SELECT id FROM books; DROP TABLE books",
    "SELECT id FROM books WHERE id = $2",
]
"""A statement for each rule, which only one engine takes."""


def wrong(sql: str) -> list[str]:
    """Return what is wrong with a statement that every engine should take."""
    found = [f"{rule}, not {hit[0]}" for rule, hit in _hits(sql)]
    # PostgreSQL finds no type for a value that a statement has no place for.
    numbers = {int(number) for number in re.findall(r"\$(\d+)", sql)}
    if numbers != set(range(1, len(numbers) + 1)):
        found.append(f"values without a gap, not {sorted(numbers)}")
    return found


def _hits(sql: str) -> Iterator[tuple[str, re.Match[str]]]:
    for rule, refused in RULES.items():
        hit = re.search(refused, sql, re.IGNORECASE)
        if hit:
            yield rule, hit


def statements(module: Module) -> Iterator[tuple[int, str]]:
    """Yield the SQL texts of a module, each with its line; what is put in is the name ``x``."""
    parts = {
        part
        for node in ast.walk(module.tree)
        if isinstance(node, ast.JoinedStr)
        for part in ast.walk(node)
        if part is not node
    }
    docstrings = {
        node.value
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(module.tree):
        if node in parts or node in docstrings:
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value
        elif isinstance(node, ast.JoinedStr):
            text = "".join(
                str(part.value) if isinstance(part, ast.Constant) else "x" for part in node.values
            )
        else:
            continue
        if STATEMENT.search(text):
            yield node.lineno, text


def shared() -> list[Module]:
    """Return the modules whose SQL is for every engine."""
    return [
        module
        for module in modules("servers")
        if module.path.name.endswith("store.py")
        or (module.path.parent.name == "storage" and not module.path.name.startswith("sqlite"))
    ]


def test_one_text_for_every_engine() -> None:
    """No statement of the stores, and none that the storage shares, is for one engine alone."""
    found = [(module.name, *each) for module in shared() for each in statements(module)]
    assert len(found) > 40
    assert {name for name, *_ in found} >= {
        "servers.catalog.store",
        "servers.catalog.search_store",
        "servers.order.store",
        "servers.storage.facts",
        "servers.storage.migrate",
    }
    assert [(f"{name}:{line}", wrong(sql)) for name, line, sql in found if wrong(sql)] == []


@pytest.mark.parametrize("sql", REFUSED)
def test_the_words_of_one_engine_are_refused(sql: str) -> None:
    """The rules see what they are about."""
    assert wrong(sql)


def test_every_rule_is_needed() -> None:
    """Each rule refuses one of the statements that the test above refuses."""
    assert {rule for sql in REFUSED for rule, _ in _hits(sql)} == set(RULES)
