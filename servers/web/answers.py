"""What a handler gives back, and how an item of a batched call is answered.

Both are one type, so that an answer made in one server can pass through another as it
is: the body is JSON bytes that nobody decodes on the way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from servers.domain.errors import problem_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from servers.domain.errors import ShopError

JSON = "application/json"
NDJSON = "application/x-ndjson"
PROBLEM = "application/problem+json"
TEXT = "text/plain; charset=utf-8"

REPLAYED = {"Idempotency-Replayed": "true"}
"""The header that marks an answer which was given before."""

_encode = msgspec.json.Encoder().encode


class Answer(msgspec.Struct, omit_defaults=True):
    """Status, headers and body of one answer; the body is JSON, or nothing.

    ``content_type`` stands only where it is not what the status implies: problem+json
    from 400 on, JSON below.
    """

    status: int
    body: msgspec.Raw = msgspec.Raw(b"null")
    headers: dict[str, str] = {}  # msgspec copies an empty default for each instance
    content_type: str | None = None


def answer(value: object, status: int = 200, headers: dict[str, str] | None = None) -> Answer:
    """Return the answer whose body is ``value`` as JSON."""
    return Answer(status, msgspec.Raw(_encode(value)), headers or {})


def text_answer(text: str, status: int = 200, content_type: str = TEXT) -> Answer:
    """Return an answer for people and tools that do not read JSON."""
    return Answer(status, msgspec.Raw(text.encode()), {}, content_type)


def empty_answer(status: int = 204, headers: dict[str, str] | None = None) -> Answer:
    """Return an answer without a body."""
    return Answer(status, msgspec.Raw(b""), headers or {})


def problem(
    error: ShopError, present: Callable[[object], object] | None = None, *, replayed: bool = False
) -> Answer:
    """Return an error as problem+json.

    ``present`` gives the members of the error, which may be objects of the domain, the
    form that they have on the wire.
    """
    fields = problem_of(error)
    if present is not None:
        fields = {name: present(value) for name, value in fields.items()}
    headers = dict(REPLAYED) if replayed else {}
    if error.status == 503 or error.code == "rate_limited":
        headers["Retry-After"] = "1"
    if error.code == "unauthorized":
        headers["WWW-Authenticate"] = 'Bearer realm="bookstore"'
    if error.code == "method_not_allowed":
        headers["Allow"] = str(error.members.get("allow", ""))
    return Answer(error.status, msgspec.Raw(_encode(fields)), headers)
