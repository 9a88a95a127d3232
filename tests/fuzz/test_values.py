"""Prices, topics, ISBNs, times: each value has one form, and equal things are equal."""

from __future__ import annotations

import contextlib
import unicodedata

import click
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bookstore_cli.output import cell, guarded, items_of, unguarded
from bookstore_cli.params import BOOK_ID, CHANGE, ORDER_ID, PRICE
from servers.domain.errors import InvalidRequest
from servers.domain.limits import MAX_PRICE_MINOR
from servers.domain.money import format_price, parse_price
from servers.domain.text import clean_isbn, topic_key
from servers.domain.times import parse_rfc3339, rfc3339
from tests.fuzz.effort import tries
from tests.fuzz.texts import anything, digits, texts

FOLDING = (
    "\u00c5\u212b\u0131\u0130\u00df\u1e9e\u0345\u03c3\u03c2\u01f0\u0390\u1fb3\ufb00\u0149 \u00a0"
)
words = st.text(st.sampled_from(FOLDING) | st.characters(exclude_categories=["Cs", "Cc"]))


@given(digits | anything)
@tries(400)
def test_a_price_has_one_form(text: str) -> None:
    """A text that is taken for a price is how that price is written."""
    with contextlib.suppress(InvalidRequest):
        assert format_price(parse_price(text)) == text


@given(st.integers(0, MAX_PRICE_MINOR))
@tries(200)
def test_every_price_comes_back(price_minor: int) -> None:
    """Minor units survive their decimal form."""
    assert parse_price(format_price(price_minor)) == price_minor


@given(words)
@tries(400)
def test_a_topic_key_is_its_own_key(topic: str) -> None:
    """A key looked up as a topic finds the same books."""
    assert topic_key(topic_key(topic)) == topic_key(topic)


@given(words)
@tries(400)
def test_equal_topics_have_equal_keys(topic: str) -> None:
    """Composed or not, folded or not, with one blank or many: the same topic."""
    key = topic_key(topic)
    for same in ("NFC", "NFD"):
        assert topic_key(unicodedata.normalize(same, topic)) == key
    assert topic_key(topic.casefold()) == key
    assert topic_key(f"  {topic} ".replace(" ", " \u2003 ")) == key


@given(st.text("0123456789", min_size=12, max_size=12), st.text(" -", max_size=5))
@tries(200)
def test_an_isbn_has_one_check_digit(first: str, between: str) -> None:
    """Of ten last digits one is right; hyphens and blanks do not count."""
    right = []
    for last in "0123456789":
        with contextlib.suppress(InvalidRequest):
            right.append(clean_isbn(between.join(first + last) + between))
    assert len(right) == 1
    assert clean_isbn(right[0]) == right[0]
    assert right[0].startswith(first)


@given(st.text("0123456789", min_size=9, max_size=9))
@tries(100)
def test_an_old_isbn_becomes_a_new_one(first: str) -> None:
    """Of eleven last digits one is right, and gives an ISBN that is taken as it is."""
    right = []
    for last in "0123456789X":
        with contextlib.suppress(InvalidRequest):
            right.append(clean_isbn(first + last))
    assert len(right) == 1
    assert clean_isbn(right[0]) == right[0]
    assert right[0].startswith("978" + first)


@given(anything | digits | st.text("0123456789Xx- ", max_size=20))
@tries(400)
def test_any_text_is_an_isbn_or_refused(text: str) -> None:
    """What comes out has thirteen ASCII digits."""
    with contextlib.suppress(InvalidRequest):
        isbn = clean_isbn(text)
        assert isbn.isascii()
        assert isbn.isdigit()
        assert len(isbn) == 13


@given(st.integers(0, 253_402_300_799_999))
@tries(200)
def test_a_time_comes_back(at_ms: int) -> None:
    """Milliseconds survive RFC 3339."""
    assert parse_rfc3339(rfc3339(at_ms)) == at_ms


@given(anything | digits)
@tries(300)
def test_what_is_typed_is_read_or_a_mistake(text: str) -> None:
    """What the command takes for an id, a price or a change is what the shop takes too."""
    with contextlib.suppress(click.ClickException):
        assert str(BOOK_ID.convert(text, None, None)) == text
    for kind in (ORDER_ID, PRICE, CHANGE):
        with contextlib.suppress(click.ClickException):
            assert str(kind.convert(text, None, None)).isascii()


@given(texts, st.lists(texts.filter(bool)))
@tries(200)
def test_cells_come_back(text: str, items: list[str]) -> None:
    """What goes into a spreadsheet's cell, one text or several, comes out unchanged."""
    assert unguarded(guarded(text)) == text
    assert items_of(unguarded(guarded(cell(items)))) == items


@given(texts)
@tries(200)
def test_a_guarded_cell_is_no_formula(text: str) -> None:
    """No cell begins with what a spreadsheet may take for a formula, narrow or wide."""
    assume(text)
    first = unicodedata.normalize("NFKC", guarded(text)[0])
    assert first not in {"=", "+", "-", "@", "\t", "\r", "\n"} or guarded(text)[0] in "\ufe62\ufe63"


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", "\n=1", "'=1", "\uff1d1"]
)
def test_formulas_are_guarded(text: str) -> None:
    """Each way to begin a formula gets an apostrophe before it."""
    assert guarded(text) == "'" + text
