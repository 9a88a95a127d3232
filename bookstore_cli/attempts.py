"""What became of one attempt at a request, and how long to wait before the next."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from servers.domain.errors import NotNow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from servers.domain.errors import ShopError

FIRST_DELAY_S = 0.05
LONGEST_DELAY_S = 1.0


@dataclass(frozen=True, slots=True)
class Failure:
    """One attempt that did not succeed, and what it leaves behind."""

    error: ShopError
    again: bool = False
    doubtful: bool = False
    after_s: float = 0.0
    nobody: bool = False

    @property
    def decided(self) -> bool:
        """Whether the shop itself said no, for good."""
        return not (self.again or self.doubtful or isinstance(self.error, NotNow))


def delays() -> Iterator[float]:
    """Yield ever longer waits in seconds, jittered so that many clients do not come at once."""
    delay_s = FIRST_DELAY_S
    while True:
        yield delay_s * random.uniform(0.5, 1.0)  # noqa: S311  # a wait is no secret
        delay_s = min(delay_s * 2, LONGEST_DELAY_S)
