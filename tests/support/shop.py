"""A real shop for tests: `bookstore up` on free ports and a throwaway folder."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

PATIENCE_S = 30.0


@dataclass(frozen=True)
class Reply:
    """An answer: status, headers that are found by their lower-case names, raw body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The code of a problem."""
        assert self.headers["content-type"] == "application/problem+json", self
        return str(self.json["code"])


@dataclass
class Shop:
    """A running shop: its folder, its process, its three URLs.

    There is no process where a test has started each server by itself.
    """

    data: Path
    process: subprocess.Popen[str] | None
    urls: dict[str, str] = field(default_factory=dict)

    def token(self, role: str = "admin") -> str:
        """Return the token of a role."""
        return (self.data / f"{role}.token").read_text().strip()

    def pid(self, server: str) -> int:
        """Return the process id of a server, as `shop.json` has it now."""
        return self.pids()[server]

    def pids(self) -> dict[str, int]:
        """Return the process ids of all servers, as `shop.json` has them now."""
        note = json.loads((self.data / "shop.json").read_text())
        return {name: int(note[name]["pid"]) for name in self.urls}

    @property
    def log(self) -> str:
        """What the shop has logged until now."""
        return self.data.with_suffix(".log").read_text(errors="replace")

    def kill(self, server: str) -> None:
        """Kill a server as a crash would, by its process id."""
        os.kill(self.pid(server), signal.SIGKILL)

    def request(  # the parts of a request
        self,
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        *,
        server: str = "frontend",
        admin: bool = False,
    ) -> Reply:
        """Make one request and return its answer; ``body`` goes as JSON, bytes as they are."""
        url = urlsplit(self.urls[server])
        sent = dict(headers or {})
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        if data is not None:
            sent.setdefault("Content-Type", "application/json")
        if admin:
            sent["Authorization"] = f"Bearer {self.token()}"
        connection = HTTPConnection(url.hostname or "", url.port or 0, timeout=PATIENCE_S)
        with contextlib.closing(connection):
            connection.request(method, path, body=data, headers=sent)
            answer = connection.getresponse()
            names = {name.lower(): value for name, value in answer.getheaders()}
            return Reply(answer.status, names, answer.read())

    def add_book(self, stock: int, title: str = "A test book", price: str = "10.00") -> int:
        """Add a book and return its id."""
        book = {"title": title, "authors": ["Somebody"], "price": price, "stock": stock}
        reply = self.request("POST", "/books", {**book, "topics": ["tests"]}, admin=True)
        assert reply.status == 201, reply.body
        return int(reply.json["id"])

    def command(
        self, *arguments: str, check: bool = False, timeout_s: float = PATIENCE_S
    ) -> subprocess.CompletedProcess[str]:
        """Run the command `bookstore` on this shop, as a script would: its output is piped."""
        return run_command("--data", str(self.data), *arguments, check=check, timeout_s=timeout_s)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Stop the shop and return its exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(PATIENCE_S)


def run_command(
    *arguments: str, check: bool = False, timeout_s: float = PATIENCE_S
) -> subprocess.CompletedProcess[str]:
    """Run the command `bookstore` with these arguments, its output piped."""
    return subprocess.run(
        [sys.executable, "-m", "bookstore_cli", *arguments],
        capture_output=True,
        text=True,
        check=check,
        timeout=timeout_s,
        stdin=subprocess.DEVNULL,
    )


def clean_environ() -> dict[str, str]:
    """Return the environment without settings of a shop, whoever made them."""
    return {name: os.environ[name] for name in os.environ if not name.startswith("BOOKSTORE_")}


@contextlib.contextmanager
def open_shop(data: Path, *, through: Sequence[str] = (), **settings: str) -> Iterator[Shop]:
    """Run a shop while the block does; ``settings`` are BOOKSTORE_* variables in lower case.

    Its log is in ``data/../<name>.log``. Whatever happens, nothing of it is left running.
    ``through`` is a command that runs the one that follows it in its own place.
    """
    log = data.with_suffix(".log")
    environ = {f"BOOKSTORE_{name.upper()}": value for name, value in settings.items()}
    with log.open("a") as stderr:
        process = subprocess.Popen(
            [
                *(*through, sys.executable, "-m", "bookstore_cli"),
                *("--data", str(data), "up", "--port", "0"),
            ],
            stdout=subprocess.PIPE,
            stderr=stderr,
            stdin=subprocess.DEVNULL,
            text=True,
            env=clean_environ() | environ,
        )
    shop = Shop(data, process)
    try:
        assert process.stdout is not None
        for _ in range(3):
            line = process.stdout.readline()
            assert line, f"the shop did not start; its log:\n{log.read_text()}"
            name, url = line.split()
            shop.urls[name] = url
        yield shop
    finally:
        with contextlib.suppress(subprocess.TimeoutExpired):
            shop.stop()
        if process.poll() is None:
            process.kill()
        if process.stdout is not None:
            process.stdout.close()


def wait_until(holds: Any, *, within_s: float = PATIENCE_S, what: str = "it") -> None:
    """Wait for a fact: call ``holds`` until it is true. Fails when the time is over."""
    end_s = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < end_s, f"{what} did not become true within {within_s} s"
        time.sleep(0.02)
