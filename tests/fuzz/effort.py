"""How many examples a property is tried with."""

from __future__ import annotations

import os

from hypothesis import settings


def tries(count: int) -> settings:
    """Return settings for ``count`` examples, times what the variable FUZZ says.

    A commit is always tried with the same examples; those that are asked for are new ones.
    """
    more = int(os.environ.get("FUZZ", "0"))
    return settings(max_examples=count * max(more, 1), deadline=None, derandomize=not more)
