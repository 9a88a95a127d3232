"""Texts that people type: topics, titles, names, ISBNs; what is allowed and what is equal.

How texts are made harmless on a terminal or a web page is the business of whoever
prints them; here they are data and stay as they are.
"""

from __future__ import annotations

import re
import unicodedata

from servers.domain.errors import InvalidRequest

TEXT_PATTERN = "^[^\\u0000-\\u001f\\u007f-\\u009f]+$"
"""What every text keeps to, as JSON Schema can say it: not empty, no control characters.

That some of it is visible is checked as well, but no pattern can say so.
"""

_NOT_TEXT = {"Cc", "Cs"}
_INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zs", "Zl", "Zp"}
# Fillers of Hangul and the empty pattern of Braille: letters and a symbol by their category.
_BLANK = frozenset("\u115f\u1160\u3164\uffa0\u2800")
_PLAIN = re.compile(r"[ -~]*\Z")
_SHORT, _LONG = 10, 13
_ISBN = re.compile(r"[0-9]{9}[0-9Xx]\Z|[0-9]{13}\Z")


def topic_key(topic: str) -> str:
    """Return what two topics must share to be the same: NFC, casefolded, blanks collapsed."""
    folded = unicodedata.normalize("NFC", topic).casefold()
    return " ".join(unicodedata.normalize("NFC", folded).split())


def clean_text(text: str, field: str, max_characters: int) -> str:
    """Return ``text`` in NFC, or raise `InvalidRequest` naming ``field``.

    A text has 1 … ``max_characters`` characters, at least one of them visible, and
    neither control characters nor lone surrogates.
    """
    if not _PLAIN.match(text):
        if any(unicodedata.category(character) in _NOT_TEXT for character in text):
            detail = f"`{field}` must not contain control characters or broken Unicode."
            raise InvalidRequest(detail, field=field)
        text = unicodedata.normalize("NFC", text)
    if not 1 <= len(text) <= max_characters:
        detail = f"`{field}` must have 1 to {max_characters} characters."
        raise InvalidRequest(detail, field=field)
    if all(_is_invisible(character) for character in text):
        raise InvalidRequest(f"`{field}` must have at least one visible character.", field=field)
    return text


def _is_invisible(character: str) -> bool:
    return character in _BLANK or unicodedata.category(character) in _INVISIBLE


def clean_isbn(text: str) -> str:
    """Return an ISBN as its 13 digits; hyphens and blanks are ignored.

    Raises `InvalidRequest` where the length or the check digit is wrong (ISO 2108).
    """
    digits = text.replace("-", "").replace(" ", "").upper()
    if _ISBN.match(digits):
        if len(digits) == _LONG and _check_digit_13(digits[:12]) == digits[12]:
            return digits
        if len(digits) == _SHORT and _check_digit_10(digits[:9]) == digits[9]:
            core = "978" + digits[:9]
            return core + _check_digit_13(core)
    detail = "`isbn` must be an ISBN of 10 or 13 digits with a right check digit."
    raise InvalidRequest(detail, field="isbn")


def _check_digit_13(first_12: str) -> str:
    total = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(first_12))
    return str(-total % 10)


def _check_digit_10(first_9: str) -> str:
    total = sum(int(digit) * (_SHORT - place) for place, digit in enumerate(first_9))
    check = -total % 11
    return "X" if check == _SHORT else str(check)
