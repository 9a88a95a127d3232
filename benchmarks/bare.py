"""The yardstick: aiohttp and uvloop, one handler, one small JSON object, no log.

What a purchase or a look at a book costs beside this is what the shop itself costs.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys

import msgspec
from aiohttp import web

_BOOK = {"id": 4, "title": "Cooking for the Impatient Undergrad", "price": "14.95", "stock": 100}


async def handler(_request: web.Request) -> web.Response:
    """Answer one small JSON object."""
    return web.Response(body=msgspec.json.encode(_BOOK), content_type="application/json")


async def main() -> None:
    """Serve on a free port, which is printed, until standard input ends."""
    app = web.Application()
    app.router.add_get("/", handler)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await runner.cleanup()


if __name__ == "__main__":
    factory = None
    with contextlib.suppress(ImportError):
        import uvloop

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as loop:
        loop.run(main())
