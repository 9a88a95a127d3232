"""Texts as nobody should give a book them, and how wide a line is on a terminal."""

from __future__ import annotations

import unicodedata

HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Categories of characters that act on a terminal, or are not seen there."""

ALLOWED = {
    "bidi": "abc\u202edcba\u202c \u2066x\u2069 \u061c",
    "zero-width": "a\u200bb\u200cc\u200dd\u2060e\ufefff\u00ad",
    "lines": "one\u2028two\u2029three",
    "private": "x\ue000 \U000f0000 \U0010ffff \uffff",
    "unassigned": "x\u0378 \U000e0fff",
    "tags": "tag\U000e0041\U000e007f \ufe0f \U000e0100",
    "fillers": "\u3164 \uffa0 \u115f x",
    "markup": "[red]x[/red] [link=http://x]y[/link] [/] \\[b]",
    "backslashes": "\\x1b[31m \\u202e \\n \\t \\\\",
    "formula": "=HYPERLINK(0) \uff1d1",
    "wide formula": "\uff1d1+1",
    "plus": "+1",
    "minus": "-1",
    "at": "@SUM(1)",
    "quotes": '\'"a", "b"; \'c',
    "html": "<script>alert(1)</script> & &amp;",
    "wide": "\u6771\u4eac" * 250,
    "combining": "e\u0301\u0323" * 200,
    "much combining": "z" + "\u0301\u0302\u0303\u0304" * 100,
    "family": "\U0001f468\u200d\U0001f469\u200d\U0001f467" * 30,
    "skin": "\U0001f44d\U0001f3fd" * 100,
    "flags": "\U0001f1e9\U0001f1ea" * 100,
    "heart": "\u2764\ufe0f " * 50,
    "long": "x" * 500,
    "words": "word " * 99 + "end",
    "arabic": "\u0645\u0631\u062d\u0628\u0627 \u05e9\u05dc\u05d5\u05dd",
    "thai": "\u0e01\u0e33\u0e49" * 50,
}
"""Titles that the shop takes: whatever is no control character is data."""

SENT = ALLOWED | {
    "escape": "\x1b[31mred\x1b[0m \x1b[2J\x1b[H",
    "title of the window": "\x1b]0;owned\x07",
    "link": "\x1b]8;;http://evil.example\x1b\\click\x1b]8;;\x1b\\",
    "clipboard": "\x1b]52;c;ZXZpbA==\x07",
    "C1": "\x9b31m \x9d0;x\x9c \x85 \x90",
    "C0": "bell\x07 back\x08\x08 \x00 \x7f \x0b\x0c",
    "lines of its own": "one\ntwo\r\nthree\rfour\ttab",
    "surrogates": "\ud800 \udfff",
}
"""Titles that only a shop that lies would send."""


def width(line: str) -> int:
    """Return how many columns a line takes on a terminal."""
    return sum(_columns(character) for character in line)


def _columns(character: str) -> int:
    if unicodedata.category(character) in {"Mn", "Me"}:
        return 0
    return 2 if unicodedata.east_asian_width(character) in {"W", "F"} else 1


def hidden_in(text: str) -> set[str]:
    """Return the characters of a text that act or hide, line feeds aside."""
    return {each for each in text if each != "\n" and unicodedata.category(each) in HIDDEN}
