"""Batched calls, decoded so that a bad item spoils nothing, and as strictly as other bodies.

Batches are most of what goes between servers, so they are decoded in one step by msgspec.
What it would let through, a key that stands twice, is looked for afterwards: what was
decoded, encoded again, has as many quotes as the body where nothing stood twice.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Generic, TypeVar

import msgspec

from servers.domain.errors import InvalidRequest, Overloaded
from servers.domain.limits import MAX_BATCH_ITEMS
from servers.web.codec import field_error, must_be_unique

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from servers.domain.errors import ShopError

T = TypeVar("T")
Item = TypeVar("Item")

_encode = msgspec.json.Encoder().encode
_MALFORMED = (msgspec.MsgspecError, RecursionError, UnicodeDecodeError)
_NOT_JSON = "A batch must be well-formed JSON in UTF-8."


class BatchDecoder(Generic[T]):
    """Decodes a whole batch that is one msgspec struct; one fault refuses all of it.

    The struct and those in it forbid unknown fields and omit their defaults.
    """

    def __init__(self, kind: type[T]) -> None:
        self._kind = kind
        self._decode = msgspec.json.Decoder(kind).decode

    def decode(self, body: bytes) -> T:
        """Return the batch. Raises `InvalidRequest`, naming the field where there is one."""
        try:
            batch = self._decode(body)
        except msgspec.ValidationError as error:
            raise field_error(str(error), self._kind) from None
        except _MALFORMED:
            raise InvalidRequest(_NOT_JSON) from None
        _check_keys(body, batch)
        return batch


class ItemsDecoder(Generic[Item]):
    """Decodes a JSON array of items of one msgspec struct, made as `BatchDecoder` says."""

    def __init__(self, kind: type[Item]) -> None:
        self._kind = kind
        self._all = msgspec.json.Decoder(list[kind]).decode  # type: ignore[valid-type]  # a type at run time
        self._one = msgspec.json.Decoder(kind).decode
        self._raw = msgspec.json.Decoder(list[msgspec.Raw]).decode

    def decode(self, body: bytes) -> list[Item | InvalidRequest]:
        """Return the items, in order; in the place of a bad one what is wrong with it.

        Raises `InvalidRequest` for anything but an array of `MAX_BATCH_ITEMS` at most.
        """
        try:
            items: list[Item | InvalidRequest] = self._all(body)
            _check_keys(body, items)
        except (InvalidRequest, msgspec.ValidationError):
            items = self._one_by_one(body)
        except _MALFORMED:
            raise InvalidRequest(_NOT_JSON) from None
        if len(items) > MAX_BATCH_ITEMS:
            raise InvalidRequest(f"A batch has {MAX_BATCH_ITEMS} items at most.")
        return items

    def _one_by_one(self, body: bytes) -> list[Item | InvalidRequest]:
        try:
            raws = self._raw(body)
        except _MALFORMED:
            raise InvalidRequest("A batch must be a JSON array of items.") from None
        return [self._item(bytes(raw)) for raw in raws]

    def _item(self, raw: bytes) -> Item | InvalidRequest:
        try:
            item = self._one(raw)
            _check_keys(raw, item)
        except msgspec.ValidationError as error:
            return field_error(str(error), self._kind)
        except InvalidRequest as error:
            return error
        except _MALFORMED:
            return InvalidRequest("This item is not well-formed JSON in UTF-8.")
        return item


def _check_keys(body: bytes, decoded: object) -> None:
    """Refuse a body in which a key stands twice in one object.

    Each key and each text has two quotes. A struct gives back every key once, or, where it
    has the default, not at all; so the body of our own encoder has exactly as many. An escape
    could hide a quote. Whatever differs is read once more with care.
    """
    if b"\\" in body or body.count(b'"') != _encode(decoded).count(b'"'):
        try:
            json.loads(body, object_pairs_hook=must_be_unique)
        except (ValueError, RecursionError):
            raise InvalidRequest("A key must not stand twice in one object.") from None


def in_time(items: Sequence[Item | InvalidRequest], age_s: float) -> Sequence[Item | ShopError]:
    """Put a refusal in the place of each item whose time was over before its work began.

    ``age_s`` is for how long the call has been here; an item's ``deadline_ms`` is what
    remained when it was sent, 0 where it has no limit.
    """
    age_ms = int(age_s * 1000)
    if age_ms == 0:
        return items
    return [
        Overloaded("The time for this was over before it was begun; nothing was done. Try again.")
        if 0 < getattr(item, "deadline_ms", 0) <= age_ms
        else item
        for item in items
    ]


def log_note(request_ids: Iterable[str]) -> str:
    """Return what the access log says of a batch: how many items, whose requests."""
    ids = list(request_ids)
    text = " ".join(ids)
    if not (text.isascii() and text.isprintable()) or '"' in text or "\\" in text:
        # Request ids were checked where they came in; this keeps the log's JSON whole anyway.
        text = ""
    return f',"items":{len(ids)},"item_request_ids":"{text}"'
