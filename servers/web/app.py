"""A server's application: from a request to its answer, whatever happens between.

`App` is the one middleware. Every request passes through it in the same order: route,
door, deadline, query, body, handler; every error becomes problem+json here; every
answer is counted and logged here.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import time
from typing import TYPE_CHECKING, NamedTuple

from servers.domain.errors import (
    AccessRefused,
    Internal,
    InvalidRequest,
    MethodNotAllowed,
    Overloaded,
    RateLimited,
    ShopError,
)
from servers.web.answers import JSON, PROBLEM, Answer, empty_answer, problem
from servers.web.auth import STAFF, Role
from servers.web.body import read_body
from servers.web.call import Call
from servers.web.codec import decode_query
from servers.web.head import checked_path
from servers.web.limits import MAX_DEADLINE_MS, MAX_QUEUE_S
from servers.web.response import Response
from servers.web.routes import Router
from servers.web.shedding import FULL, REQUEST_ID, Shedding
from servers.web.turns import Turns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from aiohttp.http import RawRequestMessage

    from servers.domain.protocols import Clock
    from servers.web.auth import Doors
    from servers.web.inbound import Request
    from servers.web.log import AccessLog
    from servers.web.metrics import Metrics
    from servers.web.rates import ClientRates
    from servers.web.routes import Route

_DEADLINE = re.compile(r"[0-9]{1,9}\Z")

_log = logging.getLogger(__name__)


class _Begun(NamedTuple):
    """A request that has come in: how it is named and since when it runs."""

    raw: Request
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
        rates: ClientRates | None = None,
        metrics: Metrics | None = None,
        access_log: AccessLog | None = None,
        timer: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.router = Router(routes)
        self.metrics = metrics
        self.access_log = access_log
        self.in_flight = 0
        self.waiting = 0
        """Requests that have arrived and are not begun."""
        self.max_in_flight = max_in_flight
        self.turns = Turns()
        self.draining = False
        self._doors = doors
        self._budget_s = budget_s
        self._clock = clock
        self._new_request_id = new_request_id
        self._present = present
        self._rates = rates
        self._shedding = Shedding(self.router.routes, clock, new_request_id, metrics, access_log)
        self._loop = asyncio.get_running_loop()
        # The loop's own clock may be as coarse as a millisecond, too coarse for durations.
        self.timer = timer

    async def __call__(self, raw: Request) -> Response:
        """Answer one request; raises nothing but cancellation."""
        begun = self._begin(raw)
        route, path, note = None, None, ""
        self.in_flight += 1
        try:
            path = checked_path(raw, begun.path)
            if self._rates is not None:
                self._must_not_hurry(raw, path, self._rates)
            route, values = self.router.resolve(raw.method, path)
            if (self.in_flight > self.max_in_flight or raw.spare) and not route.health:
                raise Overloaded(FULL)  # noqa: TRY301  # every refusal takes the one way out
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
        response = self._finish(begun, route, answer, note)
        if path is None or not raw.content.is_eof():
            # What follows on this connection might be meant as something else.
            response.force_close()
        return response

    def shed(self, message: RawRequestMessage, *, close: bool) -> bytes | None:
        """Return the refusal of a request that comes to a full server; see `Shedding`."""
        return self._shedding.refusal(message, close=close)

    def refuse(self, raw: Request, error: ShopError) -> Response:
        """Answer what the parser refused, before there was a request to route."""
        begun = _Begun(raw, "", "", self._new_request_id(), raw.arrived_s)
        response = self._finish(begun, None, problem(error), "")
        response.force_close()
        return response

    def _begin(self, raw: Request) -> _Begun:
        request_id = raw.headers.get("X-Request-Id")
        if request_id is None or not REQUEST_ID.match(request_id):
            request_id = self._new_request_id()
        path, _, query = raw.raw_path.partition("?")
        return _Begun(raw, path, query, request_id, raw.arrived_s)

    def _must_not_hurry(self, raw: Request, path: str, rates: ClientRates) -> None:
        """Raise `RateLimited` if a client asks too often; health and staff are exempt."""
        if rates.admit(raw) or self._shedding.is_exempt(path):
            return
        given = raw.headers.getall("Authorization", ())
        with contextlib.suppress(AccessRefused):
            self._doors.admit(given[0] if len(given) == 1 else None, STAFF)
            return
        detail = f"A client may ask {rates.per_s:g} times a second. Try again in a second."
        raise RateLimited(detail)

    async def _call(self, begun: _Begun, route: Route, values: dict[str, object]) -> Call:
        """Let a request in by the door, and decode what it carries."""
        raw = begun.raw
        age_s = raw.age_s()
        if age_s > MAX_QUEUE_S and not route.health:
            raise Overloaded(
                "This request could not be begun in time; nothing was done. Try again."
            )
        due_s = self._due_s(raw, age_s)
        role = Role.PUBLIC
        if route.roles:
            given = raw.headers.getall("Authorization", ())
            # Of two tokens it is not ours to choose the right one.
            role = self._doors.admit(given[0] if len(given) == 1 else None, route.roles)
        call = Call(raw, route, values, begun.request_id, due_s, role)
        if begun.query or route.query is not None:
            call.query = _query(route, begun.query)
        if route.method not in {"GET", "DELETE"}:
            call.body = await read_body(raw, route, due_s)
        if due_s <= self._loop.time() and not route.health:
            raise Overloaded("The time for this request was over before it was begun. Try again.")
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
        if self.draining or begun.raw.spare:
            response.force_close()
        seconds = self.timer() - begun.started_s
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

    def _due_s(self, raw: Request, age_s: float) -> float:
        """Return when the answer is due, on the loop's clock: our limit or the caller's."""
        given = raw.headers.get("X-Deadline-Ms")
        arrived_s = self._loop.time() - age_s
        if given is None:
            return arrived_s + self._budget_s
        if not _DEADLINE.match(given) or int(given) > MAX_DEADLINE_MS:
            detail = f"X-Deadline-Ms must be a whole number from 0 to {MAX_DEADLINE_MS}."
            raise InvalidRequest(detail, header="X-Deadline-Ms")
        return arrived_s + min(self._budget_s, int(given) / 1000)


def _options(raw: Request, error: MethodNotAllowed) -> Answer | None:
    if raw.method != "OPTIONS":
        return None
    return empty_answer(headers={"Allow": str(error.members["allow"])})


def _query(route: Route, query: str) -> object:
    if route.query is None:
        raise InvalidRequest("This path takes no query parameters.")
    return decode_query(query, route.query)
