"""Words: what of a text is compared, in every script, and that no text means anything else."""

from __future__ import annotations

import unicodedata
from contextlib import closing

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from servers.storage.full_text import search_words, words_of
from servers.storage.sqlite import packaged_migrations
from servers.storage.sqlite_functions import add_functions
from servers.storage.sqlite_session import Session

TEXTS = st.text(max_size=60)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Cooking for the Impatient Undergrad", "cooking for the impatient undergrad"),
        ("Crème brûlée, O'Reilly & Co.", "creme brulee o reilly co"),
        ("STRASSE Straße", "strasse strasse"),
        ("Łódź Ærø Þór İstanbul \u0131s\u0131", "lodz aero thor istanbul isi"),
        ("Ὀδύσσεια ΟΔΥΣΣΕΙΑ", "οδυσσεια οδυσσεια"),
        ("Анна Каренина Ёж", "анна каренина еж"),
        ("\ufb01nance \uff21\uff22\uff23 x\u00b2", "finance abc x2"),
        ("红楼梦 2", "红 楼 梦 2"),
        ("ハリーとﾊﾟﾘ", "ハ リ ー と パ リ"),
        ("한국어 책", "한국어 책"),
        ("हिन्दी साहित्य", "हिन्दी साहित्य"),
        ("שָׁלוֹם مُحَمَّد", "שלום محمد"),
        ("I \u2764\ufe0f N\u00adY a\u200bb", "i ny a b"),
        ("C++ / C# (100 %)", "c c 100"),
        ("!!! \U0001f600 \u0301", ""),
        ("", ""),
    ],
)
def test_what_is_compared(text: str, words: str) -> None:
    """Case, accents and forms of a character go; what makes another letter stays."""
    assert words_of(text) == words.split()


@given(TEXTS)
def test_words_stay_what_they_are(text: str) -> None:
    """The words of words are the same words, so that an index and a question agree."""
    words = words_of(text)
    assert words_of(" ".join(words)) == words
    assert all(words)


@given(TEXTS, st.sampled_from([str.upper, str.lower, str.title, str.casefold]))
def test_case_does_not_matter(text: str, changed: object) -> None:
    """A text in another case has the same words, but for letters that have none of their own."""
    assert callable(changed)
    other = changed(text)
    if other.casefold() == text.casefold():
        assert words_of(other) == words_of(text)


@given(TEXTS, st.sampled_from(["NFC", "NFD"]))
def test_the_form_does_not_matter(text: str, form: str) -> None:
    """Letters with their accents apart are the same letters."""
    normal = unicodedata.normalize("NFC" if form == "NFC" else "NFD", text)
    assert words_of(normal) == words_of(text)


@given(st.lists(st.sampled_from("abcdefghijklmnopqrstuvwxyzäöüéèêñçšžжзий "), max_size=40))
def test_accents_do_not_matter(letters: list[str]) -> None:
    """With an accent on each letter a text has the same words."""
    dressed = "".join(each if each == " " else f"{each}\u0301" for each in letters)
    assert words_of(dressed) == words_of("".join(letters))


@given(st.lists(TEXTS, max_size=4), TEXTS)
def test_any_text_is_safe(titles: list[str], asked: str) -> None:
    """No text is an error, and what is found are the rows that have all of its words."""
    with closing(apsw.Connection(":memory:")) as connection:
        add_functions(connection)
        for migration in sorted(packaged_migrations("catalog").glob("*.sql")):
            connection.execute(migration.read_text(encoding="utf-8"))
        rows = [(number, search_words(title)) for number, title in enumerate(titles, 1)]
        connection.executemany("INSERT INTO book_words (rowid, words) VALUES (?, ?)", rows)
        words = words_of(asked)
        found = Session(connection).read(lambda tx: tx.words.matching("book_words", words, 0, 10))
    assert found == [number for number, title in enumerate(titles, 1) if _has(title, words)]


def _has(title: str, asked: list[str]) -> bool:
    words = words_of(title)
    return bool(asked) and (
        set(asked[:-1]) <= set(words) and any(word.startswith(asked[-1]) for word in words)
    )
