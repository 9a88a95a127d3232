"""The items of a batched call, decoded so that a bad one spoils nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

import msgspec

from servers.domain.errors import InvalidRequest
from servers.domain.limits import MAX_BATCH_ITEMS

if TYPE_CHECKING:
    from collections.abc import Iterable

Item = TypeVar("Item")


class ItemsDecoder(Generic[Item]):
    """Decodes a JSON array of items of one msgspec type."""

    def __init__(self, kind: type[Item]) -> None:
        self._all = msgspec.json.Decoder(list[kind]).decode  # type: ignore[valid-type]  # a type at run time
        self._one = msgspec.json.Decoder(kind).decode
        self._raw = msgspec.json.Decoder(list[msgspec.Raw]).decode

    def decode(self, body: bytes) -> list[Item | InvalidRequest]:
        """Return the items, in order; in the place of a bad one what is wrong with it.

        Raises `InvalidRequest` for anything but an array of `MAX_BATCH_ITEMS` at most.
        """
        try:
            items: list[Item | InvalidRequest] = self._all(body)
        except msgspec.ValidationError:
            items = self._one_by_one(body)
        except msgspec.MsgspecError as error:
            raise InvalidRequest("A batch must be a JSON array of items.") from error
        if len(items) > MAX_BATCH_ITEMS:
            raise InvalidRequest(f"A batch has {MAX_BATCH_ITEMS} items at most.")
        return items

    def _one_by_one(self, body: bytes) -> list[Item | InvalidRequest]:
        try:
            raws = self._raw(body)
        except msgspec.MsgspecError as error:
            raise InvalidRequest("A batch must be a JSON array of items.") from error
        return [self._item(raw) for raw in raws]

    def _item(self, raw: msgspec.Raw) -> Item | InvalidRequest:
        try:
            return self._one(raw)
        except msgspec.ValidationError as error:
            return InvalidRequest(f"This item is not well formed: {error}.")


def log_note(request_ids: Iterable[str]) -> str:
    """Return what the access log says of a batch: how many items, whose requests."""
    ids = list(request_ids)
    text = " ".join(ids)
    if not (text.isascii() and text.isprintable()) or '"' in text or "\\" in text:
        # Request ids were checked where they came in; this keeps the log's JSON whole anyway.
        text = ""
    return f',"items":{len(ids)},"item_request_ids":"{text}"'
