"""What callers are told of a route beyond what the server itself goes by.

The route table says how to reach a route and what may be sent. Here is the form of the rest:
what it answers, which problems are its own, with an example of each. Documents are made of
both, in ``document`` beside this; what is said of each route stands beside its handlers, in a
file ``descriptions.py``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import msgspec

from servers.web.answers import JSON

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from servers.domain.errors import ShopError
    from servers.web.routes import Route

IF_MATCH = "If-Match"
IF_NONE_MATCH = "If-None-Match"
KEY = "Idempotency-Key"

_KIND = re.compile(r":[a-z]+}")


class ItemAnswer(msgspec.Struct, omit_defaults=True):
    """The answer to one item of a batch; `body` is what a route for one alone would answer."""

    status: int
    body: Any
    headers: dict[str, str] = {}  # msgspec copies an empty default for each instance


@dataclass(frozen=True, slots=True)
class Good:
    """An answer below 400: what it means, the type of its body and an example of it.

    ``body`` None means that there is none. ``headers`` are the names of those that this
    answer may have besides what every answer has.
    """

    status: int
    meaning: str
    body: object = None
    example: object = None
    headers: tuple[str, ...] = ()
    media_type: str = JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What callers are told of one route.

    ``name`` is the operation's, unlike any other of its server. ``problems`` are examples of
    the route's own; those that follow from its path, roles, body and headers are known
    without. Where it ``replays``, the same key is told its own problems again. ``takes`` are
    the request headers that change what it does, ``any_version`` whether ``If-Match`` may be
    ``*``. ``sends`` is the type of a body that the route table does not know, ``example`` one
    of any body. ``command`` is a command line that does the same, ``more`` what is said
    besides the summary.
    """

    name: str
    tag: str
    answers: tuple[Good, ...]
    problems: tuple[ShopError, ...] = ()
    takes: tuple[str, ...] = ()
    any_version: bool = False
    replays: bool = False
    sends: object = None
    example: object = None
    command: str = ""
    more: str = ""


def plain_path(path: str) -> str:
    """Return a route's path without the types of its parameters: ``/books/{book_id}``."""
    return _KIND.sub("}", path)


def name_of(route: Route) -> str:
    """Return how a route is named where it is written about: ``GET /books/{book_id}``."""
    return f"{route.method} {plain_path(route.path)}"


def described(
    routes: Iterable[Route], descriptions: Mapping[str, Description]
) -> tuple[Route, ...]:
    """Return the routes, each with what is said of it under its name.

    Raises `ValueError` where a route has no description, or a description no route.
    """
    table = tuple(routes)
    names = {name_of(route) for route in table}
    wrong = names ^ descriptions.keys()
    if wrong:
        message = (
            f"a route without a description, or the other way round: {', '.join(sorted(wrong))}; "
            f"routes stand in handlers.py, what is told of them in descriptions.py beside it"
        )
        raise ValueError(message)
    return tuple(replace(route, description=descriptions[name_of(route)]) for route in table)
