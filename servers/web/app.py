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
from typing import TYPE_CHECKING

from servers.domain.errors import (
    AccessRefused,
    Internal,
    InvalidRequest,
    MethodNotAllowed,
    Overloaded,
    RateLimited,
    ShopError,
)
from servers.web.answers import Answer, empty_answer, problem
from servers.web.auth import STAFF, Role
from servers.web.body import read_body
from servers.web.call import Call
from servers.web.codec import decode_query
from servers.web.head import checked_path
from servers.web.limits import MAX_DEADLINE_MS, MAX_QUEUE_S
from servers.web.response import response_of
from servers.web.routes import Router
from servers.web.shedding import FULL, REQUEST_ID, Shedding
from servers.web.stream import open_stream
from servers.web.turns import Turns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from aiohttp.http import RawRequestMessage

    from servers.domain.protocols import Clock
    from servers.web.auth import Doors
    from servers.web.log import AccessLog
    from servers.web.metrics import Metrics
    from servers.web.rates import ClientRates
    from servers.web.request import Request
    from servers.web.response import Response
    from servers.web.routes import Route, Streamed
    from servers.web.stream import BodyStream

_DEADLINE = re.compile(r"[0-9]{1,9}\Z")
_PROBES = frozenset({"/livez", "/readyz"})
"""What whoever runs the shop asks again and again; metrics cost more, and are asked rarely."""
_WITHOUT_BODY = frozenset({"GET", "DELETE"})
_BEGUN_LATE = "This request could not be begun in time; nothing was done. Try again."
_TOO_LATE = "The time for this request was over before it was begun. Try again."

_log = logging.getLogger(__name__)


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
        self._streams: dict[Request, BodyStream] = {}
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
        route, path, note = None, None, ""
        raw.request_id = self._request_id(raw)
        self.in_flight += 1
        try:
            path = checked_path(raw)
            if self._rates is not None:
                self._must_not_hurry(raw, path, self._rates)
            route, values = self.router.resolve(raw.method, path)
            call = self._let_in(raw, route, values)
            if route.stream is not None:
                call.body = self._streamed(raw, route.stream, call.deadline_s)
            elif route.method not in _WITHOUT_BODY:
                call.body = await read_body(raw, route, call.deadline_s)
            if call.deadline_s <= self._loop.time() and not route.health:
                raise Overloaded(_TOO_LATE)  # noqa: TRY301  # every refusal takes the one way out
            answer = await route.handler(call)
            note = call.note
        except MethodNotAllowed as error:
            answer = _options(raw, error) or problem(error)
        except ShopError as error:
            answer = problem(error, self._present)
        except Exception:  # noqa: BLE001  # the one place where a bug becomes an answer
            _log.exception("request %s failed", raw.request_id)
            detail = "The shop made a mistake. Report it with the request id in X-Request-Id."
            answer = problem(Internal(detail))
        finally:
            self.in_flight -= 1
            self._streams.pop(raw, None)
        # What follows on this connection might be meant as something else.
        unclear = path is None or not raw.content.is_eof()
        return self._finish(raw, route, answer, note, close=unclear)

    @property
    def full(self) -> bool:
        """Whether as many requests are under way, or soon will be, as it takes."""
        return self.in_flight + self.waiting >= self.max_in_flight

    def drain(self) -> None:
        """Take note that the server stops: what is under way is the last, and streams end."""
        self.draining = True
        for stream in self._streams.values():
            stream.stop()

    def shed(self, message: RawRequestMessage, *, close: bool) -> bytes | None:
        """Return the refusal of a request that comes to a full server; see `Shedding`."""
        return self._shedding.refusal(message, close=close)

    def refuse(self, error: ShopError, arrived_s: float) -> Response:
        """Answer what the parser refused, before there was a request to route; then close."""
        answer, request_id, now_ms = problem(error), self._new_request_id(), self._clock.now_ms()
        self._record(now_ms, None, ("UNKNOWN", ""), answer, arrived_s, request_id, "")
        return response_of(answer, request_id, now_ms // 1000, None, close=True)

    def _request_id(self, raw: Request) -> str:
        given = raw.headers.get("X-Request-Id")
        if given is not None and REQUEST_ID.match(given):
            return given
        return self._new_request_id()

    def _must_not_hurry(self, raw: Request, path: str, rates: ClientRates) -> None:
        """Raise `RateLimited` if a client asks too often; probes and staff are exempt."""
        if rates.admit(raw) or path in _PROBES:
            return
        given = raw.headers.getall("Authorization", ())
        with contextlib.suppress(AccessRefused):
            self._doors.admit(given[0] if len(given) == 1 else None, STAFF)
            return
        detail = f"A client may ask {rates.per_s:g} times a second. Try again in a second."
        raise RateLimited(detail)

    def _let_in(self, raw: Request, route: Route, values: dict[str, object]) -> Call:
        """Let a request in by the door, and decode what its head carries."""
        age_s = raw.age_s()
        if not route.health:
            if self.in_flight > self.max_in_flight or raw.connection.spare:
                raise Overloaded(FULL)
            if age_s > MAX_QUEUE_S:
                raise Overloaded(_BEGUN_LATE)
        budget_s = self._budget_s if route.stream is None else float("inf")
        due_s = self._due_s(raw, age_s, budget_s)
        role = Role.PUBLIC
        if route.roles:
            given = raw.headers.getall("Authorization", ())
            # Of two tokens it is not ours to choose the right one.
            role = self._doors.admit(given[0] if len(given) == 1 else None, route.roles)
        call = Call(raw, route, values, raw.request_id, due_s, role)
        if raw.query or route.query is not None:
            call.query = _query(route, raw.query)
        return call

    def _streamed(self, raw: Request, form: Streamed, due_s: float) -> BodyStream:
        stream = self._streams[raw] = open_stream(raw, form, due_s)
        if self.draining:
            stream.stop()
        return stream

    def _finish(  # all that is known of one request
        self, raw: Request, route: Route | None, answer: Answer, note: str, *, close: bool
    ) -> Response:
        """Make the response, count it and log it."""
        now_ms = self._clock.now_ms()
        what = (raw.method, raw.path)
        self._record(now_ms, route, what, answer, raw.arrived_s, raw.request_id, note)
        return response_of(
            answer,
            raw.request_id,
            now_ms // 1000,
            raw.message,
            close=close or self.draining or raw.connection.spare,
        )

    def _record(  # noqa: PLR0913, PLR0917  # the fields of one line
        self,
        now_ms: int,
        route: Route | None,
        what: tuple[str, str],
        answer: Answer,
        arrived_s: float,
        request_id: str,
        note: str,
    ) -> None:
        """Count and log one answer; ``what`` are method and path as they came."""
        seconds = self.timer() - arrived_s
        if self.metrics is not None:
            method, path = (route.method, route.path) if route is not None else ("any", "none")
            self.metrics.count(method, path, answer.status, seconds)
        if self.access_log is not None:
            self.access_log.line(
                now_ms, *what, answer.status, seconds, len(bytes(answer.body)), request_id, note
            )

    def _due_s(self, raw: Request, age_s: float, budget_s: float) -> float:
        """Return when the answer is due, on the loop's clock: our limit or the caller's."""
        given = raw.headers.get("X-Deadline-Ms")
        arrived_s = self._loop.time() - age_s
        if given is None:
            return arrived_s + budget_s
        alone = len(raw.headers.getall("X-Deadline-Ms")) == 1
        if not alone or not _DEADLINE.match(given) or int(given) > MAX_DEADLINE_MS:
            detail = f"X-Deadline-Ms must be one whole number from 0 to {MAX_DEADLINE_MS}."
            raise InvalidRequest(detail, header="X-Deadline-Ms")
        return arrived_s + min(budget_s, int(given) / 1000)


def _options(raw: Request, error: MethodNotAllowed) -> Answer | None:
    if raw.method != "OPTIONS":
        return None
    return empty_answer(headers={"Allow": str(error.members["allow"])})


def _query(route: Route, query: str) -> object:
    if route.query is None:
        raise InvalidRequest("This path takes no query parameters.")
    return decode_query(query, route.query)
