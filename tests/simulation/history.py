"""What customers and staff asked and were told: one record for each request that was sent."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

UNDECIDED = frozenset({202, 429, 500, 502, 503, 504})
"""Answers to a purchase after which it may still end either way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One request, with its answer where one came back.

    ``kind`` is purchase, look, order, cancel, add, edit, restock or delete. ``began_s`` is
    when it was sent and ``ended_s`` when its answer was there or was given up, both on the
    simulation's own clock. ``status`` is 0 where no answer came; ``sent`` is False where no
    connection was made, so that nothing can have happened.
    """

    who: str
    kind: str
    frontend: str
    began_s: float
    ended_s: float
    book_id: int | None = None
    order_id: str | None = None
    key: str | None = None
    wishes: Mapping[str, object] = field(default_factory=dict)
    sent: bool = True
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return msgspec.json.decode(self.body)

    @property
    def code(self) -> str | None:
        """The code of a problem."""
        return str(self.json["code"]) if self.status >= 400 and self.body else None

    @property
    def final(self) -> bool:
        """Whether a purchase is decided by this answer, for good."""
        return self.status != 0 and self.status not in UNDECIDED

    @property
    def harmless(self) -> bool:
        """Whether this request surely had no effect, and none will come of it."""
        return not self.sent or self.status in {429, 503}

    @property
    def asked(self) -> str:
        """What was wished for, as text that is equal for equal wishes."""
        return json.dumps([self.book_id, self.wishes], sort_keys=True)
