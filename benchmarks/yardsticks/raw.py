"""The yardstick *raw*: a protocol that answers fixed bytes without looking at the request.

It is as fast as a Python server on this event loop can be, so a load generator that gets
much more from it than from *bare* is not what holds *bare* back.
"""

from __future__ import annotations

import asyncio
from typing import cast

from benchmarks.yardsticks.running import run, until_stdin_ends

_BODY = b'{"id":4}'
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (
    len(_BODY),
    _BODY,
)


class _Responder(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by type

    def data_received(self, data: bytes) -> None:
        # Keep-alive clients that wait for each answer send one head at a time.
        if data.endswith(b"\r\n\r\n"):
            self._transport.write(_ANSWER)


async def main() -> None:
    """Serve on a free port until standard input ends."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Responder, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await until_stdin_ends()
    server.close()


if __name__ == "__main__":
    run(main())
