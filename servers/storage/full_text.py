"""Full text: what counts as a word, and in which form words are compared.

Lives here: folding and splitting texts. The words are made here and not by an engine, so that
an index and a question are split alike, whatever the engine, and a script without blanks is
found by any of its characters. How an engine keeps an index of words lives in a module of its
own (``sqlite_words``); what is indexed, and what becomes of what was found, is for the stores.
"""

from __future__ import annotations

import re
import unicodedata

INDEXED_PREFIX_CHARACTERS = 12
"""Up to this length the beginning of a word is looked up; of a longer one all words are read
that begin so. As in the migrations."""

_ASCII_WORD = re.compile(r"[a-z0-9]+")
# Letters with a stroke or a ligature, which Unicode does not take apart, as people type them.
_TYPED_AS = {
    "æ": "ae",
    "œ": "oe",
    "ø": "o",
    "ł": "l",
    "đ": "d",
    "ð": "d",
    "ħ": "h",
    "ŧ": "t",
    "ı": "i",
    "þ": "th",
}
# Canonical combining classes, first and last, of vowel points and of accents; not those of
# signs that make another letter, such as the voicing marks of kana (8) and the virama (9).
_POINTS, _ACCENTS = (10, 36), (200, 255)
_VARIANTS = ("\ufe00", "\ufe0f")
_ZERO_WIDTH_SPACE = "\u200b"
# Scripts written without blanks whose every character is a word, or nearly: kana and Han.
_WITHOUT_BLANKS = re.compile(
    "[\u3041-\u3096\u309d-\u30fa\u30fc-\u30ff\u31f0-\u31ff\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\U00020000-\U0003ffff]"
)


def words_of(text: str) -> list[str]:
    """Return the words of a text, in order, in the form in which they are compared.

    Upper and lower case, accents and forms of the same character do not matter. A word is
    a run of letters and digits, and each character of Han or kana is one by itself.
    """
    if text.isascii():
        return _ASCII_WORD.findall(text.lower())
    # Folded twice: what the first taking apart sets free can have a case of its own.
    apart = unicodedata.normalize("NFD", text)
    for _ in range(2):
        apart = unicodedata.normalize("NFKD", apart.casefold())
    bare = "".join(character for character in apart if not _ignored(character))
    folded = "".join(_TYPED_AS.get(each, each) for each in unicodedata.normalize("NFC", bare))
    spaced = _WITHOUT_BLANKS.sub(r" \g<0> ", folded)
    runs = "".join(each if _kind(each) in "LNM" else " " for each in spaced).split()
    return [word for run in runs if (word := _without_leading_marks(run))]


def search_words(*texts: str) -> str:
    """Return the words of texts as an index takes them, with blanks between them."""
    return " ".join(dict.fromkeys(word for text in texts for word in words_of(text)))


def _ignored(character: str) -> bool:
    """Say whether a character only dresses another: accents, points, joiners, variants."""
    if _kind(character) == "M":
        kind = unicodedata.combining(character)
        is_accent = any(first <= kind <= last for first, last in (_POINTS, _ACCENTS))
        return is_accent or _VARIANTS[0] <= character <= _VARIANTS[1]
    return unicodedata.category(character) == "Cf" and character != _ZERO_WIDTH_SPACE


def _without_leading_marks(word: str) -> str:
    while word and _kind(word[0]) == "M":
        word = word[1:]
    return word


def _kind(character: str) -> str:
    return unicodedata.category(character)[0]
