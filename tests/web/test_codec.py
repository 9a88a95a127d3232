"""Bodies, queries, cursors and headers: what gets in, and what is refused by name."""

from __future__ import annotations

import contextlib
from typing import Annotated

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from servers.domain.errors import InvalidRequest, VersionRequired
from servers.domain.limits import MAX_ID
from servers.web.codec import (
    decode_body,
    decode_query,
    make_cursor,
    parse_if_match,
    parse_key,
    read_cursor,
    read_number_cursor,
)


class Body(msgspec.Struct, forbid_unknown_fields=True):
    """A body such as the shop's routes take."""

    count: Annotated[int, msgspec.Meta(ge=1, le=10)] = 1
    text: str | None = None
    names: list[str] = []


class Needed(msgspec.Struct, forbid_unknown_fields=True):
    """A body with a field that must be there."""

    name: str


class Query(msgspec.Struct, forbid_unknown_fields=True):
    """A query such as the shop's routes take."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=200)] = 50
    word: str | None = None


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b"{}", Body()),
        (b' \n{ "count" : 10 } ', Body(10)),
        (b'{"text":null,"names":["a","b"]}', Body(1, None, ["a", "b"])),
        (b'{"text":"\\u00e9 \\ud83d\\udcda <b>"}', Body(text="\u00e9 \U0001f4da <b>")),
        ('{"text":"\u00e9"}'.encode(), Body(text="\u00e9")),
    ],
)
def test_good_bodies(body: bytes, value: Body) -> None:
    """One JSON object of known fields is read as it is."""
    assert decode_body(body, Body) == value


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"", None),
        (b"{", None),
        (b"{}{}", None),
        (b"{} x", None),
        (b"{'count':1}", None),
        (b'{"count":1,}', None),
        (b"\xef\xbb\xbf{}", None),
        (b'\xff\xfe{"count":1}', None),
        (b'{"text":"\xe9"}', None),
        ('{"text":"x"}'.encode("utf-16"), None),
        (b'"text"', None),
        (b"[]", None),
        (b"[{}]", None),
        (b"null", None),
        (b"1", None),
        (b'{"count":1,"count":1}', None),
        (b'{"names":[{"a":1,"a":2}]}', None),
        (b'{"count":NaN}', None),
        (b'{"count":Infinity}', None),
        (b'{"names":[-Infinity]}', None),
        (b'{"count":' + b"9" * 5000 + b"}", None),
        (b'{"names":' + b"[" * 32 + b"]" * 32 + b"}", None),
        (b'{"names":' + b"[" * 20000, None),
        (b'{"names":' + b"[" * 20000 + b"]" * 20000 + b"}", None),
        (b'{"text":"a\nb"}', None),
        (b'{"unknown":1}', None),
        (b'{"Count":1}', None),
        (b'{"count":1.0}', "count"),
        (b'{"count":1e0}', "count"),
        (b'{"count":1.5}', "count"),
        (b'{"count":true}', "count"),
        (b'{"count":"1"}', "count"),
        (b'{"count":null}', "count"),
        (b'{"count":[1]}', "count"),
        (b'{"count":0}', "count"),
        (b'{"count":11}', "count"),
        (b'{"count":-1}', "count"),
        (b'{"count":9223372036854775808}', "count"),
        (b'{"text":1}', "text"),
        (b'{"text":{}}', "text"),
        (b'{"names":"a"}', "names"),
        (b'{"names":["a",1]}', "names[1]"),
        (b'{"names":{"0":"a"}}', "names"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_bad_bodies(body: bytes, field: str | None) -> None:
    """Everything else is refused, with the field where there is one, and nothing is echoed."""
    with pytest.raises(InvalidRequest) as refused:
        decode_body(body, Body)
    assert refused.value.members.get("field") == field
    refused.value.detail.encode()


def test_a_missing_field() -> None:
    """A field that is needed and missing is named."""
    with pytest.raises(InvalidRequest, match="`name` is missing") as refused:
        decode_body(b"{}", Needed)
    assert refused.value.members == {"field": "name"}


def test_nothing_is_echoed() -> None:
    """What the caller sent, names included, is never repeated to him."""
    for body in (b'{"<script>":1}', b'{"count":"<script>"}', b'{"text":["<script>"]}'):
        with pytest.raises(InvalidRequest) as refused:
            decode_body(body, Body)
        assert "script" not in refused.value.detail


@given(st.binary(max_size=60))
def test_any_bytes(body: bytes) -> None:
    """Whatever comes is a body or refused; there is no third."""
    with contextlib.suppress(InvalidRequest):
        assert isinstance(decode_body(body, Body), Body)


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        ("", Query()),
        ("limit=1", Query(1)),
        ("word=a%20b+c", Query(word="a b c")),
        ("word=", Query(word="")),
        ("word=%C3%A9&limit=200", Query(200, "\u00e9")),
        ("word=1", Query(word="1")),
    ],
)
def test_good_queries(raw: str, value: Query) -> None:
    """Known parameters are read once each, percent-decoded."""
    assert decode_query(raw, Query) == value


@pytest.mark.parametrize(
    "raw",
    [
        *("limit=0", "limit=201", "limit=-1", "limit=+1", "limit=01", "limit=1.0", "limit=1e1"),
        *("limit=", "limit", "limit=x", "limit=%D9%A3", "limit=" + "9" * 30, "limit=1&limit=1"),
        *("unknown=1", "Limit=1", "word=%FF", "word=%C3", "word=a&word=b", "limit=1&", "&", "="),
        "limit=true",
    ],
)
def test_bad_queries(raw: str) -> None:
    """Unknown, doubled, malformed or forbidden parameters are refused."""
    with pytest.raises(InvalidRequest):
        decode_query(raw, Query)


@given(st.text(max_size=20), st.integers(0, MAX_ID))
def test_a_cursor_comes_back(name: str, position: int) -> None:
    """A list takes back the cursor that it gave."""
    cursor = make_cursor(name, position)
    assert read_cursor(name, cursor) == str(position)
    assert read_number_cursor(name, cursor) == position
    assert cursor.isascii()
    assert "=" not in cursor


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "a" * 1000,
        make_cursor("another list", 7),
        make_cursor("list", 7) + "A",
        make_cursor("list", 7) + "=",
        make_cursor("list", 7)[:-1],
        make_cursor("list", 7) + "\n",
        "\u00e9",
        "../..",
    ],
)
def test_a_foreign_cursor(cursor: str) -> None:
    """A cursor that this list did not make is refused."""
    with pytest.raises(InvalidRequest) as refused:
        read_cursor("list", cursor)
    assert refused.value.members == {"field": "cursor"}


@pytest.mark.parametrize("position", ["", "x", "-1", "1.0", "01", str(MAX_ID + 1), "9" * 40])
def test_a_forged_cursor(position: str) -> None:
    """A cursor that was made as ours are, of something that is no number, is refused too."""
    with pytest.raises(InvalidRequest):
        read_number_cursor("list", make_cursor("list", position))


@pytest.mark.parametrize(
    ("values", "any_allowed", "version"),
    [
        (['"1"'], False, 1),
        (['"7"'], True, 7),
        ([f'"{MAX_ID}"'], False, MAX_ID),
        (["*"], True, None),
    ],
)
def test_good_if_match(values: list[str], any_allowed: bool, version: int | None) -> None:
    """One strong version, or any version where that is allowed."""
    assert parse_if_match(values, any_allowed=any_allowed) == version


@pytest.mark.parametrize(
    "values",
    [
        *([""], ["7"], ['W/"7"'], ['"7", "8"'], ['"7"', '"7"'], ['"0"'], ['"07"'], ['"-7"']),
        *(['"+7"'], ['"7'], ['7"'], ['""'], ['"x"'], ['" 7"'], ['"7" '], ['"7"\n'], ["'7'"]),
        *([f'"{MAX_ID + 1}"'], ['"' + "9" * 40 + '"'], ['"\u0667"'], ["*"], ['"*"'], ["**"]),
    ],
)
def test_bad_if_match(values: list[str]) -> None:
    """Weak tags, lists, and whatever the shop never gave are refused."""
    with pytest.raises(InvalidRequest) as refused:
        parse_if_match(values, any_allowed=False)
    assert refused.value.code == "invalid_request"
    assert refused.value.members == {"header": "If-Match"}


@pytest.mark.parametrize("any_allowed", [True, False])
def test_no_if_match(any_allowed: bool) -> None:
    """A change without a version is asked for one, with an example of what would do."""
    with pytest.raises(VersionRequired) as refused:
        parse_if_match([], any_allowed=any_allowed)
    assert ('"*"' in refused.value.detail) == any_allowed


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ([], None),
        (["k" * 16], "k" * 16),
        (["k" * 255], "k" * 255),
        (['"' + "k" * 16 + '"'], "k" * 16),
        (["a key, with ~!@ 16"], "a key, with ~!@ 16"),
        (['a key, with "16"!'], 'a key, with "16"!'),
        (["00000000-0000-4000-8000-000000000000"], "00000000-0000-4000-8000-000000000000"),
    ],
)
def test_good_keys(values: list[str], key: str | None) -> None:
    """A key is printable ASCII, bare or in quotes, which mean the same."""
    assert parse_key(values) == key


@pytest.mark.parametrize(
    "values",
    [
        *([""], ["k" * 15], ["k" * 256], ['"' + "k" * 15 + '"'], ["k" * 16, "k" * 16]),
        *([" " * 20], ["k" * 16 + "\x7f"], ["k" * 16 + "\u00e9"], ["k" * 16 + "\n"]),
        *(["\u0661" * 16], ["\tkkkkkkkkkkkkkkkkk"], ['"']),
        *(['"' + "k" * 20], ["k" * 20 + '"'], ['""' + "k" * 20 + '"'], ['""' + "k" * 20 + '""']),
        *(['" ' + "k" * 20 + '"'], ['"'] * 2, ['"' + "k" * 16 + '", "' + "k" * 16 + '"']),
    ],
)
def test_bad_keys(values: list[str]) -> None:
    """A key that is short, long, doubled or not printable is refused, with how to make one."""
    with pytest.raises(InvalidRequest, match="16 or more") as refused:
        parse_key(values)
    assert "uuidgen" in refused.value.detail
    assert refused.value.members == {"header": "Idempotency-Key"}
