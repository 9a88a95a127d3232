"""How much is begun in one turn of the event loop."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING

from servers.web.limits import BEGUN_A_TURN
from servers.web.turns import Turns
from tests.support.services import make_app
from tests.web.conftest import line_to, served

if TYPE_CHECKING:
    from tests.web.conftest import Echo

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
