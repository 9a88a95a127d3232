"""The problems that follow from a route's own form: its path, roles, headers, query and body.

What a route refuses beyond these is told in its description. Each is an example, complete
as it is sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from servers.domain.errors import (
    BodyTooLarge,
    Forbidden,
    HeadTooLarge,
    Internal,
    InvalidRequest,
    KeyReused,
    NotFound,
    Overloaded,
    RateLimited,
    RequestTimeout,
    Unauthorized,
    UnsupportedMedia,
    UriTooLong,
    VersionOfHttp,
    VersionRequired,
)
from servers.domain.limits import MAX_ID
from servers.web.answers import JSON
from servers.web.auth import Role
from servers.web.limits import MAX_BODY_BYTES, MAX_HEAD_BYTES, MAX_HEAD_LINE_BYTES
from servers.web.openapi.described import IF_MATCH, KEY
from servers.web.routes import Streamed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from servers.domain.errors import ShopError
    from servers.web.routes import Route

WITHOUT_BODY = frozenset({"GET", "DELETE"})
"""Methods whose body is not looked at."""


def refusals(route: Route) -> tuple[ShopError, ...]:
    """Return an example of each problem that the route can answer, by status.

    What the description has for a code stands for it; of the others there is one for each
    part of a request that may be wrong.
    """
    own = route.description.problems if route.description is not None else ()
    told = {error.code for error in own}
    found = {
        (error.code, *error.members): error
        for error in (*_of_any_route(route), *_of_form(route))
        if error.code not in told
    }
    return tuple(sorted((*found.values(), *own), key=lambda error: error.status))


def _of_any_route(route: Route) -> Iterator[ShopError]:
    """Yield the problems of requests before they are looked at closely."""
    detail = "X-Deadline-Ms must be one whole number from 0 to 60000."
    yield InvalidRequest(detail, header="X-Deadline-Ms")
    yield UriTooLong(f"The request line may have {MAX_HEAD_LINE_BYTES} bytes at most.")
    yield HeadTooLarge(f"The headers may have {MAX_HEAD_BYTES} bytes at most.")
    yield RequestTimeout("The head of the request did not arrive in time.")
    yield VersionOfHttp("This server speaks HTTP/1.1 and HTTP/1.0.")
    yield Internal("The shop made a mistake. Report it with the request id in X-Request-Id.")
    if not route.health:
        yield RateLimited("You ask too often; try again in a second.")
        yield Overloaded("Too many requests are under way; try again in a second.")


def _of_form(route: Route) -> Iterator[ShopError]:
    if "{" in route.path:
        yield _no_such_path(route)
    if route.roles:
        detail = "Send a valid token as `Authorization: Bearer …`; see the file admin.token."
        yield Unauthorized(detail)
    if route.roles and not route.roles >= set(Role) - {Role.PUBLIC}:
        yield Forbidden("This token is not for this route; it needs the admin token.")
    if route.query is not None or "{topic" in route.path:
        yield InvalidRequest("`limit`: expected `int` >= 1.", field="limit")
    if "{topic" in route.path:
        yield UriTooLong("A topic has 256 characters at most.", field="topic")
    if route.method not in WITHOUT_BODY:
        form = route.stream or Streamed(JSON, route.raw_body_bytes or MAX_BODY_BYTES)
        yield BodyTooLarge(f"The body may have {form.max_bytes} bytes at most.")
        yield UnsupportedMedia(f"Send the body as Content-Type: {form.media_type}.")
        yield from _of_body(route)
    yield from _of_headers(route)


def _of_body(route: Route) -> Iterator[ShopError]:
    if route.body is not None or route.raw_body_bytes:
        yield InvalidRequest("`quantity`: expected `int` >= 1.", field="quantity")


def _of_headers(route: Route) -> Iterator[ShopError]:
    takes = route.description.takes if route.description is not None else ()
    if IF_MATCH in takes:
        detail = 'Send If-Match with the version that you read, for example "7".'
        yield VersionRequired(detail, header=IF_MATCH)
        detail = 'If-Match must be one strong version in quotes, for example "7".'
        yield InvalidRequest(detail, header=IF_MATCH)
    if KEY in takes:
        detail = (
            "This idempotency key was used before for another request. Nothing was done; use a "
            "new key."
        )
        yield KeyReused(detail)


def _no_such_path(route: Route) -> ShopError:
    if ":order}" in route.path:
        return NotFound("An order id has 32 hexadecimal digits in lower case.")
    if ":id}" in route.path:
        return NotFound(f"A book id is a whole number from 1 to {MAX_ID}.")
    return NotFound("There is nothing at this path.")
