"""Bodies of JSON: read as Python's own JSON reads them, or refused."""

from __future__ import annotations

import contextlib
import json
from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from servers.catalog.rows import RowItem
from servers.catalog.wire import InfoItem, NewBook, ReenterBody, SalesBody, SearchItem, StockBody
from servers.domain.errors import InvalidRequest
from servers.frontend.wire import PurchaseBody
from servers.order.wire import PlaceItem
from servers.web.codec import decode_body
from servers.web.items import BatchDecoder, ItemsDecoder
from servers.web.limits import MAX_JSON_DEPTH
from tests.fuzz.effort import tries
from tests.fuzz.texts import json_values, spoiled, texts

BODIES = (PurchaseBody, NewBook, StockBody)
ITEMS: tuple[type[Any], ...] = (InfoItem, SearchItem, PlaceItem, RowItem)
BATCHES: tuple[type[Any], ...] = (SalesBody, ReenterBody)
ORDER = "0" * 32
SALE = {
    "order_id": ORDER,
    "fingerprint": "0" * 64,
    "quantity": 2,
    "version": 3,
    "max_price": "1.00",
}
GOOD: dict[type, Any] = {
    InfoItem: {"book_id": 1, "request_id": "x", "deadline_ms": 5},
    SearchItem: {"topic": "caf\u00e9", "limit": 3, "after_id": 7, "request_id": "y"},
    PlaceItem: {"order_id": ORDER, "book_id": 1, "quantity": 2, "max_price": "1.00"},
    RowItem: {"row": "{}", "key": "a-key-of-a-row-01"},
    SalesBody: {"ledger_seen": 4, "books": [{"book_id": 1, "version": 2, "sales": [SALE]}]},
    ReenterBody: {
        "orders": [{"order_id": ORDER, "book_id": 1, "quantity": 1, "state": "rejected"}],
    },
}


class Anything(msgspec.Struct, forbid_unknown_fields=True):
    """A body that may hold any value."""

    value: Any


class Small(msgspec.Struct, forbid_unknown_fields=True):
    """A body with a limit and a text."""

    count: Annotated[int, msgspec.Meta(ge=0, le=9)] = 0
    text: str = ""


@given(st.binary() | json_values.map(lambda value: json.dumps(value).encode()))
@tries(400)
def test_any_body_is_read_or_refused(body: bytes) -> None:
    """Nothing but `InvalidRequest` comes of a body, whatever type a route wants."""
    for kind in BODIES:
        with contextlib.suppress(InvalidRequest):
            assert isinstance(decode_body(body, kind), kind)


@given(json_values)
@tries(300)
def test_any_value_arrives_as_it_is(value: object) -> None:
    """A value of JSON is what was sent; NaN and infinity are none."""
    body = json.dumps({"value": value}).encode()
    try:
        decoded = decode_body(body, Anything)
    except InvalidRequest:
        assert b"NaN" in body or b"Infinity" in body
        return
    assert decoded.value == value


@given(st.integers(0, 9), texts)
@tries(200)
def test_a_struct_comes_back(count: int, text: str) -> None:
    """What msgspec writes of a body is read as the same body."""
    assert decode_body(msgspec.json.encode(Small(count, text)), Small) == Small(count, text)


@pytest.mark.parametrize("pair", ["[]", "{}"])
@pytest.mark.parametrize("depth", [1, MAX_JSON_DEPTH - 1, MAX_JSON_DEPTH, 100, 10_000])
def test_how_deep_a_body_is(pair: str, depth: int) -> None:
    """32 levels are taken, the object of the body included; more are not."""
    inner = '{"a":' if pair == "{}" else "["
    nested = inner * (depth - 1) + pair + pair[1] * (depth - 1)
    body = f'{{"value":{nested}}}'.encode()
    if depth < MAX_JSON_DEPTH:
        assert decode_body(body, Anything).value is not None
    else:
        with pytest.raises(InvalidRequest):
            decode_body(body, Anything)


@given(st.data())
@tries(300)
def test_a_batch_is_what_python_reads(data: st.DataObject) -> None:
    """A batch that was spoiled somewhere is refused, or means what Python's JSON says it means.

    So no key stands twice in what is taken, however it is spelt, and nothing is passed over.
    """
    kind = data.draw(st.sampled_from(BATCHES))
    good = st.just(json.dumps(GOOD[kind], ensure_ascii=False).encode())
    body = data.draw(spoiled(good))
    decoder = BatchDecoder(kind)
    with contextlib.suppress(InvalidRequest):
        batch = decoder.decode(body)
        assert msgspec.convert(json.loads(body, object_pairs_hook=_once), kind) == batch


@given(st.data())
@tries(300)
def test_items_are_what_python_reads(data: st.DataObject) -> None:
    """The same of batches whose items stand alone: what is good of them is as it was sent."""
    kind = data.draw(st.sampled_from(ITEMS))
    good = json.dumps(GOOD[kind], ensure_ascii=False).encode()
    items = data.draw(st.lists(st.just(good) | spoiled(st.just(good)), max_size=4))
    body = b"[" + b",".join(items) + b"]"
    with contextlib.suppress(InvalidRequest):
        found = ItemsDecoder(kind).decode(body)
        for item, said in zip(_items(body), found, strict=True):
            if not isinstance(said, InvalidRequest):
                assert msgspec.convert(json.loads(item, object_pairs_hook=_once), kind) == said
        assert found.count(msgspec.json.decode(good, type=kind)) >= (items.count(good) > 0)


@given(st.data())
@tries(300)
def test_a_key_twice_is_found(data: st.DataObject) -> None:
    """However a second key is spelt and spaced, its object is refused, and that object alone."""
    kind = data.draw(st.sampled_from(ITEMS))
    item = GOOD[kind]
    name = data.draw(st.sampled_from(sorted(item)))
    spelt = "".join(f"\\u{ord(each):04x}" if data.draw(st.booleans()) else each for each in name)
    blanks = data.draw(st.text(" \t\r\n", max_size=3))
    # Fields that may be left out are, some of them: their number must not make up for it.
    kept = [key for place, key in enumerate(item) if place < 3 or data.draw(st.booleans())]
    pairs = [f'"{key}"{blanks}:{json.dumps(item[key])}' for key in kept]
    pairs.append(f'{blanks}"{spelt}"{blanks}:{json.dumps(item[name])}')
    once = json.dumps(item)
    twice = "{" + ",".join(pairs) + "}"
    keys = [key for key, _ in json.loads(twice, object_pairs_hook=list)]
    found = ItemsDecoder(kind).decode(f"[{once},{twice},{once}]".encode())
    assert isinstance(found[1], InvalidRequest) == (len(set(keys)) < len(keys))
    assert found[0] == found[2]
    assert not isinstance(found[0], InvalidRequest)


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    assert len({name for name, _ in pairs}) == len(pairs), "a key stands twice"
    return dict(pairs)


def _items(body: bytes) -> list[bytes]:
    return [bytes(raw) for raw in msgspec.json.decode(body, type=list[msgspec.Raw])]
