"""The route table: what a server answers, declared once, resolved without regular expressions.

A table is a tuple of `Route`. From it come the router, the checks before a handler runs
and everything that is said about the routes elsewhere.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from servers.domain.errors import InvalidRequest, MethodNotAllowed, NotFound, UriTooLong
from servers.domain.limits import MAX_ID, MAX_TOPIC_CHARACTERS
from servers.domain.text import clean_text

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    import msgspec

    from servers.web.answers import Answer
    from servers.web.auth import Role
    from servers.web.call import Call
    from servers.web.openapi.described import Description

    Handler = Callable[[Call], Awaitable[Answer]]

PAGE = "/docs"
"""Where a server tells people what it answers, if it does."""

_ID = re.compile(r"[1-9][0-9]{0,18}\Z")
_HEX_32 = re.compile(r"[0-9a-f]{32}\Z")


@dataclass(frozen=True, slots=True)
class Streamed:
    """The form of a body that a handler reads as it comes: its media type and its most bytes."""

    media_type: str
    max_bytes: int


@dataclass(frozen=True, slots=True)
class Route:
    """One method on one path.

    ``path`` has parameters in braces, each with a type after a colon: ``{book_id:id}``,
    ``{order_id:order}``, ``{topic:topic}``. ``roles`` is who may come in, nobody named
    means anyone. ``body`` and ``query`` are msgspec structs; a body may be absent where
    ``body_optional``. A handler that decodes by itself, or passes the body on, names
    ``raw_body_bytes``, the most it takes; one that reads a ``stream`` names its form, gets a
    `BodyStream` and has no deadline. ``summary`` is one line for people. ``health`` routes are
    answered at any load. ``description`` is what callers are told besides.
    """

    method: str
    path: str
    handler: Handler
    summary: str
    roles: frozenset[Role] = frozenset()
    body: type[msgspec.Struct] | None = None
    body_optional: bool = False
    raw_body_bytes: int = 0
    stream: Streamed | None = None
    query: type[msgspec.Struct] | None = None
    health: bool = False
    description: Description | None = None


@dataclass(slots=True)
class _Node:
    """A place in the tree of path segments."""

    static: dict[str, _Node] = field(default_factory=dict)
    parameter: tuple[str, Callable[[str], object], _Node] | None = None
    routes: dict[str, Route] = field(default_factory=dict)


class Router:
    """Finds the route of a request by walking its path's segments."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self.routes = tuple(routes)
        self._root = _Node()
        for route in self.routes:
            node = self._node_of(route.path)
            if route.method in node.routes:
                message = f"{route.method} {route.path} is declared twice"
                raise ValueError(message)
            node.routes[route.method] = route
        self._nothing = f"There is nothing at this path.{self._where_to_look()}"

    def resolve(self, method: str, path: str) -> tuple[Route, dict[str, object]]:
        """Return the route and its parameters.

        ``path`` is as it came, percent-encoded and without the query. Raises `NotFound`,
        `MethodNotAllowed` with ``allow``, `InvalidRequest` and `UriTooLong` for texts that
        are none.
        """
        if "%" in path or not path.isascii():
            _must_be_text(path)
        node, values = self._root, {}
        for raw in path.split("/")[1:]:
            child = node.static.get(raw)
            if child is not None:
                node = child
                continue
            if node.parameter is None:
                raise NotFound(self._nothing)
            name, parse, node = node.parameter
            values[name] = parse(raw)
        route = node.routes.get("GET" if method == "HEAD" else method)
        if route is None:
            raise self._no_method(node.routes)
        return route, values

    def _no_method(self, routes: Mapping[str, Route]) -> NotFound | MethodNotAllowed:
        if not routes:
            return NotFound(self._nothing)
        methods = {*routes, "OPTIONS"} | ({"HEAD"} if "GET" in routes else set())
        allow = ", ".join(sorted(methods))
        return MethodNotAllowed(f"This path answers {allow}.", allow=allow)

    def _where_to_look(self) -> str:
        """Return a sentence that names the page for people, where there is one for anybody."""
        page = self._root.static.get(PAGE.strip("/"))
        known = page is not None and "GET" in page.routes and not page.routes["GET"].roles
        return f" {PAGE} tells what there is." if known else ""

    def _node_of(self, path: str) -> _Node:
        node = self._root
        for segment in path.split("/")[1:]:
            if segment.startswith("{"):
                name, _, kind = segment.strip("{}").partition(":")
                if node.parameter is None:
                    node.parameter = (name, _PARSERS[kind], _Node())
                node = node.parameter[2]
            else:
                node = node.static.setdefault(segment, _Node())
        return node


def _must_be_text(path: str) -> None:
    """Refuse a path that is no UTF-8 or has a NUL in it, whatever route it might name."""
    try:
        text = unquote_to_bytes(path).decode()
    except UnicodeError:
        raise InvalidRequest("The path must be UTF-8, percent-encoded.") from None
    if "\0" in text:
        raise InvalidRequest("The path must not contain NUL.")


def _book_id(raw: str) -> int:
    """A positive 64-bit integer in ASCII digits; anything else names nothing."""
    if _ID.match(raw):
        book_id = int(raw)
        if book_id <= MAX_ID:
            return book_id
    raise NotFound(f"A book id is a whole number from 1 to {MAX_ID}.")


def _order_id(raw: str) -> str:
    if _HEX_32.match(raw):
        return raw
    raise NotFound("An order id has 32 hexadecimal digits in lower case.")


def _topic(raw: str) -> str:
    """A text, decoded once: ``%2F`` is a slash in it and no boundary."""
    text = unquote_to_bytes(raw).decode()
    if len(text) > MAX_TOPIC_CHARACTERS:
        raise UriTooLong(f"A topic has {MAX_TOPIC_CHARACTERS} characters at most.", field="topic")
    if not text:
        raise NotFound(f"A topic has 1 to {MAX_TOPIC_CHARACTERS} characters.")
    return clean_text(text, "topic", MAX_TOPIC_CHARACTERS)


_PARSERS: Mapping[str, Callable[[str], object]] = {
    "id": _book_id,
    "order": _order_id,
    "topic": _topic,
}
