"""A command line in the simulation: asks and asks again exactly as ``bookstore_cli`` does.

The command's own client blocks a thread, so its loop stands here once more, with the
simulation's clock and connections; the requests, and what each failure means, are its own.
"""

from __future__ import annotations

import asyncio
from copy import copy
from functools import cache
from typing import TYPE_CHECKING

from bookstore_cli import attempts, wire
from bookstore_cli import client as cli
from bookstore_cli.connection import Answer, _value
from bookstore_cli.deadline import Deadline
from servers.domain.errors import Missing, ShopError
from servers.web.connection import Connection
from tests.simulation.history import Attempt
from tests.support.services import ADMIN_TOKEN

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

    from bookstore_cli.wire import Request
    from servers.web.connection import HopAnswer
    from tests.simulation.loop import SimulatedLoop

TIMEOUT_S = 10.0


@cache
def _client(frontend: str) -> cli.Client:
    """Return a client of a frontend, to be copied: it asks nothing, it knows what answers mean."""
    return cli.Client(f"http://{frontend}:80", timeout_s=TIMEOUT_S)


class Terminal:
    """Runs commands of one person against one frontend, and keeps the history of them."""

    def __init__(
        self,
        loop: SimulatedLoop,
        random: Random,
        who: str,
        frontend: str,
        history: list[Attempt],
        *,
        staff: bool = False,
    ) -> None:
        self.who = who
        self.frontend = frontend
        self._loop = loop
        self._random = random
        self._history = history
        self._token = ADMIN_TOKEN if staff else None
        self._connection: Connection | None = None
        self._count = 0
        self._client = copy(_client(frontend))

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _begin(self) -> None:
        """Start a command: it has the whole time."""
        self._client.deadline = Deadline(TIMEOUT_S, self._loop.time)

    async def run(self, request: Request, kind: str, **about: object) -> Answer:
        """Run a command of one request. Raises `ShopError` as the command ends with it."""
        self._begin()
        return await self._call(request, kind, about)

    async def purchase(self, book_id: int, wishes: dict[str, object], key: str) -> Answer:
        """Buy, and wait until the order is decided. Raises `ShopError` likewise."""
        self._begin()
        request = wire.purchase(book_id, wishes, key)
        about: dict[str, object] = {"book_id": book_id, "wishes": wishes, "key": key}
        answer = await self._call(request, "purchase", about)
        while answer.pending:
            await self._wait_while_pending(answer, request)
            answer = await self._call(request, "purchase", about, doubtful=True)
        return answer

    async def cancel(self, order_id: str) -> Answer:
        """Give an order back, and wait until that is done. Raises `ShopError` likewise."""
        self._begin()
        request = wire.cancel(order_id)
        about: dict[str, object] = {"order_id": order_id}
        answer = await self._call(request, "cancel", about)
        for delay_s in self._delays():
            if not answer.pending:
                break
            await self._pause(request, max(delay_s, answer.retry_after_s))
            answer = await self._call(request, "cancel", about, doubtful=True)
        return answer

    async def _call(
        self, request: Request, kind: str, about: dict[str, object], *, doubtful: bool = False
    ) -> Answer:
        client = self._client
        begun_s = self._loop.time()
        for delay_s in self._delays():
            outcome = await self._attempt(request, kind, about)
            if not isinstance(outcome, attempts.Failure):
                return outcome
            doubtful = doubtful or outcome.doubtful
            wait_s = max(delay_s, outcome.after_s)
            away_s = self._loop.time() - begun_s
            vain = outcome.nobody and not doubtful and away_s + wait_s > cli.NOBODY_THERE_S
            if vain or not outcome.again or wait_s >= client.deadline.remaining_s:
                raise client._last_word(request, outcome, doubtful)
            await asyncio.sleep(wait_s)
        raise AssertionError  # The delays never end.

    async def _attempt(
        self, request: Request, kind: str, about: dict[str, object]
    ) -> Answer | attempts.Failure:
        client = self._client
        began_s = self._loop.time()
        said, sent = None, False
        try:
            connection = self._connection
            if connection is None or not connection.free:
                connection = await self._connected(max(client.deadline.remaining_s, 0.001))
            sent = True
            remaining_s = max(client.deadline.remaining_s, 0.001)
            allowed_s = remaining_s - min(cli.ANSWER_TRAVELS_S, remaining_s / 2)
            said = await connection.ask(self._encoded(request, allowed_s), remaining_s)
        except asyncio.CancelledError:
            self._keep(kind, about, began_s, None, sent=sent)
            raise
        except OSError as error:
            self.close()
            why = client._unreachable(type(error).__name__)
            outcome: Answer | attempts.Failure = (
                attempts.Failure(why, again=request.repeatable, doubtful=request.changes)
                if sent
                else attempts.Failure(why, again=True, nobody=True)
            )
        else:
            outcome = self._understood(request, said)
            if not connection.free:
                self.close()
        self._keep(kind, about, began_s, said, sent=sent)
        return outcome

    def _understood(self, request: Request, said: HopAnswer) -> Answer | attempts.Failure:
        value = _value(said.status, said.headers, said.body)
        answer = Answer(said.status, said.headers, said.body, value)
        kind = None if value is None else type(value)
        if answer.good and kind is request.expects:
            return answer
        return self._client._refusal(request, answer)

    def _keep(
        self,
        kind: str,
        about: dict[str, object],
        began_s: float,
        said: HopAnswer | None,
        *,
        sent: bool,
    ) -> None:
        self._history.append(
            Attempt(
                who=self.who,
                kind=kind,
                frontend=self.frontend,
                began_s=began_s,
                ended_s=self._loop.time(),
                sent=sent,
                status=said.status if said is not None else 0,
                headers=said.headers if said is not None else {},
                body=said.body if said is not None else b"",
                **about,  # type: ignore[arg-type]  # what a request is about, by its names
            )
        )

    async def _connected(self, within_s: float) -> Connection:
        async with asyncio.timeout(within_s):
            made = await self._loop.create_connection(Connection, self.frontend, 80)
        connection: Connection = made[1]
        self._connection = connection
        return connection

    def _encoded(self, request: Request, allowed_s: float) -> bytes:
        self._count += 1
        headers = {
            "Host": self.frontend,
            "Accept": "application/json",
            "X-Request-Id": f"{self.who}-{self._count}",
            "X-Deadline-Ms": str(max(1, int(allowed_s * 1000))),
            **request.headers,
        }
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token}"
        body = request.body or b""
        if request.method not in {"GET", "DELETE"}:
            headers["Content-Length"] = str(len(body))
        lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
        return f"{request.method} {request.path} HTTP/1.1\r\n{lines}\r\n".encode() + body

    async def _wait_while_pending(self, answer: Answer, request: Request) -> None:
        order_id = str(answer.value.get("id"))
        for delay_s in self._delays():
            await self._pause(
                request, max(delay_s, min(answer.retry_after_s, attempts.LONGEST_DELAY_S))
            )
            looked = wire.look_up(f"/orders/{order_id}")
            try:
                order = (await self._call(looked, "order", {"order_id": order_id})).value
            except Missing:
                return
            except ShopError as error:
                raise cli._unknown(request, error.detail, order_id=order_id) from error
            if order.get("state") != "pending":
                return

    async def _pause(self, request: Request, wait_s: float) -> None:
        if wait_s >= self._client.deadline.remaining_s:
            raise cli._unknown(request, "The shop has not decided it in time.")
        await asyncio.sleep(wait_s)

    def _delays(self) -> Iterator[float]:
        delay_s = attempts.FIRST_DELAY_S
        while True:
            yield delay_s * self._random.uniform(0.5, 1.0)
            delay_s = min(delay_s * 2, attempts.LONGEST_DELAY_S)
