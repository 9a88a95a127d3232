"""A bad network between two servers: a TCP proxy that delays, swallows, resets and repeats.

It knows nothing of HTTP but where a request ends its sending: what one side has written at
once goes through as one piece, is held up, is lost, or goes out twice.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from random import Random
    from types import TracebackType

_PIECE_BYTES = 1 << 20


@dataclass(frozen=True)
class Weather:
    """How bad the network is: chances from 0 to 1 for each piece, delays in seconds.

    ``no_way_there`` and ``no_way_back`` swallow everything in that direction.
    """

    delay_s: tuple[float, float] = (0.0, 0.0)
    reset_before: float = 0.0
    reset_after: float = 0.0
    repeated: float = 0.0
    late_s: float = 0.0
    no_way_there: bool = False
    no_way_back: bool = False


CALM = Weather()


class Wire:
    """Stands before one server; ``weather`` may change at any moment."""

    def __init__(self, target_url: str, random: Random) -> None:
        target = urlsplit(target_url)
        self.weather = CALM
        self.url = ""
        self.harmed = 0
        """How many pieces were not simply passed on."""
        self._host, self._port = target.hostname or "", target.port or 0
        self._random = random
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _where: TracebackType | None,
    ) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        with contextlib.closing(writer), contextlib.suppress(OSError, asyncio.CancelledError):
            there, back = await asyncio.open_connection(self._host, self._port)
            with contextlib.closing(back):
                answers = asyncio.create_task(self._answers(there, writer))
                try:
                    await self._requests(reader, back, writer)
                finally:
                    answers.cancel()
        self._tasks.discard(task)

    async def _requests(
        self,
        reader: asyncio.StreamReader,
        target: asyncio.StreamWriter,
        writer: asyncio.StreamWriter,
    ) -> None:
        while piece := await reader.read(_PIECE_BYTES):
            weather = self.weather
            await self._wait(weather)
            if weather.no_way_there:
                self.harmed += 1
                continue
            if self._random.random() < weather.reset_before:
                self.harmed += 1
                writer.transport.abort()
                return
            target.write(piece)
            await target.drain()
            if self._random.random() < weather.repeated:
                self.harmed += 1
                self._again(piece, weather.late_s)
            if self._random.random() < weather.reset_after:
                self.harmed += 1
                writer.transport.abort()
                return

    async def _answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while piece := await reader.read(_PIECE_BYTES):
                weather = self.weather
                await self._wait(weather)
                if weather.no_way_back:
                    self.harmed += 1
                    continue
                writer.write(piece)
                await writer.drain()
        writer.close()

    async def _wait(self, weather: Weather) -> None:
        if weather.delay_s[1]:
            await asyncio.sleep(self._random.uniform(*weather.delay_s))

    def _again(self, piece: bytes, late_s: float) -> None:
        """Send a piece once more, later, on a connection of its own; nobody hears the answer."""

        async def send() -> None:
            await asyncio.sleep(self._random.uniform(0, late_s))
            with contextlib.suppress(OSError):
                reader, writer = await asyncio.open_connection(self._host, self._port)
                with contextlib.closing(writer):
                    writer.write(piece)
                    await writer.drain()
                    await reader.read(_PIECE_BYTES)

        task = asyncio.create_task(send())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
