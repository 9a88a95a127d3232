"""The yardstick *bare*: aiohttp and uvloop, one handler, one small JSON object, no log.

What a purchase or a look at a book costs beside this is what the shop itself costs.
"""

from __future__ import annotations

import msgspec
from aiohttp import web

from benchmarks.yardsticks.running import run, serve

_BOOK = {"id": 4, "title": "Cooking for the Impatient Undergrad", "price": "14.95", "stock": 100}


async def handler(_request: web.Request) -> web.Response:
    """Answer one small JSON object."""
    return web.Response(body=msgspec.json.encode(_BOOK), content_type="application/json")


if __name__ == "__main__":
    app = web.Application()
    app.router.add_get("/", handler)
    run(serve(app))
