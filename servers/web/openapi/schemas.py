"""JSON Schemas (2020-12, as OpenAPI 3.1 takes them) of the types on the wire.

msgspec makes them from the types that it decodes and encodes by; here they are put into the
form that documents show.
"""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING, Any

import msgspec

from servers.domain.limits import MAX_ID, MAX_TOPIC_CHARACTERS
from servers.domain.text import TEXT_PATTERN

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from servers.domain.errors import ShopError

    Schema = dict[str, Any]

REF = "#/components/schemas/"

PATH_PARAMETERS: Mapping[str, tuple[Schema, str, object]] = {
    "id": (
        {"type": "integer", "minimum": 1, "maximum": MAX_ID},
        "A book's id, in decimal digits without a sign or a leading zero.",
        36,
    ),
    "order": (
        {"type": "string", "pattern": "^[0-9a-f]{32}$"},
        "An order's id: 32 hexadecimal digits in lower case.",
        "3f2a9c0d5b7e4f6188a1c2d3e4f50617",
    ),
    "topic": (
        {"type": "string", "maxLength": MAX_TOPIC_CHARACTERS, "pattern": TEXT_PATTERN},
        "A topic, percent-encoded; %2F is a slash in it.",
        "philosophy",
    ),
}
"""The kinds of parameters in a path: schema, what they are, an example."""

_DOUBLE_TICKS = re.compile(r"``([^`]*)``")


def components(types: Iterable[object]) -> tuple[list[Schema], dict[str, Schema]]:
    """Return a schema for each type, in order, and the named ones that they refer to."""
    schemas, named = msgspec.json.schema_components(tuple(types), ref_template=REF + "{name}")
    return [_tidy(schema) for schema in schemas], {
        name: _tidy(named[name]) for name in sorted(named)
    }


def fields(struct: object) -> tuple[dict[str, Schema], list[str], dict[str, Schema]]:
    """Return a struct's fields, which of them are required, and what else these refer to.

    For what is no JSON: where a field may be absent, it can just not be null.
    """
    (_ref,), named = components((struct,))
    name = _ref["$ref"].removeprefix(REF)
    schema = named.pop(name)
    given = {field: _never_null(each) for field, each in schema["properties"].items()}
    return given, schema.get("required", []), named


def problem_schema(error: type[ShopError], members: Mapping[str, Schema]) -> Schema:
    """Return the schema of one kind of problem (RFC 9457 §3.1), with what it may have besides."""
    fixed = {
        "type": f"/problems/{error.code}",
        "title": error.title,
        "status": error.status,
        "code": error.code,
    }
    return {
        "title": error.__name__,
        "description": inspect.cleandoc(error.__doc__ or ""),
        "type": "object",
        "properties": {
            **{name: {"const": value} for name, value in fixed.items()},
            "detail": {"type": "string", "description": "What, why, and what to do next."},
            **members,
        },
        "required": [*fixed, "detail"],
    }


def _tidy(schema: Any) -> Any:
    """Return a schema whose descriptions, taken from docstrings, are plain paragraphs."""
    if isinstance(schema, list):
        return [_tidy(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    tidy = {name: _tidy(each) for name, each in schema.items()}
    said = tidy.get("description")
    if isinstance(said, str):
        paragraphs = re.split(r"\n\s*\n", inspect.cleandoc(said))
        joined = "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
        tidy["description"] = _DOUBLE_TICKS.sub(r"`\1`", joined)
    return tidy


def _never_null(schema: Schema) -> Schema:
    choices = [each for each in schema.get("anyOf", []) if each != {"type": "null"}]
    if len(choices) != 1:
        return schema
    rest = {name: each for name, each in schema.items() if name not in {"anyOf", "default"}}
    return {**choices[0], **rest}
