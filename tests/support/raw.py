"""Raw bytes to a server and what it answers: for requests that no HTTP client would send."""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from tests.support.shop import Reply

if TYPE_CHECKING:
    from collections.abc import Iterable

_PATIENCE_S: Final = 15.0


def http_request(
    method: str, path: str, headers: Iterable[str] = (), body: bytes | str | None = None
) -> bytes:
    """Return a request as bytes, its lines as they are given; a body gets its length."""
    data = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else body
    lines = [f"{method} {path} HTTP/1.1", "Host: shop", *headers]
    if data is not None:
        lines.append(f"Content-Length: {len(data)}")
    head = "\r\n".join(lines).encode("utf-8", "surrogateescape")
    return head + b"\r\n\r\n" + (data or b"")


def send_raw(url: str, data: bytes, *, head: bool = False) -> Reply:
    """Send bytes over a connection of their own and return the first answer.

    ``head`` says that a HEAD is answered, so that no body follows its length.
    """
    address = urlsplit(url)
    with socket.create_connection(
        (address.hostname or "", address.port or 0), timeout=_PATIENCE_S
    ) as connection:
        # A server may answer and close before it has read all of it.
        with contextlib.suppress(ConnectionError):
            connection.sendall(data)
        return _answer(connection, head=head)


def _answer(connection: socket.socket, *, head: bool) -> Reply:
    start, body = _head(connection, b"")
    if start.startswith(b"HTTP/1.1 100 "):
        # That the body may come, which it already has (RFC 9110 section 15.2.1).
        start, body = _head(connection, body)
    status_line, *lines = start.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (x.partition(":") for x in lines)}
    if head:
        # None has to follow. Where the parser refused the request, nobody knew its method.
        return Reply(int(status_line.split()[1]), headers, b"")
    length = int(headers.get("content-length", "0"))
    while len(body) < length:
        part = connection.recv(65536)
        assert part, f"the answer broke off: {start!r} {body!r}"
        body += part
    assert len(body) == length, "there is more than one answer"
    return Reply(int(status_line.split()[1]), headers, body)


def _head(connection: socket.socket, received: bytes) -> tuple[bytes, bytes]:
    """Return an answer's head, and what has come after it; ``received`` is what already came."""
    while b"\r\n\r\n" not in received:
        part = connection.recv(65536)
        assert part, f"the connection was closed without an answer, after {received!r}"
        received += part
    head, _, rest = received.partition(b"\r\n\r\n")
    return head, rest
