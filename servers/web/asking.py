"""Asking another server for something typed: the answer decoded, its problem raised.

What every client over HTTP shares; which routes there are and what they mean is known to
the clients in ``servers.catalog.client`` and ``servers.order.client``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import msgspec

from servers.domain.errors import Internal, OutcomeUnknown, Unavailable, error_of
from servers.web.hop import NoAnswerError, NotSentError
from servers.web.limits import MAX_DEADLINE_MS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from servers.web.hop import Hop

T = TypeVar("T")

_encode = msgspec.json.Encoder().encode


class Asking:
    """Makes one call at a time over a hop and gives back objects or raises errors."""

    def __init__(self, hop: Hop, call_s: float) -> None:
        self._hop = hop
        self._call_s = call_s

    async def ask(  # the parts of a request
        self,
        method: str,
        path: str,
        kind: type[T],
        *,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
    ) -> tuple[T, Mapping[str, str]]:
        """Return the answer as ``kind``, with its headers, their names in lower case.

        Raises the error that the other server answered; `Unavailable` where it cannot
        have got the request; `OutcomeUnknown` where it may have.
        """
        data = b"" if body is None else _encode(body)
        due_s = timeout_s or self._call_s
        allowed_ms = min(int(due_s * 1000), MAX_DEADLINE_MS)
        sent = {"X-Deadline-Ms": str(allowed_ms), **(headers or {})}
        try:
            said = await self._hop.call(method, path, body=data, headers=sent, timeout_s=due_s)
        except NotSentError as error:
            raise Unavailable(f"Nothing was done: {error}. Try again.") from error
        except NoAnswerError as error:
            raise OutcomeUnknown(f"It is not known what was done: {error}.") from error
        try:
            if said.status >= 400:
                raise error_of(msgspec.json.decode(said.body, type=dict[str, object]))
            return msgspec.json.decode(said.body or b"null", type=kind), said.headers
        except msgspec.MsgspecError as error:
            detail = f"The {self._hop.name} server gave an answer that is not understood."
            raise Internal(detail) from error
