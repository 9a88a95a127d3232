"""Rows of an import: any text is a book or an `InvalidRequest`, as a body of its own would be."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servers.catalog.mapping import draft_of
from servers.catalog.rows import RowItem, addition_of
from servers.catalog.wire import NewBook
from servers.domain.errors import InvalidRequest
from servers.domain.protocols import Addition
from servers.web.codec import decode_body
from tests.fuzz.effort import tries
from tests.fuzz.texts import json_values, spoiled, texts

GOOD = {
    "title": "caf\u00e9",
    "authors": ["B", "C"],
    "price": "1.00",
    "stock": 1,
    "topics": ["t"],
    "isbn": "9780306406157",
}
SPOILED = spoiled(st.just(json.dumps(GOOD).encode())).map(lambda row: row.decode(errors="replace"))


@given(texts | json_values.map(json.dumps) | SPOILED)
@tries(400)
def test_a_row_is_read_as_a_body(row: str) -> None:
    """What comes of a row is what comes of the same text as a body of its own."""
    outcome = addition_of(RowItem(row))
    with contextlib.suppress(InvalidRequest):
        draft = draft_of(decode_body(row.encode(), NewBook))
        assert outcome == Addition(draft)
        return
    assert isinstance(outcome, InvalidRequest)


@given(json_values)
@tries(200)
def test_any_field_of_a_row(value: object) -> None:
    """Whatever stands in a field, nothing but a refusal comes of it."""
    for name in GOOD:
        outcome = addition_of(RowItem(json.dumps({**GOOD, name: value})))
        assert isinstance(outcome, Addition | InvalidRequest)


@pytest.mark.parametrize("blanks", [" ", "\t", "\r"])
def test_the_same_row_has_one_fingerprint(blanks: str) -> None:
    """How a row is spelt and spaced is no part of what it asks for; any of its fields is."""
    key = "a-key-of-a-row-01"
    one = addition_of(RowItem(json.dumps(GOOD), key))
    again = addition_of(RowItem(json.dumps(GOOD, indent=1).replace("\n", blanks), key))
    assert isinstance(one, Addition)
    assert one == again
    for name, value in (("stock", 2), ("title", "B"), ("topics", [])):
        other = addition_of(RowItem(json.dumps({**GOOD, name: value}), key))
        assert isinstance(other, Addition)
        assert other.key != one.key
