"""A server's application: from a request to its answer, whatever happens between.

`App` is the one middleware. Every request passes through it in the same order: route,
door, deadline, query, body, handler; every error becomes problem+json here; every
answer is counted and logged here.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from typing import TYPE_CHECKING, NamedTuple

from aiohttp import web

from servers.domain.errors import (
    BodyTooLarge,
    Internal,
    InvalidRequest,
    MethodNotAllowed,
    Overloaded,
    ShopError,
    UnsupportedMedia,
)
from servers.web.answers import JSON, PROBLEM, Answer, empty_answer, problem
from servers.web.auth import Role
from servers.web.call import Call
from servers.web.codec import decode_body, decode_query
from servers.web.head import checked_path
from servers.web.limits import MAX_BODY_BYTES, MAX_DEADLINE_MS
from servers.web.response import Response
from servers.web.routes import Router

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from servers.domain.protocols import Clock
    from servers.web.auth import Doors
    from servers.web.log import AccessLog
    from servers.web.metrics import Metrics
    from servers.web.routes import Route

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")
_DEADLINE = re.compile(r"[0-9]{1,9}\Z")
_BODY_S = 10.0

_log = logging.getLogger(__name__)


class _Begun(NamedTuple):
    """A request that has come in: how it is named and since when it runs."""

    raw: web.BaseRequest
    path: str
    query: str
    request_id: str
    started_s: float


class App:
    """Answers the requests of one server."""

    def __init__(  # noqa: PLR0913  # what every server is made of, named at the one call
        self,
        routes: Iterable[Route],
        *,
        doors: Doors,
        budget_s: float,
        clock: Clock,
        new_request_id: Callable[[], str],
        present: Callable[[object], object] | None = None,
        max_in_flight: int = 2048,
        metrics: Metrics | None = None,
        access_log: AccessLog | None = None,
        timer: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.router = Router(routes)
        self.metrics = metrics
        self.access_log = access_log
        self.in_flight = 0
        self.draining = False
        self._doors = doors
        self._budget_s = budget_s
        self._clock = clock
        self._new_request_id = new_request_id
        self._present = present
        self._max_in_flight = max_in_flight
        self._loop = asyncio.get_running_loop()
        # The loop's own clock may be as coarse as a millisecond, too coarse for durations.
        self._timer = timer

    async def __call__(self, raw: web.BaseRequest) -> Response:
        """Answer one request; raises nothing but cancellation."""
        begun = self._begin(raw)
        route, note = None, ""
        self.in_flight += 1
        try:
            path = checked_path(raw, begun.path)
            route, values = self.router.resolve(raw.method, path)
            if self.in_flight > self._max_in_flight and not route.health:
                raise Overloaded("Too many requests are under way; try again in a second.")  # noqa: TRY301  # every refusal takes the one way out
            call = await self._call(begun, route, values)
            answer = await route.handler(call)
            note = call.note
        except MethodNotAllowed as error:
            answer = _options(raw, error) or problem(error)
        except ShopError as error:
            answer = problem(error, self._present)
        except Exception:  # noqa: BLE001  # the one place where a bug becomes an answer
            _log.exception("request %s failed", begun.request_id)
            detail = "The shop made a mistake. Report it with the request id in X-Request-Id."
            answer = problem(Internal(detail))
        finally:
            self.in_flight -= 1
        return self._finish(begun, route, answer, note)

    def refuse(self, raw: web.BaseRequest, error: ShopError) -> Response:
        """Answer what the parser refused, before there was a request to route."""
        begun = _Begun(raw, "", "", self._new_request_id(), self._timer())
        response = self._finish(begun, None, problem(error), "")
        response.force_close()
        return response

    def _begin(self, raw: web.BaseRequest) -> _Begun:
        request_id = raw.headers.get("X-Request-Id")
        if request_id is None or not _REQUEST_ID.match(request_id):
            request_id = self._new_request_id()
        path, _, query = raw.raw_path.partition("?")
        return _Begun(raw, path, query, request_id, self._timer())

    async def _call(self, begun: _Begun, route: Route, values: dict[str, object]) -> Call:
        """Let a request in by the door, and decode what it carries."""
        raw = begun.raw
        role = Role.PUBLIC
        if route.roles:
            given = raw.headers.getall("Authorization", ())
            # Of two tokens it is not ours to choose the right one.
            role = self._doors.admit(given[0] if len(given) == 1 else None, route.roles)
        call = Call(raw, route, values, begun.request_id, self._due_s(raw), role)
        if begun.query or route.query is not None:
            call.query = _query(route, begun.query)
        if route.method not in {"GET", "DELETE"}:
            call.body = await _body(raw, route)
        return call

    def _finish(self, begun: _Begun, route: Route | None, answer: Answer, note: str) -> Response:
        """Make the response, count it and log it."""
        body = bytes(answer.body)
        headers = {"X-Request-Id": begun.request_id, "Server": "bookstore", **answer.headers}
        if body:
            headers["Content-Type"] = answer.content_type or (
                JSON if answer.status < 400 else PROBLEM
            )
        now_ms = self._clock.now_ms()
        response = Response(answer.status, headers, body, now_ms // 1000)
        if self.draining:
            response.force_close()
        seconds = self._timer() - begun.started_s
        if self.metrics is not None:
            method, path = (route.method, route.path) if route is not None else ("any", "none")
            self.metrics.count(method, path, answer.status, seconds)
        if self.access_log is not None:
            self.access_log.line(
                now_ms,
                begun.raw.method,
                begun.path,
                answer.status,
                seconds,
                len(body),
                begun.request_id,
                note,
            )
        return response

    def _due_s(self, raw: web.BaseRequest) -> float:
        """Return when the answer is due, on the loop's clock: our limit or the caller's."""
        given = raw.headers.get("X-Deadline-Ms")
        if given is None:
            return self._loop.time() + self._budget_s
        if not _DEADLINE.match(given) or int(given) > MAX_DEADLINE_MS:
            detail = f"X-Deadline-Ms must be a whole number from 0 to {MAX_DEADLINE_MS}."
            raise InvalidRequest(detail, header="X-Deadline-Ms")
        return self._loop.time() + min(self._budget_s, int(given) / 1000)


def _options(raw: web.BaseRequest, error: MethodNotAllowed) -> Answer | None:
    if raw.method != "OPTIONS":
        return None
    return empty_answer(headers={"Allow": str(error.members["allow"])})


def _query(route: Route, query: str) -> object:
    if route.query is None:
        raise InvalidRequest("This path takes no query parameters.")
    return decode_query(query, route.query)


async def _body(raw: web.BaseRequest, route: Route) -> object:
    data = await _read(raw, route.raw_body_bytes or MAX_BODY_BYTES)
    if route.raw_body_bytes:
        if data and raw.content_type.lower() != JSON:
            raise UnsupportedMedia(f"Send the body as Content-Type: {JSON}.")
        return data
    if route.body is None:
        if data.strip() not in {b"", b"{}"}:
            raise InvalidRequest("This path takes no body.")
        return None
    if not data:
        if route.body_optional:
            return route.body()
        raise InvalidRequest("A JSON body is needed.")
    if raw.content_type.lower() != JSON:
        raise UnsupportedMedia(f"Send the body as Content-Type: {JSON}.")
    return decode_body(data, route.body)


async def _read(raw: web.BaseRequest, limit_bytes: int) -> bytes:
    """Return the body, which must not be encoded nor longer than ``limit_bytes``."""
    length = raw.content_length
    if length is not None and length > limit_bytes:
        raise BodyTooLarge(f"The body may have {limit_bytes} bytes at most.")
    if not raw.body_exists:
        return b""
    if raw.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise UnsupportedMedia("Send the body as it is, without Content-Encoding.")
    if raw.headers.get("Expect", "").lower() == "100-continue":
        await raw.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        raw.writer.output_size = 0
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(_BODY_S):
            while chunk := await raw.content.readany():
                size += len(chunk)
                if size > limit_bytes:
                    raise BodyTooLarge(f"The body may have {limit_bytes} bytes at most.")
                parts.append(chunk)
    except TimeoutError:
        raise InvalidRequest(f"The body did not arrive within {_BODY_S:.0f} s.") from None
    except web.RequestPayloadError:
        raise InvalidRequest("The body broke off or was not well formed.") from None
    return b"".join(parts)
