"""Bodies, queries and headers in, checked against their types before anything else runs.

Each function refuses with one of ``servers.domain.errors`` and never repeats what the
caller sent. The batches between servers are as strict, and decoded by ``servers.web.items``.
"""

from __future__ import annotations

import base64
import json
import re
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, NoReturn, TypeVar
from urllib.parse import parse_qsl

import msgspec

from servers.domain.errors import InvalidRequest, VersionRequired
from servers.domain.limits import MAX_ID, MAX_KEY_CHARACTERS, MIN_KEY_CHARACTERS
from servers.web.limits import MAX_JSON_DEPTH

if TYPE_CHECKING:
    from collections.abc import Sequence

T = TypeVar("T")

_NUMBER = re.compile(r"(?:0|[1-9][0-9]{0,18})\Z")
_ETAG = re.compile(r'"([1-9][0-9]{0,18})"\Z')
_FIELD = re.compile(r"at `\$\.?([A-Za-z0-9_.\[\]]*)`")
_ORDER_ID = re.compile(r"[0-9a-f]{32}\Z")
_JSON = "application/json"
_BAD_CURSOR = "`cursor` must be one that this list gave in its Link header."
_KEY = re.compile(r'"([!#-~](?:[ !#-~]*[!#-~])?)"\Z|([!#-~](?:[ -~]*[!#-~])?)\Z')


def decode_body(body: bytes, kind: type[T]) -> T:
    """Return a JSON object as ``kind``, a msgspec struct that forbids unknown fields.

    Raises `InvalidRequest` naming the field. Refused besides what the struct says:
    broken UTF-8, anything but one object, duplicate keys, NaN and Infinity, nesting
    deeper than `MAX_JSON_DEPTH`.
    """
    try:
        text = body.decode()
        value = _read_json(text)
    except UnicodeDecodeError:
        _refuse("The body must be UTF-8.")
    except (ValueError, RecursionError):
        _refuse("The body must be one well-formed JSON object.")
    if not isinstance(value, dict):
        _refuse("The body must be one JSON object, for example {}.")
    if text.count("[") + text.count("{") > MAX_JSON_DEPTH and _depth(value) > MAX_JSON_DEPTH:
        _refuse(f"The body must not nest deeper than {MAX_JSON_DEPTH} levels.")
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise field_error(str(error), kind) from None
    except UnicodeEncodeError:
        _refuse("A name in the body has a lone surrogate, which is no character.")


def decode_query(raw: str, kind: type[T]) -> T:
    """Return a query string as ``kind``; each parameter may stand once and must be known."""
    try:
        pairs = parse_qsl(raw, keep_blank_values=True, strict_parsing=bool(raw), errors="strict")
    except ValueError:
        _refuse("The query must be well-formed UTF-8, percent-encoded.")
    values: dict[str, object] = dict(pairs)
    if len(values) != len(pairs):
        _refuse("A query parameter must not be given twice.")
    for name in _integer_fields(kind):  # type: ignore[arg-type]  # a class is hashable
        text = values.get(name)
        if isinstance(text, str) and _NUMBER.match(text):
            values[name] = int(text)
    try:
        return msgspec.convert(values, kind)
    except msgspec.ValidationError as error:
        raise field_error(str(error), kind) from None


def parse_if_match(values: Sequence[str], *, any_allowed: bool) -> int | None:
    """Return the version of an ``If-Match`` header; None means any (``*``).

    Raises `VersionRequired` where it is absent (RFC 6585 §3) and `InvalidRequest` for a
    weak tag, a list or nonsense. A well-formed tag that we never gave is nonsense too.
    """
    if not values:
        example = ' or "*"' if any_allowed else ""
        detail = f'Send If-Match with the version that you read, for example "7"{example}.'
        raise VersionRequired(detail, header="If-Match")
    if len(values) == 1 and values[0] == "*" and any_allowed:
        return None
    match = _ETAG.match(values[0]) if len(values) == 1 else None
    if match is None or int(match[1]) > MAX_ID:
        detail = 'If-Match must be one strong version in quotes, for example "7".'
        raise InvalidRequest(detail, header="If-Match")
    return int(match[1])


def parse_key(values: Sequence[str]) -> str | None:
    """Return the idempotency key of a request, or None where there is none.

    It may stand in quotes, which are no part of it. A bare one neither begins nor ends with
    one, and in quotes there is no other: that would be a list of keys, or half of something.
    """
    if not values:
        return None
    match = _KEY.match(values[0]) if len(values) == 1 else None
    key = (match[1] or match[2]) if match else ""
    if not MIN_KEY_CHARACTERS <= len(key) <= MAX_KEY_CHARACTERS:
        detail = (
            f"Idempotency-Key must stand once and have {MIN_KEY_CHARACTERS} or more printable "
            f"ASCII characters, {MAX_KEY_CHARACTERS} at most, bare or in quotes, for example "
            f"$(uuidgen)."
        )
        raise InvalidRequest(detail, header="Idempotency-Key")
    return key


def make_cursor(list_name: str, position: object) -> str:
    """Return an opaque cursor that only the list of this name takes back."""
    text = f"{_tag(list_name)}{position}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_cursor(list_name: str, cursor: str) -> str:
    """Return the position in a cursor. Raises `InvalidRequest` for one of another list."""
    try:
        text = base64.b64decode(
            cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True
        ).decode("ascii")
    except ValueError:
        text = ""
    tag = _tag(list_name)
    position = text.removeprefix(tag)
    if position in {"", text} or make_cursor(list_name, position) != cursor:
        raise InvalidRequest(_BAD_CURSOR, field="cursor")
    return position


def read_number_cursor(list_name: str, cursor: str) -> int:
    """Return the position in a cursor of a list that is sorted by a number; see `read_cursor`."""
    position = read_cursor(list_name, cursor)
    if not _NUMBER.match(position) or int(position) > MAX_ID:
        raise InvalidRequest(_BAD_CURSOR, field="cursor")
    return int(position)


def read_order_cursor(list_name: str, cursor: str) -> str:
    """Return the position in a cursor of a list of orders; see `read_cursor`."""
    position = read_cursor(list_name, cursor)
    if not _ORDER_ID.match(position):
        raise InvalidRequest(_BAD_CURSOR, field="cursor")
    return position


def is_json(content_types: Sequence[str]) -> bool:
    """Return whether the Content-Type headers of a request say JSON in UTF-8, once."""
    return is_media_type(content_types, _JSON)


def is_media_type(content_types: Sequence[str], wanted: str) -> bool:
    """Return whether the Content-Type headers of a request say this type, in UTF-8, once.

    JSON has no parameters (RFC 8259 §11), so any but a charset is passed over.
    """
    if len(content_types) != 1:
        return False
    if content_types[0] == wanted:
        return True
    kind, *parameters = content_types[0].lower().split(";")
    charsets = [text.strip() for text in parameters if text.strip().startswith("charset=")]
    return kind.strip() == wanted and set(charsets) <= {"charset=utf-8", 'charset="utf-8"'}


def _tag(list_name: str) -> str:
    return sha256(list_name.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def must_be_unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Return a JSON object; ValueError where a key stands twice. For the decoders of ``json``."""
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError
    return fields


def _no_constant(_name: str) -> NoReturn:
    raise ValueError


def _depth(value: object) -> int:
    deepest, waiting = 0, [(value, 1)]
    while waiting:
        item, depth = waiting.pop()
        if isinstance(item, dict):
            waiting.extend((child, depth + 1) for child in item.values())
        elif isinstance(item, list):
            waiting.extend((child, depth + 1) for child in item)
        else:
            continue
        deepest = max(deepest, depth)
    return deepest


_read_json = json.JSONDecoder(object_pairs_hook=must_be_unique, parse_constant=_no_constant).decode


def _refuse(detail: str) -> NoReturn:
    raise InvalidRequest(detail)


@lru_cache(maxsize=64)
def _integer_fields(kind: type) -> tuple[str, ...]:
    info = msgspec.inspect.type_info(kind)
    assert isinstance(info, msgspec.inspect.StructType)  # noqa: S101  # a query type is a struct
    return tuple(field.encode_name for field in info.fields if "IntType" in repr(field.type))


def field_error(message: str, kind: type) -> InvalidRequest:
    """Return what is wrong with which field of ``kind``, from msgspec's message.

    Its own words name types and limits. Where they would repeat what was sent, ours stand.
    """
    match = _FIELD.search(message)
    field = match[1] if match else ""
    if "unknown field" in message:
        if field:
            return InvalidRequest("There is a field in it that is not known.", field=field)
        known = ", ".join(each.encode_name for each in msgspec.structs.fields(kind)) or "none"
        return InvalidRequest(f"A field is not known here. Known fields: {known}.")
    if "missing required field" in message:
        name = message.split("`")[1]
        return InvalidRequest(f"The field `{name}` is missing.", field=name)
    if not field:
        return InvalidRequest("This must be one JSON object.")
    return InvalidRequest(_sentence(field, message.split(" - at ", maxsplit=1)[0]), field=field)


def _sentence(field: str, said: str) -> str:
    if "enum value" in said:
        return f"`{field}` is not one of the values that are known."
    if "matching regex" in said:
        return f"`{field}` does not have the form that it must have."
    return f"`{field}`: {said[:1].lower()}{said[1:]}."
