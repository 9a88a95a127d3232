"""Times: milliseconds since 1970 inside, RFC 3339 in UTC outside."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def rfc3339(at_ms: int) -> str:
    """Return a time as text, for example ``2026-01-31T12:00:00.250Z``."""
    return f"{_second(at_ms // 1000)}.{at_ms % 1000:03d}Z"


def parse_rfc3339(text: str) -> int:
    """Return the milliseconds of a time that `rfc3339` wrote."""
    return (datetime.fromisoformat(text) - _EPOCH) // _MILLISECOND


@lru_cache(maxsize=256)
def _second(second: int) -> str:
    # Many times fall into one second, and formatting one costs more than finding it here.
    return (_EPOCH + timedelta(seconds=second)).strftime("%Y-%m-%dT%H:%M:%S")
