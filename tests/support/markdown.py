"""The documents as the tests read them: fenced blocks, tables and links.

Lives here: taking a Markdown text apart. What is claimed of a part stands in ``tests/repo``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SECTION = re.compile(r"^#+ +(.+?)\n(.*?)(?=^#|\Z)", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")


@dataclass(frozen=True)
class Block:
    """What stands between two fences, the word behind the first one, and in which line it began."""

    language: str
    text: str
    line: int


def document(name: str) -> str:
    """Return a document of the project by its path."""
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(text: str, language: str = "") -> list[Block]:
    """Return the fenced blocks, all or those of one language, in order."""
    found = [
        Block(match[1], match[2], text.count("\n", 0, match.start()) + 2)
        for match in _FENCE.finditer(text)
    ]
    return [block for block in found if language in {"", block.language}]


def section(text: str, title: str) -> str:
    """Return what stands under a heading, up to the next one."""
    return {match[1]: match[2] for match in _SECTION.finditer(_FENCE.sub("", text))}[title]


def table(text: str) -> list[list[str]]:
    """Return the rows of the tables in a text, without their headings."""
    rows: list[list[str]] = []
    for line in text.splitlines():
        if not line.startswith("|"):
            continue
        if set(line) <= set("|-: "):
            rows.pop()  # What stood above the rule was the heading.
        else:
            rows.append([cell.strip() for cell in line.strip("|").split(" | ")])
    return rows


def code_words(cell: str) -> list[str]:
    """Return what stands between backticks."""
    return re.findall(r"`([^`]+)`", cell)


def links(text: str) -> list[str]:
    """Return the targets of all links."""
    return _LINK.findall(_FENCE.sub("", text))
