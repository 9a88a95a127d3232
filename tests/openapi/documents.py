"""The documents of the three servers, and what answers are checked with."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import jsonschema_rs

from tests.support.tables import NOBODY, tables

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    Json = dict[str, Any]

SERVERS = ("frontend", "catalog", "order")
PROBLEM = "application/problem+json"


async def document_of(server: str) -> Json:
    """Return the document that a server answers."""
    route = next(each for each in tables()[server] if each.path == "/openapi.json")
    answer = await route.handler(NOBODY)
    document: Json = json.loads(bytes(answer.body))
    return document


def operations(document: Json) -> Iterator[tuple[str, Json]]:
    """Yield each operation by its name: ``GET /books/{book_id}``."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def found(document: Json, part: Json) -> Json:
    """Return a part, or what it refers to."""
    while "$ref" in part:
        target: Json = document
        for name in part["$ref"].removeprefix("#/").split("/"):
            target = target[name]
        part = target
    return part


def checker(document: Json, schema: Json) -> jsonschema_rs.Draft202012Validator:
    """Return what checks a value against a schema of a document, its formats too."""
    whole = {**schema, "components": document["components"]}
    return jsonschema_rs.Draft202012Validator(whole, validate_formats=True)


def closed(document: Json) -> Json:
    """Return the document with no object allowed to have what it does not name."""
    document = copy.deepcopy(document)
    waiting: list[Any] = [document]
    while waiting:
        part = waiting.pop()
        if isinstance(part, list):
            waiting += part
        elif isinstance(part, dict):
            if part.get("type") == "object" and "properties" in part:
                part.setdefault("additionalProperties", False)
            waiting += part.values()
    return document


def responses(document: Json, operation: Json) -> Mapping[str, Json]:
    """Return an operation's responses by status, references followed."""
    return {status: found(document, each) for status, each in operation["responses"].items()}
