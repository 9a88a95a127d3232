"""A full server: refused at once, health answered, all well again when there is room."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import re
from typing import TYPE_CHECKING

import pytest

from servers.web import room
from servers.web.limits import UNREAD_S
from tests.support.services import make_app, wait_until
from tests.web.conftest import line_to, served

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from servers.web.app import App
    from tests.support.services import Web
    from tests.web.conftest import Echo, Line, Log

SHOW = b"GET /show HTTP/1.1\r\nHost: shop\r\n\r\n"
LAST = b"GET /show HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n"
LIVEZ = b"GET /livez HTTP/1.1\r\nHost: shop\r\n\r\n"
WAIT = b"GET /wait HTTP/1.1\r\nHost: shop\r\n\r\n"
POST = b"POST /body HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\n"
POST += b'Content-Length: 11\r\n\r\n{"count":2}'


@contextlib.asynccontextmanager
async def busy(web: Web, requests: int) -> AsyncIterator[list[Line]]:
    """Have so many requests under way while the block runs."""
    async with contextlib.AsyncExitStack() as stack:
        lines = [await stack.enter_async_context(line_to(web)) for _ in range(requests)]
        for line in lines:
            line.send(WAIT)
        yield lines


@pytest.fixture
async def app(echo: Echo) -> App:
    """An application that takes two requests at a time."""
    return make_app(echo.routes(), max_in_flight=2)


async def test_what_is_refused_when_full(app: App, echo: Echo) -> None:
    """Whatever the request is like it is refused, in order, and the connection can go on."""
    async with served(app) as (web, _), busy(web, 2) as under_way, line_to(web) as line:
        await wait_until(lambda: app.in_flight == 2, "the server is full")
        line.send(SHOW + POST + SHOW + LIVEZ + SHOW)
        for status in (503, 503, 503, 200, 503):
            said = await line.answer()
            assert said.status == status
            if status == 503:
                assert said.code == "overloaded"
                assert said.headers["Retry-After"] == "1"
                assert said.headers["X-Request-Id"].startswith("made-")
        assert echo.handled == 1, "the health route alone was worked on"
        echo.release.set()
        for each in under_way:
            assert (await each.answer()).status == 200
        line.send(SHOW)
        assert (await line.answer()).status == 200


@pytest.mark.parametrize(
    "head",
    [
        b"GET /show HTTP/1.0\r\n",
        b"GET /show HTTP/1.1\r\nHost: s\r\nConnection: close\r\n",
        b"HEAD /show HTTP/1.1\r\nHost: s\r\nConnection: close\r\n",
        b"GET /show?limit=1&x HTTP/1.1\r\nHost: s\r\nX-Request-Id: mine\r\nConnection: close\r\n",
    ],
)
async def test_a_refused_client_that_wants_no_more(app: App, head: bytes) -> None:
    """Who asks for the end of the connection gets its refusal and the end."""
    async with served(app) as (web, _), busy(web, 2), line_to(web) as line:
        await wait_until(lambda: app.in_flight == 2, "the server is full")
        line.send(head + b"\r\n")
        said = await line.closed()
    first, _, body = said.partition(b"\r\n\r\n")
    assert first.split(b" ", 2)[1] == b"503"
    assert b"Connection: close" in first
    assert (b"overloaded" in body) == (not head.startswith(b"HEAD"))
    assert (b"X-Request-Id: mine" in first) == (b"mine" in head)


async def test_a_refused_client_that_still_sends(app: App) -> None:
    """What it sends behind its last request breaks the connection no sooner than it is told."""
    async with served(app) as (web, server), busy(web, 2), line_to(web) as line:
        await wait_until(lambda: app.in_flight == 2, "the server is full")
        line.send(LAST + SHOW * 3)
        said = await line.answer()
        assert (said.status, said.headers["Connection"]) == (503, "close")
        assert len(server.connections) == 2
        assert app.waiting == 0
        await line.sends_on()


@pytest.mark.parametrize(("most", "status"), [(2, 503), (100, 200)])
async def test_when_too_many_are_going(
    echo: Echo, monkeypatch: pytest.MonkeyPatch, most: int, status: int
) -> None:
    """Whoever asks for the end gets answer and end also where nobody's hanging up is awaited."""
    monkeypatch.setattr(room, "MAX_GOING", 1)
    app = make_app(echo.routes(), max_in_flight=most)
    async with served(app) as (web, _), busy(web, 2), contextlib.AsyncExitStack() as stack:
        await wait_until(lambda: app.in_flight == 2, "the others are under way")
        lines = [await stack.enter_async_context(line_to(web)) for _ in range(8)]
        for line in lines:
            line.send(LAST)
        for line in lines:
            said = await line.answer()
            assert (said.status, said.headers["Connection"]) == (status, "close")
            assert await line.reader.read() == b""


@pytest.mark.parametrize(("length", "status"), [(0, 503), (2**64 - 1, 413)])
async def test_a_body_is_not_overlooked(app: App, length: int, status: int) -> None:
    """A length that the parser takes for none is refused for what it is, and nothing follows."""
    asks = b"GET /show HTTP/1.1\r\nHost: shop\r\nContent-Length: %d\r\n\r\n" % length
    async with served(app) as (web, _), busy(web, 2), line_to(web) as line:
        await wait_until(lambda: app.in_flight == 2, "the server is full")
        line.send(asks + LIVEZ)
        assert (await line.answer()).status == status
        if length:
            assert await line.closed() == b""
        else:
            assert (await line.answer()).status == 200


async def test_what_is_not_http_on_a_full_server(app: App) -> None:
    """The parser refuses what it always refuses, behind the refusals of what came before it."""
    async with served(app) as (web, _), busy(web, 2), line_to(web) as line:
        await wait_until(lambda: app.in_flight == 2, "the server is full")
        line.send(SHOW + b"nonsense\r\n\r\n" + SHOW)
        said = await line.closed()
    assert re.findall(rb"HTTP/1\.1 ([0-9]{3}) ", said) == [b"503", b"400"]
    assert b'"code":"invalid_request"' in said
    assert said.endswith(b"}")


async def test_many_at_once_to_a_full_server(app: App) -> None:
    """However many requests a client sends ahead, each is refused, and none is left unread."""
    async with served(app) as (web, _), busy(web, 2), line_to(web) as line:
        await wait_until(lambda: app.in_flight == 2, "the server is full")
        line.send(SHOW * 200)
        for _ in range(200):
            assert (await line.answer()).status == 503
        line.send(SHOW)
        assert (await line.answer()).status == 503


async def test_who_asks_again_at_once(app: App) -> None:
    """The first refusal comes at once; what is sent right behind it is read a moment later."""
    loop = asyncio.get_running_loop()
    async with served(app) as (web, _), busy(web, 2), line_to(web) as line:
        await wait_until(lambda: app.in_flight == 2, "the server is full")
        refused_s: list[float] = []
        for _ in range(3):
            line.send(SHOW)
            assert (await line.answer()).status == 503
            refused_s.append(loop.time())
        assert refused_s[2] - refused_s[0] >= UNREAD_S
        # Nobody else waits for that.
        line.send(SHOW)
        async with line_to(web) as other:
            other.send(LIVEZ)
            assert (await other.answer()).status == 200


async def test_a_refused_client_that_leaves(app: App) -> None:
    """A connection that nobody reads for a moment may end meanwhile, on either side."""
    async with served(app) as (web, _), busy(web, 2):
        await wait_until(lambda: app.in_flight == 2, "the server is full")
        for _ in range(3):
            async with line_to(web) as line:
                line.send(SHOW)
                assert (await line.answer()).status == 503
        async with line_to(web) as line:
            line.send(SHOW)
            await line.answer()
            line.send(SHOW + LAST)
            assert (await line.closed()).count(b"HTTP/1.1 503") == 2


async def test_a_refusal_is_logged_and_counted(web: Web, log: Log, echo: Echo) -> None:
    """Each refusal leaves its line, which says that nothing was begun."""
    async with busy(web, 2), line_to(web) as line:
        line.send(SHOW)
        while (await line.answer()).status == 200:
            line.send(SHOW)
        await wait_until(log.lines, "the line is written")
        refused = [each for each in log.lines() if each.get("shed")]
        assert refused[0]["request"] == "GET /show"
        assert refused[0]["status"] == 503
        echo.release.set()


async def test_clients_that_leave_take_their_requests_with_them(app: App, echo: Echo) -> None:
    """What a client had sent ahead and nobody began counts no more when it is gone."""
    async with served(app) as (web, server):
        for _ in range(3):
            async with line_to(web) as line:
                line.send(WAIT * 10)
                await wait_until(lambda: app.waiting == 9, "they wait behind the first")
                line.reset()
            await wait_until(lambda: app.waiting == 0, "they wait no more")
            echo.release.set()
            await wait_until(lambda: app.in_flight == 0, "the first one ends")
            echo.release.clear()
        await wait_until(lambda: not server.connections, "all have left")
        assert (await web.ask("GET", "/show")).status == 200


@pytest.mark.parametrize(("late", "status"), [("/show", 503), ("/livez", 200)])
async def test_a_request_that_could_not_be_begun(echo: Echo, late: str, status: int) -> None:
    """What waited for too long is refused before it is worked on, but for health."""
    hours = itertools.count(step=3600.0)
    app = make_app(echo.routes(), timer=lambda: next(hours))
    async with served(app) as (web, _):
        said = await web.ask("GET", late)
    assert said.status == status
    if status == 503:
        assert said.code == "overloaded"
        assert echo.handled == 0


async def test_the_time_of_a_request_runs_while_it_waits(echo: Echo) -> None:
    """What its caller leaves it counts from when it had arrived."""
    now_s = itertools.count(step=0.4)
    app = make_app(echo.routes(), timer=lambda: next(now_s), budget_s=10.0)
    async with served(app) as (web, _):
        said = await web.ask("GET", "/show", headers={"X-Deadline-Ms": "1000"})
        assert said.json["left_s"] <= 0.6
        assert (await web.ask("GET", "/show", headers={"X-Deadline-Ms": "300"})).status == 503


async def test_more_connections_than_there_is_room(
    echo: Echo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond the most there is health alone, beyond that an answer at once; then room again."""
    monkeypatch.setattr(room, "SPARE_CONNECTIONS", 1)
    async with (
        served(make_app(echo.routes()), max_connections=2) as (web, server),
        contextlib.AsyncExitStack() as stack,
    ):
        lines = []
        for number in range(3):
            lines.append(await stack.enter_async_context(line_to(web)))
            await wait_until(lambda: len(server.connections) == len(lines), "it is taken")
            if number < 2:
                lines[number].send(SHOW)
                assert (await lines[number].answer()).status == 200
        lines[2].send(LIVEZ)
        said = await lines[2].answer()
        assert (said.status, said.headers["Connection"]) == (200, "close")
        assert await lines[2].closed() == b""
        await wait_until(lambda: len(server.connections) == 2, "it has left")
        spare = await stack.enter_async_context(line_to(web))
        await wait_until(lambda: len(server.connections) == 3, "another has come")
        for _ in range(3):
            async with line_to(web) as away:
                said = await away.answer()
                assert (said.status, said.code) == (503, "overloaded")
                assert said.headers["Retry-After"] == "1"
                assert await away.closed() == b""
        spare.send(POST)
        assert (await spare.answer()).code == "overloaded"
        assert await spare.closed() == b""
        lines[0].writer.close()
        await wait_until(lambda: len(server.connections) == 1, "there is room again")
        async with line_to(web) as line:
            line.send(SHOW)
            assert (await line.answer()).status == 200
        assert server.room.turned_away == 3


async def test_a_crowd_is_just_closed(echo: Echo, monkeypatch: pytest.MonkeyPatch) -> None:
    """When too many are being told that there is no room, the rest is closed without a word."""
    monkeypatch.setattr(room, "SPARE_CONNECTIONS", 0)
    monkeypatch.setattr(room, "MAX_GOING", 2)
    async with (
        served(make_app(echo.routes()), max_connections=1) as (web, server),
        contextlib.AsyncExitStack() as stack,
    ):
        lines = [await stack.enter_async_context(line_to(web)) for _ in range(6)]
        await wait_until(lambda: server.room.turned_away == 5, "they are turned away")
        told = await asyncio.gather(*[line.closed() for line in lines[1:]])
        assert sum(b"overloaded" in each for each in told) == 2
        lines[0].send(SHOW)
        assert (await lines[0].answer()).status == 200
