"""How many examples a property is tried with."""

from __future__ import annotations

import os

from hypothesis import settings


def tries(count: int) -> settings:
    """Return settings for ``count`` examples, times what the variable FUZZ says."""
    return settings(max_examples=count * int(os.environ.get("FUZZ", "1")), deadline=None)
