"""Texts made harmless for a terminal.

A title or a server's sentence may carry characters that move the cursor, change its
colour, turn the reading direction or hide. Here they become visible. What goes out as
JSON is not touched: a program reads it, and it has to stay exact.
"""

from __future__ import annotations

import re

_HIDDEN = (
    "\x00-\x1f\x7f-\x9f"  # C0 (escape, tab, line feed …), DEL and C1
    "\u00ad\u034f\u061c\u180e"  # soft hyphen, grapheme joiner, two marks that have no width
    "\u200b-\u200f\u2028-\u202e"  # zero-width, line separators, embeddings and overrides
    "\u2060-\u206f\ufeff\ufff9-\ufffb"  # joiners, isolates, byte order mark, annotations
    "\ud800-\udfff"  # lone surrogates, as undecodable bytes of an argument become
    "\U000e0000-\U000e0fff"  # tags and variation selectors of the last plane
)
_UNSAFE = re.compile(f"[{_HIDDEN}]")
_UNSAFE_OR_BACKSLASH = re.compile(f"[{_HIDDEN}\\\\]")
_LAST_OF_TWO_DIGITS = 0xFF
_LAST_OF_FOUR_DIGITS = 0xFFFF
_SHORT = {"\t": "\\t", "\n": "\\n", "\r": "\\r", "\\": "\\\\"}


def visible(text: str) -> str:
    r"""Return ``text`` with every character that acts or hides written out, as ``\x1b``."""
    return _UNSAFE.sub(_written, text)


def escaped(text: str) -> str:
    r"""Return ``text`` as `visible` does, with ``\`` doubled, so that it can be read back."""
    return _UNSAFE_OR_BACKSLASH.sub(_written, text)


def _written(match: re.Match[str]) -> str:
    character = match.group()
    code = ord(character)
    if character in _SHORT:
        return _SHORT[character]
    if code <= _LAST_OF_TWO_DIGITS:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= _LAST_OF_FOUR_DIGITS else f"\\U{code:08x}"
