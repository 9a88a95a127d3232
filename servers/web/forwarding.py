"""Passing a whole request on to another server, by a fixed table, and its answer back."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import msgspec

from servers.domain.errors import Internal, InvalidRequest, OutcomeUnknown, Unavailable
from servers.web.answers import Answer, problem
from servers.web.hop import NoAnswerError, NotSentError

if TYPE_CHECKING:
    from servers.web.call import Call
    from servers.web.hop import Hop

_PASSED_ON = ("If-Match", "Idempotency-Key")
_PASSED_BACK = ("ETag", "Location", "Link", "Idempotency-Replayed", "Retry-After")
_MARGIN_S = 0.1

_log = logging.getLogger(__name__)


def _query_text(query: msgspec.Struct | None) -> str:
    """Return a checked query as text, made anew: nothing of a client's own text is in a URL."""
    if query is None:
        return ""
    fields = msgspec.to_builtins(query)
    return urlencode({name: value for name, value in fields.items() if value is not None})


class Forwarder:
    """Passes requests on over one hop. Reads are GET, every change is a POST."""

    def __init__(self, hop: Hop) -> None:
        self._hop = hop

    async def forward(self, call: Call, method: str, path: str) -> Answer:
        """Return the other server's answer; ``path`` is made by us from checked parameters.

        A read that gets no answer is 503; a change that may have been made is 504. Raises
        `InvalidRequest` where a header that is passed on stands twice.
        """
        left_s = call.deadline_s - asyncio.get_running_loop().time() - _MARGIN_S
        headers = {
            "X-Request-Id": call.request_id,
            "X-Deadline-Ms": str(max(int(left_s * 1000), 0)),
        }
        for name in _PASSED_ON:
            values = call.raw.headers.getall(name, ())
            if len(values) > 1:
                raise InvalidRequest(f"{name} must stand once.", header=name)
            if values:
                headers[name] = values[0]
        query = _query_text(call.query)
        body = call.body if isinstance(call.body, bytes) else b""
        try:
            said = await self._hop.call(
                method,
                f"{path}?{query}" if query else path,
                body=body,
                headers=headers,
                timeout_s=left_s,
            )
        except NotSentError as error:
            return problem(Unavailable(f"Nothing was done: {error}. Try again."))
        except NoAnswerError as error:
            if method == "GET":
                return problem(Unavailable(f"This cannot be read now: {error}. Try again."))
            detail = f"It is not known whether this was done: {error}. Look before you try again."
            return problem(OutcomeUnknown(detail))
        if said.status in {401, 403}:
            _log.error("the %s server refuses our service token", self._hop.name)
            return problem(Internal("The shop's servers do not trust each other; see their logs."))
        given = said.headers
        kept = {name: given[name.lower()] for name in _PASSED_BACK if name.lower() in given}
        return Answer(said.status, msgspec.Raw(said.body), kept)
