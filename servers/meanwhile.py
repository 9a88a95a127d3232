"""Work without an end that goes on while a block runs, and ends with it."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine


@contextlib.asynccontextmanager
async def meanwhile(work: Callable[[], Coroutine[object, object, None]]) -> AsyncIterator[None]:
    """Do the work in a task of its own until the block ends; then cancel it and await its end.

    Work that has failed by then raises its error there.
    """
    task = asyncio.get_running_loop().create_task(work())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
