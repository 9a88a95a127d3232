"""Single servers for tests: `bookstore serve NAME`, each a process that a test may end alone.

A shop of `bookstore up` restarts what dies. Here nothing does, and a test can put something
of its own between two servers.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tests.support.shop import PATIENCE_S, Shop, clean_environ

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


@dataclass
class Served:
    """One server that runs in the foreground of a process of its own."""

    name: str
    url: str
    process: subprocess.Popen[bytes]

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return urlsplit(self.url).port or 0

    def kill(self) -> None:
        """Kill it as a crash would, and wait until it is gone."""
        self.process.kill()
        self.process.wait(PATIENCE_S)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to stop, and return its exit code."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_S)

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Let it stand still while the block runs, as on a machine that hangs."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)


def start_server(
    name: str, data: Path, *options: str, through: Sequence[str] = (), **settings: str
) -> Served:
    """Start one server on a free port, unless ``options`` name one, and wait until it is ready.

    Its log goes to ``data/../<name>.log``. Whoever starts it ends it. ``through`` is a command
    that runs the one that follows it in its own place.
    """
    ready, theirs = os.pipe()
    environ = clean_environ() | {f"BOOKSTORE_{key.upper()}": settings[key] for key in settings}
    port = () if "--port" in options else ("--port", "0")
    log = data.with_name(f"{name}.log")
    with log.open("ab") as stderr:
        process = subprocess.Popen(
            [
                *(*through, sys.executable, "-m", "bookstore_cli"),
                *("--data", str(data), "serve", name),
                *(*port, *options),
            ],
            stdin=subprocess.DEVNULL,
            stderr=stderr,
            env=environ | {"BOOKSTORE_READY_FD": str(theirs)},
            pass_fds=(theirs,),
        )
    os.close(theirs)
    with os.fdopen(ready) as lines:
        readable, _, _ = select.select([lines], [], [], PATIENCE_S)
        line = lines.readline() if readable else ""
    if not line:
        process.kill()
        process.wait(PATIENCE_S)
        message = f"the {name} server was not ready; its log:\n{log.read_text()}"
        raise AssertionError(message)
    return Served(name, json.loads(line)["url"], process)


@dataclass
class ServedShop:
    """The three servers, started one by one; ``shop`` asks them as it would any shop."""

    data: Path
    servers: dict[str, Served] = field(default_factory=dict)

    @property
    def shop(self) -> Shop:
        """The same servers, to be asked."""
        urls = {name: server.url for name, server in self.servers.items()}
        return Shop(self.data, None, urls)

    def start(
        self, name: str, *options: str, through: Sequence[str] = (), **settings: str
    ) -> Served:
        """Start one of them; the block of `served_shop` ends it."""
        server = start_server(name, self.data, *options, through=through, **settings)
        self.servers[name] = server
        return self.servers[name]

    def start_all(self, **settings: str) -> None:
        """Start what does not run, each with the addresses of those before it.

        A server that ran before gets its old port, so that the others find it there.
        """
        for name in ("catalog", "order", "frontend"):
            old = self.servers.get(name)
            if old is not None and old.process.poll() is None:
                continue
            options = [] if name == "catalog" else ["--catalog-url", self.servers["catalog"].url]
            options += ["--order-url", self.servers["order"].url] if name == "frontend" else []
            options += ["--port", str(old.port)] if old is not None else []
            self.start(name, *options, **settings)


@contextlib.contextmanager
def served_shop(data: Path) -> Iterator[ServedShop]:
    """End, when the block does, all servers that were started in it."""
    shop = ServedShop(data)
    try:
        yield shop
    finally:
        for server in shop.servers.values():
            if server.process.poll() is None:
                server.process.send_signal(signal.SIGCONT)
                server.process.kill()
            server.process.wait(PATIENCE_S)
