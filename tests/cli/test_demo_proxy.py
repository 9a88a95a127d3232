"""The proxy that holds requests: what passes, what waits, and what arrives in the end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from bookstore_cli.demo.proxy import HoldingProxy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Target:
    """A server that tells what it got, and remembers the paths in the order they came."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.runner = web.ServerRunner(web.Server(self.answer, access_log=None))

    async def answer(self, request: web.BaseRequest) -> web.Response:
        """Answer with the request itself."""
        self.paths.append(request.raw_path)
        seen = [request.method, request.raw_path, request.headers.get("X-Ours"), request.host]
        body = (await request.read()).decode()
        return web.json_response([*seen, body], status=418, headers={"ETag": '"7"'})

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.runner.addresses[0][1]}"


@pytest.fixture
async def target() -> AsyncIterator[Target]:
    """A server to stand before."""
    server = Target()
    await server.runner.setup()
    await web.TCPSite(server.runner, "127.0.0.1", 0).start()
    yield server
    await server.runner.cleanup()


@pytest.fixture
async def proxy(target: Target) -> AsyncIterator[HoldingProxy]:
    """A proxy before it."""
    async with HoldingProxy(target.url) as opened:
        yield opened


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    """Somebody who asks."""
    async with aiohttp.ClientSession() as opened:
        yield opened


async def test_a_request_and_its_answer_pass_unchanged(
    target: Target, proxy: HoldingProxy, session: aiohttp.ClientSession
) -> None:
    """Method, escaped path, headers, body, status and headers of the answer are the same."""
    url = URL(proxy.url + "/a%2Fb?q=%20", encoded=True)
    async with session.post(url, data=b"hello", headers={"X-Ours": "1"}) as answer:
        assert answer.status == 418
        assert answer.headers["ETag"] == '"7"'
        host = target.url.removeprefix("http://")
        assert await answer.json() == ["POST", "/a%2Fb?q=%20", "1", host, "hello"]


async def test_what_is_held_arrives_when_it_is_released(
    target: Target, proxy: HoldingProxy, session: aiohttp.ClientSession
) -> None:
    """The path and what lies under it wait; everything else passes meanwhile."""
    proxy.hold("/sales")
    held = [
        asyncio.ensure_future(session.post(proxy.url + path)) for path in ("/sales", "/sales/1")
    ]
    await proxy.held(2)
    assert proxy.holding == 2
    for path in ("/sales-of-today", "/books"):
        assert (await session.post(proxy.url + path)).status == 418
    assert target.paths == ["/sales-of-today", "/books"]
    proxy.release()
    assert [answer.status for answer in await asyncio.gather(*held)] == [418, 418]
    assert set(target.paths[2:]) == {"/sales", "/sales/1"}
    assert (await session.post(proxy.url + "/sales")).status == 418
    assert proxy.holding == 0


async def test_some_are_released_and_the_others_wait_on(
    target: Target, proxy: HoldingProxy, session: aiohttp.ClientSession
) -> None:
    """A release with a count lets those go that came first."""
    proxy.hold("/")
    first = asyncio.ensure_future(session.get(proxy.url + "/first"))
    await proxy.held()
    second = asyncio.ensure_future(session.get(proxy.url + "/second"))
    await proxy.held(2)
    proxy.release(1)
    assert (await first).status == 418
    assert target.paths == ["/first"]
    assert proxy.holding == 1
    assert not second.done()
    proxy.release()
    assert (await second).status == 418


async def test_waiting_for_what_never_comes_ends(proxy: HoldingProxy) -> None:
    """Whoever waits for a held request does so for a limited time."""
    proxy.hold("/sales")
    with pytest.raises(TimeoutError):
        await proxy.held(within_s=0.01)


async def test_a_target_that_is_gone_looks_like_a_broken_connection(
    target: Target, proxy: HoldingProxy, session: aiohttp.ClientSession
) -> None:
    """No answer is made up where there is none."""
    await target.runner.cleanup()
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await session.post(proxy.url + "/sales")


async def test_what_is_held_when_the_proxy_closes_never_arrives(
    target: Target, session: aiohttp.ClientSession
) -> None:
    """Closing breaks the connections of those who wait."""
    async with HoldingProxy(target.url) as proxy:
        proxy.hold("/sales")
        asking = asyncio.ensure_future(session.post(proxy.url + "/sales"))
        await proxy.held()
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await asking
    assert target.paths == []
