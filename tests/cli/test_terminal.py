"""Nothing that the shop sends can act on a terminal."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bookstore_cli.terminal import escaped, visible


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("\x1b]0;owned\x07", "\\x1b]0;owned\\x07"),
        ("\x9b31m", "\\x9b31m"),
        ("a\u202eb\u2066c", "a\\u202eb\\u2066c"),
        ("zero\u200bwidth\ufeff", "zero\\u200bwidth\\ufeff"),
        ("tag\U000e0041", "tag\\U000e0041"),
        ("line\nfeed\ttab\r", "line\\nfeed\\ttab\\r"),
        ("broken \udcff", "broken \\udcff"),
        ("Émile 東京 😀 [bold]", "Émile 東京 😀 [bold]"),
    ],
)
def test_acting_and_hiding_characters_become_visible(text: str, seen: str) -> None:
    """Controls, bidi marks and zero-width characters are written out, all else stays."""
    assert visible(text) == seen


@given(st.text(st.characters(categories=["Cc", "Cf", "Cs", "Zl", "Zp", "L"])))
def test_no_control_is_left(text: str) -> None:
    """After `visible` no control, line separator or surrogate is left in any text."""
    left = {unicodedata.category(character) for character in visible(text)}
    assert not left & {"Cc", "Cs", "Zl", "Zp"}


@given(st.text())
def test_an_escaped_text_can_be_read_back(text: str) -> None:
    """What `escaped` wrote, Python's own reading of escapes gives back."""
    plain = escaped(text)
    parts = plain.split("\\\\")
    read = [
        part.encode("latin-1", "backslashreplace").decode("unicode_escape", "surrogatepass")
        for part in parts
    ]
    assert "\\".join(read) == text
