"""Texts, ISBNs, prices and times: what is allowed, and what is equal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servers.domain.errors import InvalidRequest
from servers.domain.limits import MAX_PRICE_MINOR
from servers.domain.money import format_price, parse_price
from servers.domain.text import clean_isbn, clean_text, topic_key
from servers.domain.times import parse_rfc3339, rfc3339


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Distributed Systems", "distributed systems"),
        ("  distributed   systems ", "distributed systems"),
        ("distributed\u00a0systems", "distributed systems"),
        ("caf\u00e9", "cafe\u0301"),
        ("STRASSE", "stra\u00dfe"),
        ("\u0391\u03a3", "\u03b1\u03c2"),
        ("\u212bngstr\u00f6m", "\u00e5ngstr\u00f6m"),
    ],
)
def test_equal_topics(one: str, other: str) -> None:
    """Topics are equal whatever their case, their blanks and the form of their accents."""
    assert topic_key(one) == topic_key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("travel", "travels"), ("a b", "ab"), ("c++", "c"), ("100%", "100"), ("a_b", "a b")],
)
def test_other_topics(one: str, other: str) -> None:
    """Topics match whole, and no character stands for another."""
    assert topic_key(one) != topic_key(other)


@given(st.text())
def test_a_topic_key_is_its_own_key(topic: str) -> None:
    """Folding what is folded already changes nothing."""
    assert topic_key(topic_key(topic)) == topic_key(topic)


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("Xen", "Xen"),
        ("x" * 10, "x" * 10),
        ("e\u0301" * 10, "\u00e9" * 10),
        (" = 1 + 1 <b>[bold]", " = 1 + 1 <b>[bold]"),
        ("\u202eevil", "\u202eevil"),
        ("\U0001f4da", "\U0001f4da"),
    ],
)
def test_good_texts(text: str, cleaned: str) -> None:
    """A text is kept as it is, in NFC; its length is counted in that form."""
    assert clean_text(text, "title", 20) == cleaned


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "\u00a0\u2003",
        "\u200b\u200d\u00ad",
        "\u3164\uffa0 \u2800\u115f\u1160",
        "\u2028",
        "x" * 21,
        "\u00e9" * 21,
        "a\x00b",
        "a\nb",
        "\x1b[31m",
        "a\x85b",
        "a\x7fb",
        "\ud800",
        "ok\udfff",
    ],
)
def test_bad_texts(text: str) -> None:
    """A text that is empty, invisible, too long, of controls or broken is refused by name."""
    with pytest.raises(InvalidRequest) as refused:
        clean_text(text, "title", 20)
    assert refused.value.members == {"field": "title"}
    refused.value.detail.encode()


@pytest.mark.parametrize(
    ("text", "isbn"),
    [
        ("9780306406157", "9780306406157"),
        ("978-0-306-40615-7", "9780306406157"),
        ("978 0306 406157", "9780306406157"),
        ("0-306-40615-2", "9780306406157"),
        ("080442957X", "9780804429573"),
        ("0-8044-2957-x", "9780804429573"),
        ("979-10-90636-07-1", "9791090636071"),
    ],
)
def test_good_isbns(text: str, isbn: str) -> None:
    """An ISBN of ten or thirteen is kept as thirteen digits."""
    assert clean_isbn(text) == isbn


@pytest.mark.parametrize(
    "text",
    [
        "",
        "9780306406158",
        "0306406153",
        "030640615X",
        "X306406152",
        "978030640615",
        "97803064061577",
        "978030640615X",
        "\uff19\uff17\uff18\uff10\uff13\uff10\uff16\uff14\uff10\uff16\uff11\uff15\uff17",
        "\u0669\u0667\u0668\u0660\u0663\u0660\u0666\u0664\u0660\u0666\u0661\u0665\u0667",
        "9780306406157\n",
        "isbn",
    ],
)
def test_bad_isbns(text: str) -> None:
    """A wrong length, check digit or script is refused."""
    with pytest.raises(InvalidRequest) as refused:
        clean_isbn(text)
    assert refused.value.members == {"field": "isbn"}


@given(st.integers(0, MAX_PRICE_MINOR))
def test_a_price_is_read_as_it_was_written(price_minor: int) -> None:
    """A price goes out and comes back the same, without a float in between."""
    assert parse_price(format_price(price_minor)) == price_minor


@pytest.mark.parametrize(
    ("text", "price_minor"),
    [("0.00", 0), ("0.01", 1), ("25.00", 2500), ("1000000000.00", MAX_PRICE_MINOR)],
)
def test_good_prices(text: str, price_minor: int) -> None:
    """A price has two places and no more than it may."""
    assert parse_price(text) == price_minor


@pytest.mark.parametrize(
    "text",
    [
        *("", "1", "1.", "1.0", "1.000", ".50", "01.00", "00.00", "+1.00", "-1.00", "-0.00"),
        *("1,00", "1e2", "NaN", "Infinity", " 1.00", "1.00 ", "1.00\n", "$1.00", "1_0.00"),
        *(
            "1000000000.01",
            "10000000000.00",
            "9" * 400 + ".00",
            "\uff11.\uff10\uff10",
            "\u0663.\u0660\u0660",
        ),
    ],
)
def test_bad_prices(text: str) -> None:
    """Whatever is not a plain decimal of two places is refused by the field's name."""
    with pytest.raises(InvalidRequest) as refused:
        parse_price(text, "max_price")
    assert refused.value.members == {"field": "max_price"}


@pytest.mark.parametrize(
    ("at_ms", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1, "1970-01-01T00:00:00.001Z"),
        (1769860800250, "2026-01-31T12:00:00.250Z"),
        (951782399999, "2000-02-28T23:59:59.999Z"),
    ],
)
def test_times(at_ms: int, text: str) -> None:
    """A time is written in UTC with milliseconds, and read back the same."""
    assert rfc3339(at_ms) == text
    assert parse_rfc3339(text) == at_ms


@given(st.integers(0, 4_102_444_800_000))
def test_any_time_comes_back(at_ms: int) -> None:
    """No millisecond is lost on the way."""
    assert parse_rfc3339(rfc3339(at_ms)) == at_ms
