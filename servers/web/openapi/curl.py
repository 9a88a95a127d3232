"""An operation of an OpenAPI document as a command line that a shell takes as it is."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from servers.web.answers import JSON
from servers.web.openapi.described import KEY

if TYPE_CHECKING:
    from collections.abc import Iterator

    Json = dict[str, Any]

_FRESH_KEY = f'-H "{KEY}: $(uuidgen)"'


def curl_line(document: Json, method: str, path: str, operation: Json) -> str:
    """Return the request with its examples; the shell knows ``$SHOP`` and ``$TOKEN``."""
    parameters = document["components"]["parameters"]
    taken = [
        parameters[each["$ref"].rpartition("/")[2]] if "$ref" in each else each
        for each in operation["parameters"]
    ]
    for parameter in taken:
        if parameter["in"] == "path":
            example = quote(str(parameter["example"]), safe="")
            path = path.replace(f"{{{parameter['name']}}}", example)
    words = ["curl", "-s", *(["-X", method] if method != "GET" else []), f'"$SHOP{path}"']
    return " ".join([*words, *_headers(taken, operation), *_body(operation)])


def _headers(taken: list[Json], operation: Json) -> Iterator[str]:
    if operation["security"]:
        yield '-H "Authorization: Bearer $TOKEN"'
    for parameter in taken:
        if parameter["in"] == "header" and parameter["name"] == KEY:
            yield _FRESH_KEY
        elif parameter["in"] == "header" and parameter["required"]:
            yield "-H " + shlex.quote(f"{parameter['name']}: {parameter['example']}")


def _body(operation: Json) -> Iterator[str]:
    for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
        example = content["example"]
        yield f"-H {shlex.quote(f'Content-Type: {media_type}')}"
        if media_type == JSON:
            yield "-d " + shlex.quote(json.dumps(example, ensure_ascii=False))
        else:
            yield "--data-binary " + shlex.quote(example)
