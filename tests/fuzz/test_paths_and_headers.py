"""Paths, queries, cursors, versions, keys, tokens: read as what they are, or refused."""

from __future__ import annotations

import contextlib
import unicodedata
from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote, unquote_to_bytes, urlencode

import msgspec
import pytest
from click import BadParameter
from hypothesis import assume, given
from hypothesis import strategies as st

from bookstore_cli import params
from servers.domain.errors import InvalidRequest, NotFound, ShopError, Unauthorized
from servers.domain.limits import MAX_ID
from servers.domain.sale import order_id_of_key
from servers.domain.text import clean_text
from servers.web.answers import Answer, empty_answer
from servers.web.auth import INSIDE, Doors, Role
from servers.web.codec import (
    decode_query,
    is_json,
    make_cursor,
    parse_if_match,
    parse_key,
    read_cursor,
    read_number_cursor,
    read_order_cursor,
)
from servers.web.routes import Route, Router
from tests.fuzz.effort import tries
from tests.fuzz.texts import anything, digits, texts

if TYPE_CHECKING:
    from servers.web.call import Call


async def _handler(_call: Call) -> Answer:
    """Answer nothing; a path never gets so far."""
    return empty_answer()


ROUTER = Router(
    [
        Route("GET", "/topics", _handler, "Topics"),
        Route("GET", "/books/{book_id:id}", _handler, "A book"),
        Route("GET", "/books/{book_id:id}/ledger", _handler, "Its ledger"),
        Route("GET", "/orders/{order_id:order}", _handler, "An order"),
        Route("GET", "/search/{topic:topic}", _handler, "Search"),
    ]
)
SEGMENTS = ["topics", "books", "orders", "search", "ledger", "1", "01", "..", ".", "", "%2e%2e"]
SEGMENTS += ["%2F", "%00", "%ff", "%", "%zz", "\\", ";", "0" * 32, "\udcff", "\u0661"]
ORDER_IDS = st.text("0123456789abcdef", min_size=32, max_size=32)


class Query(msgspec.Struct, forbid_unknown_fields=True):
    """A query such as the shop's routes take."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=200)] = 50
    word: str | None = None


@given(st.lists(st.sampled_from(SEGMENTS) | anything, max_size=5))
@tries(300)
def test_a_path_is_a_route_or_a_refusal(segments: list[str]) -> None:
    """Whatever the segments are: a route with what it takes, or an error of the shop."""
    with contextlib.suppress(ShopError):
        route, values = ROUTER.resolve("GET", "/" + "/".join(segments))
        kinds = {"book_id": int, "order_id": str, "topic": str}
        assert [type(value) for value in values.values()] == [kinds[name] for name in values]
        assert route.path.count("/") == len("/".join(segments).split("/"))


@given(digits | anything)
@tries(300)
def test_only_its_own_digits_name_a_book(text: str) -> None:
    """An id that is taken is written back as it came: no book has two paths."""
    with contextlib.suppress(NotFound, InvalidRequest):
        _, values = ROUTER.resolve("GET", f"/books/{text}")
        assert f"{values['book_id']}" == text


@given(texts)
@tries(300)
def test_a_topic_in_a_path_is_the_topic(topic: str) -> None:
    """A topic that is quoted whole arrives as `clean_text` would have it, slashes and all."""
    try:
        wanted = clean_text(topic, "topic", 256)
    except InvalidRequest:
        with pytest.raises(ShopError):
            ROUTER.resolve("GET", "/search/" + quote(topic, safe=""))
        return
    _, values = ROUTER.resolve("GET", "/search/" + quote(topic, safe=""))
    assert values == {"topic": wanted}


@given(st.text("0123456789abcdefABCDEF%gG \u0661", min_size=30, max_size=36) | ORDER_IDS)
@tries(200)
def test_an_order_id_is_never_decoded(text: str) -> None:
    """What names an order is exactly its 32 digits; nothing that decodes to them does."""
    with contextlib.suppress(NotFound, InvalidRequest):
        _, values = ROUTER.resolve("GET", f"/orders/{text}")
        assert values == {"order_id": text}
        assert len(text) == 32
        assert unquote_to_bytes(text) == text.encode()


@given(anything)
@tries(300)
def test_a_query_is_read_or_refused(raw: str) -> None:
    """Any text after the question mark gives a query or `InvalidRequest`."""
    with contextlib.suppress(InvalidRequest):
        query = decode_query(raw, Query)
        assert 1 <= query.limit <= 200


@given(st.integers(1, 200), st.none() | texts)
@tries(200)
def test_a_query_comes_back(limit: int, word: str | None) -> None:
    """What was encoded as a form is what is read."""
    fields = {"limit": limit} | ({} if word is None else {"word": word})
    assert decode_query(urlencode(fields), Query) == Query(limit, word)


@given(texts, texts, st.integers(0, MAX_ID), ORDER_IDS)
@tries(200)
def test_a_cursor_is_for_its_own_list(name: str, other: str, number: int, order_id: str) -> None:
    """A list takes its own cursors back and no other list does."""
    assert read_number_cursor(name, make_cursor(name, number)) == number
    assert read_order_cursor(name, make_cursor(name, order_id)) == order_id
    for read in (read_cursor, read_number_cursor, read_order_cursor):
        if name != other:
            with pytest.raises(InvalidRequest):
                read(other, make_cursor(name, number))


@given(anything, texts)
@tries(300)
def test_no_text_is_a_cursor_by_chance(text: str, position: str) -> None:
    """Whatever is taken as a cursor is one that the list would have made."""
    for read in (read_cursor, read_number_cursor, read_order_cursor):
        with contextlib.suppress(InvalidRequest):
            assert make_cursor("list", read("list", text)) == text
        with contextlib.suppress(InvalidRequest):
            assert str(read("list", make_cursor("list", position))) == position


@given(st.lists(anything | digits.map('"{}"'.format), max_size=2), st.booleans())
@tries(300)
def test_a_version_is_written_one_way(values: list[str], any_allowed: bool) -> None:
    """The version that is read is the one tag that was sent, quoted as we quote it."""
    with contextlib.suppress(ShopError):
        version = parse_if_match(values, any_allowed=any_allowed)
        assert values == (["*"] if version is None else [f'"{version}"'])
        assert any_allowed or version is not None


@given(st.integers(1, MAX_ID), st.booleans())
@tries(100)
def test_every_version_can_be_named(version: int, any_allowed: bool) -> None:
    """What `ETag` says may be sent back in `If-Match`."""
    assert parse_if_match([f'"{version}"'], any_allowed=any_allowed) == version


@given(
    st.text(st.characters(min_codepoint=32, max_codepoint=127), max_size=300)
    | st.from_regex(r'\A"?[ !"a]?a{14,16}[ !"a]?"?\Z')
    | anything
)
@tries(300)
def test_a_key_means_the_same_bare_or_quoted(key: str) -> None:
    """A key that is taken is printable, of due length, and quotes around it do not count.

    The command takes the same ones.
    """
    try:
        bare = parse_key([key])
    except InvalidRequest:
        with pytest.raises(BadParameter):
            params.KEY.convert(key, None, None)
        return
    assert params.KEY.convert(key, None, None) == key
    assert bare is not None
    assert 16 <= len(bare) <= 255
    assert bare.isascii()
    assert bare.isprintable()
    assert bare in {key, key[1:-1]}
    assert '"' not in bare[0] + bare[-1]
    if '"' not in bare:
        quoted = parse_key([f'"{bare}"'])
        assert quoted == bare
        assert order_id_of_key(bare) == order_id_of_key(quoted)


@given(st.text("0123456789abcdef", min_size=64, max_size=64), anything)
@tries(300)
def test_only_the_token_opens(token: str, sent: str) -> None:
    """Any other header is `Unauthorized`, near as it may come."""
    doors = Doors({Role.ADMIN: token})
    assert doors.admit(f"Bearer {token}", INSIDE) is Role.ADMIN
    assume(sent.strip() != token)
    near = (sent, f"Bearer {sent}", f"Basic {token}", f"Bearer {token}{sent}x", token)
    for header in (*near, f"Bearer {token[:-1]}", f"Bearer {token[1:]}", "Bearer", "", None):
        with pytest.raises(Unauthorized):
            doors.admit(header, INSIDE)


@given(st.lists(anything | st.sampled_from(["application/json", "charset=utf-8"]), max_size=3))
@tries(200)
def test_only_json_is_json(parts: list[str]) -> None:
    """A type that is taken is application/json, whatever its parameters."""
    text = ";".join(parts)
    if is_json([text]):
        assert text.partition(";")[0].strip().lower() == "application/json"
    assert not is_json([text, text])
    assert not is_json([])


@given(texts)
@tries(300)
def test_a_clean_text_is_clean(text: str) -> None:
    """What `clean_text` gives it takes again unchanged; the composed form is the same text."""
    with contextlib.suppress(InvalidRequest):
        clean = clean_text(text, "field", 500)
        assert clean_text(clean, "field", 500) == clean
        assert clean_text(unicodedata.normalize("NFD", text), "field", 500) == clean
        assert not any(unicodedata.category(each) in {"Cc", "Cs"} for each in clean)
