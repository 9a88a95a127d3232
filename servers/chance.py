"""Where time and chance come from when the shop runs for real: the system.

Lives here: the clock and the ids that ``servers.main`` and the back office hand to all others.
"""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


stopwatch = time.perf_counter
"""Seconds for durations; the event loop's own clock may be as coarse as a millisecond."""


class WallClock:
    """The time of day."""

    def now_ms(self) -> int:
        """Return milliseconds since 1970-01-01 UTC."""
        return time.time_ns() // 1_000_000


def secret_ids() -> Iterator[str]:
    """Yield 128 random bits at a time, as 32 hex digits; the system is asked for many at once."""
    while True:
        digits = secrets.token_hex(4096)
        yield from (digits[start : start + 32] for start in range(0, len(digits), 32))
