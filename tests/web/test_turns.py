"""How much is begun in one turn of the event loop."""

from __future__ import annotations

import asyncio
import gc
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING

from servers.web import serving
from servers.web.limits import BEGUN_A_TURN, DRAIN_S
from servers.web.serving import ShopServer
from servers.web.turns import Turns
from tests.support.services import PATIENCE_S, make_app, wait_until
from tests.web.conftest import line_to, served

if TYPE_CHECKING:
    import pytest

    from tests.support.shop import Reply
    from tests.web.conftest import Echo, Line

SHOW = b"GET /show HTTP/1.1\r\nHost: shop\r\n\r\n"


async def test_the_first_ones_begin_at_once() -> None:
    """As many as fit into a turn do not wait for the next."""
    begun: list[int] = []
    turns = Turns()
    for number in range(BEGUN_A_TURN):
        turns.begin(partial(begun.append, number))
    assert begun == [*range(BEGUN_A_TURN)]


async def test_so_many_in_a_turn_and_in_order() -> None:
    """The others begin in the next turns, none before one that came earlier."""
    begun: list[int] = []
    turns, many = Turns(), 5 * BEGUN_A_TURN + 1
    for number in range(many):
        turns.begin(partial(begun.append, number))
    for turn in range(2, 7):
        before = len(begun)
        # It comes later than all that wait.
        turns.begin(partial(begun.append, many + turn))
        assert len(begun) == before
        await asyncio.sleep(0)
        assert len(begun) - before <= BEGUN_A_TURN
    for _ in range(5):
        await asyncio.sleep(0)
    assert len(begun) == many + 5
    assert begun == sorted(begun)


async def test_room_again_in_the_next_turn() -> None:
    """A turn in which little was begun leaves nothing behind."""
    begun: list[int] = []
    turns = Turns()
    for _ in range(3):
        for number in range(BEGUN_A_TURN):
            turns.begin(partial(begun.append, number))
        await asyncio.sleep(0)
    assert len(begun) == 3 * BEGUN_A_TURN


async def test_a_client_that_is_gone_before_its_turn(
    echo: Echo, caplog: pytest.LogCaptureFixture
) -> None:
    """It is not begun, and nothing of it is left; the others are answered."""
    app = make_app(echo.routes())
    async with served(app) as (web, server), AsyncExitStack() as stack:
        lines = [await stack.enter_async_context(line_to(web)) for _ in range(2 * BEGUN_A_TURN)]
        for line in lines:
            assert (await ask(line)).status == 200
        connections = server.connections
        for connection in connections:
            connection.data_received(SHOW)
        for connection in connections[BEGUN_A_TURN:]:
            # As the transport does when it has read that the other side has closed.
            assert connection.transport is not None
            connection.transport.close()
        await wait_until(lambda: len(server.connections) == BEGUN_A_TURN, "they are gone")
        for line in lines:
            line.send(SHOW)
        assert echo.handled <= 4 * BEGUN_A_TURN
        await wait_until(lambda: not app.in_flight, "all is done")
    assert app.waiting == 0
    gc.collect()
    assert caplog.records == []


async def test_a_stop_waits_for_those_whose_turn_is_to_come(echo: Echo) -> None:
    """What has arrived when a server stops, and is not begun yet, is not left behind."""
    app = make_app(echo.routes())
    app.waiting = 1
    stopping = asyncio.ensure_future(serving._drain(app, ShopServer(app), PATIENCE_S))
    await asyncio.sleep(2 * DRAIN_S)
    assert not stopping.done()
    app.waiting = 0
    await stopping


async def ask(line: Line) -> Reply:
    """Ask once and return the answer."""
    line.send(SHOW)
    return await line.answer()


async def test_more_clients_than_a_turn_begins(echo: Echo) -> None:
    """Whoever asks at the same moment as many others is answered all the same."""
    app = make_app(echo.routes())
    async with served(app) as (web, _), AsyncExitStack() as stack:
        lines = [await stack.enter_async_context(line_to(web)) for _ in range(3 * BEGUN_A_TURN)]
        for line in lines:
            line.send(SHOW + SHOW)
        for line in lines:
            for _ in range(2):
                assert (await line.answer()).status == 200
    assert echo.handled == 6 * BEGUN_A_TURN
    assert app.waiting == 0
