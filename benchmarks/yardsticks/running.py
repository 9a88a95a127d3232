"""How every yardstick runs: on a free port, which is printed, until standard input ends."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Coroutine


async def serve(app: web.Application) -> None:
    """Serve an application without a log."""
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    await until_stdin_ends()
    await runner.cleanup()


async def until_stdin_ends() -> None:
    """Return when whoever started this process has closed its standard input."""
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


def run(main: Coroutine[object, object, None]) -> None:
    """Run a yardstick on uvloop, where there is one, as the shop does."""
    factory = None
    with contextlib.suppress(ImportError):
        import uvloop

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main)
