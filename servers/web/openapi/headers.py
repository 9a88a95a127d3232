"""The headers that callers send and get besides HTTP's own, as documents describe them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from servers.domain.limits import MAX_KEY_CHARACTERS, MIN_KEY_CHARACTERS
from servers.web.auth import Role
from servers.web.limits import MAX_DEADLINE_MS
from servers.web.openapi.described import IF_MATCH, IF_NONE_MATCH, KEY

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from servers.web.openapi.described import Description
    from servers.web.routes import Route

    Json = dict[str, Any]

REQUEST_ID = "X-Request-Id"

_VERSION = '"[1-9][0-9]{0,17}"'
_INNER = f"{{{MIN_KEY_CHARACTERS - 2},{MAX_KEY_CHARACTERS - 2}}}[!#-~]"
_OPEN_ENDED = {
    Role.ADMIN: "The token of the people who run the shop, from the file `admin.token`.",
    Role.SERVICE: "The token of the shop's servers among themselves, from `service.token`.",
}

_ANSWERED: Mapping[str, tuple[str, Json, object]] = {
    REQUEST_ID: (
        "Names this request in the logs of all servers.",
        {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"},
        "5f1c9a20-1a",
    ),
    "ETag": (
        "The book's version, in quotes.",
        {"type": "string", "pattern": f"^{_VERSION}$"},
        '"7"',
    ),
    "Location": ("Where it is.", {"type": "string", "pattern": "^/"}, "/books/36"),
    "Link": (
        "The next page (RFC 8288); absent on the last one.",
        {"type": "string", "pattern": '^<[^>]+>; rel="next"$'},
        '</search/philosophy?limit=50&cursor=MTIzNDU2NzgzNg>; rel="next"',
    ),
    "Retry-After": ("Seconds to wait before asking again.", {"type": "integer"}, 1),
    "Idempotency-Replayed": (
        "This answer was given before, to the same key.",
        {"type": "string", "const": "true"},
        "true",
    ),
    "WWW-Authenticate": ("How to come in.", {"type": "string"}, 'Bearer realm="bookstore"'),
    "Allow": ("The methods that this path has.", {"type": "string"}, "GET, HEAD, OPTIONS"),
    "Content-Security-Policy": (
        "Nothing but this page's own style is loaded.",
        {"type": "string"},
        "default-src 'none'",
    ),
    "X-Content-Type-Options": (
        "The media type is what it says.",
        {"type": "string", "const": "nosniff"},
        "nosniff",
    ),
    "Referrer-Policy": (
        "Where the reader came from is not told on.",
        {"type": "string", "const": "no-referrer"},
        "no-referrer",
    ),
}


def response_headers() -> Json:
    """Return the headers of answers, by name, as components."""
    return {
        name: {"description": said, "schema": schema, "example": example}
        for name, (said, schema, example) in _ANSWERED.items()
    }


def answered(names: Iterable[str]) -> Json:
    """Return references to these headers of an answer, and to the one that every answer has."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in (REQUEST_ID, *names)}


def parameters() -> Json:
    """Return the headers of requests, as components."""
    key = f'([!#-~][ -~]{_INNER}|"[!#-~][ !#-~]{_INNER}")'
    return {
        "RequestId": _header(
            REQUEST_ID,
            "A name for this request: 1 to 64 of A-Z a-z 0-9 . _ -; another one is replaced.",
            {"type": "string"},
            "5f1c9a20-1a",
        ),
        "Deadline": _header(
            "X-Deadline-Ms",
            "How long the caller will wait, in milliseconds.",
            {"type": "integer", "minimum": 0, "maximum": MAX_DEADLINE_MS},
            8000,
        ),
        "Key": _header(
            KEY,
            "Makes repeating harmless: what was done once under a key is not done again. "
            f"{MIN_KEY_CHARACTERS} to {MAX_KEY_CHARACTERS} printable ASCII characters, bare or "
            "in quotes.",
            {"type": "string", "pattern": f"^{key}$"},
            "0b2f7c52-6d3e-4e0f-9f0a-5d1c6f2a9b11",
        ),
        "Version": _header(
            IF_MATCH,
            "The version that this change was made for.",
            {"type": "string", "pattern": f"^{_VERSION}$"},
            '"7"',
            required=True,
        ),
        "AnyVersion": _header(
            IF_MATCH,
            "The version that this change was made for, or `*` for any.",
            {"type": "string", "pattern": f"^({_VERSION}|\\*)$"},
            '"7"',
            required=True,
        ),
        "KnownVersion": _header(
            IF_NONE_MATCH,
            "Versions that the caller has; 304 where the present one is among them.",
            {"type": "string"},
            '"7"',
        ),
    }


def taken(route: Route, told: Description) -> list[Json]:
    """Return references to the headers that a route goes by."""
    names = {
        KEY: "Key",
        IF_MATCH: "AnyVersion" if told.any_version else "Version",
        IF_NONE_MATCH: "KnownVersion",
    }
    always = ["RequestId"] if route.health else ["RequestId", "Deadline"]
    used = [*(names[name] for name in told.takes), *always]
    return [{"$ref": f"#/components/parameters/{name}"} for name in used]


def security(role: Role) -> Json:
    """Return how a role is proven."""
    return {"type": "http", "scheme": "bearer", "description": _OPEN_ENDED[role]}


def _header(name: str, said: str, schema: Json, example: object, *, required: bool = False) -> Json:
    return {
        "name": name,
        "in": "header",
        "required": required,
        "description": said,
        "schema": schema,
        "example": example,
    }
