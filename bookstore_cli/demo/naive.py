"""The naive shop: it reads, and then writes what it computed from what it read.

Lives here: its catalog, which does as it is told, and its purchase. Each step is right by
itself, and with one customer at a time so is the shop. It is here to be beaten; nothing
of the bookstore is made like it.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiohttp import ClientSession

BOOK: Final = "/books/1"
STOCK: Final = "/books/1/stock"


class _Catalog:
    """One book: GET tells its stock, POST writes it, DELETE removes the book."""

    def __init__(self, stock: int) -> None:
        self.stock: int | None = stock

    async def answer(self, request: web.BaseRequest) -> web.Response:
        if request.method == "GET":
            status = 404 if self.stock is None else 200
            return web.json_response({"stock": self.stock}, status=status)
        self.stock = None if request.method == "DELETE" else (await request.json())["stock"]
        return web.Response(status=204)


async def purchase(session: ClientSession, url: str) -> str:
    """Purchase a copy; return ``sold`` or the reason why not."""
    async with session.get(url + BOOK) as answer:
        if not answer.ok:
            return "book_not_found"
        stock = (await answer.json())["stock"]
    if stock < 1:
        return "out_of_stock"
    # This is the mistake: what was true when it was read need not be true any more.
    async with session.post(url + STOCK, json={"stock": stock - 1}) as answer:
        return "sold" if answer.ok else "refused"


@contextlib.asynccontextmanager
async def open_catalog(stock: int) -> AsyncIterator[str]:
    """Serve a naive catalog with one book on a free port; its URL is what comes."""
    runner = web.ServerRunner(
        web.Server(_Catalog(stock).answer, access_log=None),
        handle_signals=False,
        shutdown_timeout=0.1,
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
