"""Texts made harmless for a terminal.

A title or a server's sentence may carry characters that move the cursor, change its
colour, turn the reading direction or hide. Here they become visible. What goes to a program
as JSON is not touched, it has to stay exact; on a terminal JSON's own escapes stand in it.

Hidden is what Unicode counts as control, format, surrogate, private or unassigned (so also
the joiners of emoji, about whose width no two terminals agree), line and paragraph
separators, and the few letters, marks and tones that have no shape of their own.
"""

from __future__ import annotations

import re
import unicodedata
from contextlib import suppress

import click

_SHAPELESS = (
    "\u034f"  # combining grapheme joiner
    "\u115f\u1160\u3164\uffa0"  # fillers of Hangul, which look like blanks or like nothing
    "\u17b4\u17b5"  # inherent vowels of Khmer
    "\u180b-\u180d\u180f"  # variation selectors of Mongolian
    "\ufe00-\ufe0f\U000e0100-\U000e01ef"  # variation selectors of everything
    "\U0001f3fb-\U0001f3ff"  # skin tones, which are drawn upon the emoji before them, or beside
)
_NOT_PLAIN = re.compile(r"[^ -~]")
_ALWAYS_HIDDEN = re.compile(f"[{_SHAPELESS}]")
_LAST_OF_TWO_DIGITS = 0xFF
_LAST_OF_FOUR_DIGITS = 0xFFFF
_SHORT = {"\t": "\\t", "\n": "\\n", "\r": "\\r"}


def tell(line: str = "", *, nl: bool = True, color: bool | None = None) -> None:
    """Write a line for the person to stderr; where that cannot be written, nobody reads it.

    Colours in it are kept on a terminal alone, unless ``color`` says whether they are.
    """
    with suppress(OSError):
        click.echo(line, nl=nl, err=True, color=color)


def visible(text: str) -> str:
    r"""Return ``text`` with every character that acts or hides written out, as ``\x1b``."""
    return _NOT_PLAIN.sub(_written, text)


def escaped(text: str) -> str:
    r"""Return ``text`` as `visible` does, with ``\`` doubled, so that it can be read back."""
    return visible(text.replace("\\", "\\\\"))


def json_visible(text: str) -> str:
    r"""Return well-formed JSON that says the same, what is hidden in it written ``\u202e``."""
    return _NOT_PLAIN.sub(_written_as_json, text)


def _is_hidden(character: str) -> bool:
    # `isprintable` also turns down all blanks but one; those that have a width may stay.
    if character.isprintable():
        return _ALWAYS_HIDDEN.match(character) is not None
    return unicodedata.category(character) != "Zs"


def _written(match: re.Match[str]) -> str:
    character = match.group()
    if not _is_hidden(character):
        return character
    code = ord(character)
    if character in _SHORT:
        return _SHORT[character]
    if code <= _LAST_OF_TWO_DIGITS:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= _LAST_OF_FOUR_DIGITS else f"\\U{code:08x}"


def _written_as_json(match: re.Match[str]) -> str:
    character = match.group()
    if character == "\n" or not _is_hidden(character):
        return character
    if character in {"\t", "\r"}:
        return " "  # In well-formed JSON these only stand between values.
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
