"""How many requests are begun in one turn of the event loop.

When a batch of answers has gone out, as many clients may ask again at once. Were all of them
begun in one turn of the loop, everybody else would wait until the last of them is under way:
the refusals of a full server too, which are to be quick.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from servers.web.limits import BEGUN_A_TURN

if TYPE_CHECKING:
    from collections.abc import Callable


class Turns:
    """Begins what has arrived, in order, so many in a turn; the first ones at once."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._left = BEGUN_A_TURN
        self._waiting: deque[Callable[[], None]] = deque()
        self._next_due = False

    def begin(self, wake: Callable[[], None]) -> None:
        """Call ``wake`` at once, or in one of the next turns."""
        if self._left:
            self._left -= 1
            wake()
        else:
            self._waiting.append(wake)
        if not self._next_due:
            self._next_due = True
            self._loop.call_soon(self._next)

    def _next(self) -> None:
        self._left = BEGUN_A_TURN
        self._next_due = False
        for _ in range(min(len(self._waiting), BEGUN_A_TURN)):
            self.begin(self._waiting.popleft())
