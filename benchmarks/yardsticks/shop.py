"""The yardsticks *naive* and *one by one*: a shop of three servers as it is often built.

    python -m benchmarks.yardsticks.shop catalog|order|frontend naive|versioned FOLDER [PORT]

Honest and ordinary: aiohttp's application and client, sqlite3 with its rollback journal, a
commit for each change. *naive* reads the stock and writes what it computed; so it oversells.
*versioned* sends the version that it read with each decrement, and reads again where that
was refused; so it is right, and slow on a book that many want.
"""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp import ClientSession, web

from benchmarks.yardsticks.running import run, serve

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_CATALOG = """
CREATE TABLE IF NOT EXISTS books (
    id INTEGER PRIMARY KEY, title TEXT NOT NULL, stock INTEGER NOT NULL, version INTEGER NOT NULL
)
"""
_ORDERS = "CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, book_id INTEGER NOT NULL)"
_DATABASE = web.AppKey("database", sqlite3.Connection)
_CLIENT = web.AppKey("client", ClientSession)


def catalog(folder: Path) -> web.Application:
    """Return the server of books: read one, set the stock of one."""

    async def read(request: web.Request) -> web.Response:
        sql = "SELECT id, title, stock, version FROM books WHERE id = ?"
        row = request.app[_DATABASE].execute(sql, (request.match_info["id"],)).fetchone()
        if row is None:
            raise web.HTTPNotFound
        return web.json_response(dict(zip(("id", "title", "stock", "version"), row, strict=True)))

    async def write(request: web.Request) -> web.Response:
        book, database = await request.json(), request.app[_DATABASE]
        sql, values = (
            "UPDATE books SET stock = ?, version = version + 1 WHERE id = ?",
            [
                book["stock"],
                request.match_info["id"],
            ],
        )
        if "version" in book:
            sql, values = f"{sql} AND version = ?", [*values, book["version"]]
        with database:
            changed = database.execute(sql, values).rowcount
        return web.json_response({}, status=200 if changed else 412)

    async def add(request: web.Request) -> web.Response:
        book, database = await request.json(), request.app[_DATABASE]
        with database:
            sql = "INSERT INTO books (title, stock, version) VALUES (?, ?, 1)"
            added = database.execute(sql, (book["title"], book["stock"]))
        return web.json_response({"id": added.lastrowid}, status=201)

    app = _with_database(folder / "catalog.db", _CATALOG)
    app.router.add_get("/books/{id}", read)
    app.router.add_put("/books/{id}", write)
    app.router.add_post("/books", add)
    return app


def order(folder: Path, catalog_port: int, *, versioned: bool) -> web.Application:
    """Return the server of orders: read the book, write its stock, keep the order."""

    async def purchase(request: web.Request) -> web.Response:
        url = f"http://127.0.0.1:{catalog_port}/books/{request.match_info['id']}"
        client, database = request.app[_CLIENT], request.app[_DATABASE]
        while True:
            async with client.get(url) as answer:
                book = await answer.json()
            if book["stock"] < 1:
                return web.json_response({"sold": False}, status=409)
            change = {"stock": book["stock"] - 1}
            if versioned:
                change["version"] = book["version"]
            async with client.put(url, json=change) as answer:
                if answer.status == web.HTTPOk.status_code:
                    break
        with database:
            sql = "INSERT INTO orders (book_id) VALUES (?)"
            made = database.execute(sql, (book["id"],))
        return web.json_response({"id": made.lastrowid, "book_id": book["id"]}, status=201)

    app = _with_database(folder / "orders.db", _ORDERS)
    app.cleanup_ctx.append(_client)
    app.router.add_post("/purchase/{id}", purchase)
    return app


def frontend(order_port: int) -> web.Application:
    """Return the server that passes purchases on."""

    async def purchase(request: web.Request) -> web.Response:
        url = f"http://127.0.0.1:{order_port}/purchase/{request.match_info['id']}"
        async with request.app[_CLIENT].post(url) as answer:
            return web.json_response(await answer.json(), status=answer.status)

    app = web.Application()
    app.cleanup_ctx.append(_client)
    app.router.add_post("/purchase/{id}", purchase)
    return app


def _with_database(path: Path, table: str) -> web.Application:
    app = web.Application()
    app[_DATABASE] = sqlite3.connect(path)
    app[_DATABASE].execute(table)
    return app


async def _client(app: web.Application) -> AsyncIterator[None]:
    async with ClientSession() as app[_CLIENT]:
        yield


def main(name: str, kind: str, folder: str, port: str = "0") -> None:
    """Run one of the three servers."""
    if name == "catalog":
        app = catalog(Path(folder))
    elif name == "order":
        app = order(Path(folder), int(port), versioned=kind == "versioned")
    else:
        app = frontend(int(port))
    run(serve(app))


if __name__ == "__main__":
    main(*sys.argv[1:])
