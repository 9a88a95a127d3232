"""A frontend that answers by a script: also wrongly, late, or not at all."""

from __future__ import annotations

import json
import socket
import struct
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from servers.domain.errors import BY_CODE, problem_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    Step = Callable[["Handler"], None]

ORDER_ID = "0123456789abcdef0123456789abcdef"
BOOK = {
    "id": 2,
    "title": "RPCs for Noobs",
    "authors": ["Ada L.", "Grace H."],
    "isbn": None,
    "topics": ["distributed systems"],
    "price": "25.00",
    "currency": "USD",
    "stock": 3,
    "version": 7,
    "updated_at": "2026-01-01T00:00:00.000Z",
}
ORDER = {
    "id": ORDER_ID,
    "state": "confirmed",
    "book_id": 2,
    "title": "RPCs for Noobs",
    "quantity": 1,
    "unit_price": "25.00",
    "total": "25.00",
    "currency": "USD",
    "version_after": 8,
    "stock_after": 2,
    "decided_at": "2026-01-01T00:00:00.000Z",
}
PENDING = {"id": ORDER_ID, "state": "pending", "book_id": 2, "quantity": 1}


@dataclass(frozen=True)
class Received:
    """A request as it came in."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The decoded body."""
        return json.loads(self.body)


class Handler(BaseHTTPRequestHandler):
    """Plays the next step of the script for each request."""

    protocol_version = "HTTP/1.1"
    server: Server

    def handle_one_step(self) -> None:
        """Note the request, then do what the script says."""
        length = int(self.headers.get("Content-Length", 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self._chunks() if "transfer-encoding" in headers else self.rfile.read(length)
        received = Received(self.command, self.path, headers, body)
        self.server.next_step(received)(self)

    def _chunks(self) -> bytes:
        """Return a body that comes in chunks, as far as it comes."""
        parts: list[bytes] = []
        while size := int(self.rfile.readline() or b"0", 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    do_GET = do_POST = do_PATCH = do_DELETE = handle_one_step  # noqa: N815  # http.server's names

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """Keeps the script and the requests that came."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, steps: tuple[Step, ...]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[Received] = []
        self.over = threading.Event()
        self._steps = steps
        self._lock = threading.Lock()

    def next_step(self, received: Received) -> Step:
        """Return the step for a request; the last one is repeated."""
        with self._lock:
            self.requests.append(received)
            return self._steps[min(len(self.requests), len(self._steps)) - 1]

    def handle_error(self, request: object, client_address: object) -> None:
        """Pass over peers that went away."""


@dataclass(frozen=True)
class Frontend:
    """A running fake: where it is and what it was asked."""

    url: str
    requests: list[Received] = field(default_factory=list)

    @property
    def asked(self) -> list[str]:
        """Method and path of every request."""
        return [f"{request.method} {request.path}" for request in self.requests]


@contextmanager
def frontend(*steps: Step) -> Iterator[Frontend]:
    """Run a frontend that plays these steps, one for each request."""
    server = Server(steps)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield Frontend(f"http://127.0.0.1:{server.server_address[1]}", server.requests)
    finally:
        server.over.set()
        server.shutdown()
        server.server_close()
        thread.join()


def answers(value: object, status: int = 200, **headers: str) -> Step:
    """Answer with JSON; ``Retry_After`` becomes ``Retry-After``."""
    body = b"" if value is None else json.dumps(value, ensure_ascii=False).encode()
    return says(body, status, "application/json", **headers)


def refuses(code: str, detail: str = "No.", **members: object) -> Step:
    """Answer with a problem of this code."""
    error = BY_CODE[code](detail, **members)
    body = json.dumps(problem_of(error)).encode()
    return says(body, error.status, "application/problem+json")


def says(body: bytes, status: int = 200, content_type: str = "text/html", **headers: str) -> Step:
    """Answer with these bytes."""

    def step(handler: Handler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Type", content_type)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        if status != 204:
            handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        if status != 204:
            handler.wfile.write(body)

    return step


def resets(handler: Handler) -> None:
    """Drop the connection after the request has come, with a reset."""
    linger = struct.pack("ii", 1, 0)
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    handler.connection.close()
    handler.rfile.close()
    handler.close_connection = True


def resets_and_goes(handler: Handler) -> None:
    """Drop the connection, and listen no longer."""
    handler.server.socket.close()
    resets(handler)


def cuts_short(handler: Handler) -> None:
    """Send half of what was promised."""
    handler.wfile.write(
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{"
    )
    handler.close_connection = True


def dribbles(handler: Handler) -> None:
    """Send an answer's head byte by byte, and never come to its end."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while not handler.server.over.wait(0.05):
        handler.wfile.write(b"z")
    handler.close_connection = True


def hangs(handler: Handler) -> None:
    """Answer nothing until the test is over."""
    handler.server.over.wait(30)
    handler.close_connection = True


def babbles(handler: Handler) -> None:
    """Answer with something that is not HTTP."""
    handler.wfile.write(b"SSH-2.0-OpenSSH_9.6\r\n")
    handler.close_connection = True


def closed_port() -> str:
    """Return a URL at which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"
