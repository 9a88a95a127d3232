"""A shop of fake servers, for the tests of the supervisor.

``python -m tests.servers.fake_shop up OPTIONS`` is the supervisor with the options (a JSON
object) as its settings; its children are ``… serve NAME``. A fake answers each connection with
its name and pid, and writes what happens to it into ``journal`` in the shop's folder. It
misbehaves as files in that folder tell it: ``NAME.dies`` ends before it is ready,
``NAME.refuses`` so does, with the exit code of a refusal, ``NAME.waits`` with that of a database
that is in use, ``NAME.mute`` never says that it is, ``NAME.deaf`` ignores SIGTERM.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
import threading
from typing import NoReturn

from servers import settings, supervisor

_ENDS = (("dies", 3), ("refuses", 8), ("waits", 9))


def main() -> int:
    """Be what the command line says."""
    role, argument = sys.argv[1:]
    if role == "serve":
        serve(argument)
    return asyncio.run(
        supervisor.run(
            settings.load(json.loads(argument), os.environ),
            lambda line: print(line, flush=True),  # noqa: T201 - its output is what is tested
            command=lambda name: [sys.executable, "-m", __spec__.name, "serve", name],
        )
    )


def serve(name: str) -> NoReturn:
    """Be one fake server."""
    mine = settings.load({}, os.environ)
    assert mine.listen_fd is not None
    assert mine.ready_fd is not None
    journal = os.open(mine.data / "journal", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def note(event: str) -> None:
        os.write(journal, f"{name} {event}\n".encode())

    def stop(*_: object) -> None:
        if (mine.data / f"{name}.deaf").exists():
            note("deaf")
        else:
            note("stopped")
            os._exit(0)

    def stop_with_parent() -> None:
        sys.stdin.read()
        note("orphaned")
        os._exit(0)

    signal.signal(signal.SIGTERM, stop)
    code = next((code for fault, code in _ENDS if (mine.data / f"{name}.{fault}").exists()), 0)
    if code:
        print(f"{mine.log_prefix}last words", file=sys.stderr, flush=True)  # noqa: T201 - its log
        sys.exit(code)
    if mine.parent_pipe:
        threading.Thread(target=stop_with_parent, daemon=True).start()
    if not (mine.data / f"{name}.mute").exists():
        note(f"settings {mine.port} {mine.catalog_url} {mine.order_url} {mine.host}")
        os.write(mine.ready_fd, b'{"url": "", "pid": 0}\n')
    os.close(mine.ready_fd)
    listener = socket.socket(fileno=mine.listen_fd)
    while True:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(f"{name} {os.getpid()}".encode())


if __name__ == "__main__":
    sys.exit(main())
