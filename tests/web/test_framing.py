"""Where a request ends, on the three running servers: one answer, and nothing smuggled."""

from __future__ import annotations

import contextlib
import json
import socket
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests.support.raw import http_request, send_raw
from tests.support.shop import open_shop
from tests.web.framings import SMUGGLED, Framing, all_framings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.shop import Shop

_PATIENCE_S = 15.0
SERVERS = ("frontend", "catalog", "order")
_POSTS = {
    "frontend": b"POST /purchase/1",
    "catalog": b"POST /books/batch",
    "order": b"POST /orders/batch",
}


@dataclass
class Sent:
    """A running shop, how to send it bytes, and what it said to each of the framings."""

    shop: Shop
    said: dict[tuple[str, Framing], bytes] = field(default_factory=dict)

    def send_everything(self) -> None:
        """Send each framing to each server, many at a time: some are waited for a second."""
        sends = [(server, framing) for framing in all_framings() for server in SERVERS]
        with ThreadPoolExecutor(16) as pool:
            said = pool.map(lambda send: self.all_of(send[0], send[1].raw + SMUGGLED), sends)
            self.said.update(zip(sends, said, strict=True))

    def all_of(self, server: str, raw: bytes) -> bytes:
        """Send bytes to a server, and return all that comes until it closes."""
        url = urlsplit(self.shop.urls[server])
        token = f"Authorization: Bearer {self.shop.token('service')}".encode()
        data = raw.replace(b"{post}", _POSTS[server]).replace(b"{token}", token)
        address = (url.hostname or "", url.port or 0)
        with socket.create_connection(address, timeout=_PATIENCE_S) as connection:
            received = b""
            # A server that has answered and closed may reset what it did not read.
            with contextlib.suppress(ConnectionError):
                connection.sendall(data)
                while part := connection.recv(65536):
                    received += part
        return received

    def answers(self, server: str) -> bool:
        """Say whether a server still answers."""
        return send_raw(self.shop.urls[server], http_request("GET", "/livez")).status == 200


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sent]:
    """One shop for all."""
    with open_shop(tmp_path_factory.mktemp("framing") / "shop") as shop:
        sent = Sent(shop)
        sent.send_everything()
        yield sent


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("framing", all_framings(), ids=lambda framing: framing.name)
def test_one_answer_and_the_end(sent: Sent, server: str, framing: Framing) -> None:
    """What is not framed right gets one problem, and what follows it is never a request."""
    head, _, body = sent.said[server, framing].partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert "Content-Type: application/problem+json" in lines
    assert "Connection: close" in lines
    problem = json.loads(body)
    assert (problem["code"], problem["status"]) == (framing.code, int(lines[0].split()[1]))


def test_nothing_was_smuggled(sent: Sent) -> None:
    """After all that each server answers, none has a traceback, and no log has the request."""
    for server in SERVERS:
        assert sent.answers(server)
    log = sent.shop.log
    assert "Traceback" not in log
    assert "Unhandled" not in log
    assert "/smuggled" not in log


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"2;name=value\r\n[]\r\n0\r\n\r\n", 200),
        (b"2;" + b"x" * 20_000 + b"\r\n[]\r\n0\r\n\r\n", 200),
        (b"1\r\n[\r\n1\r\n]\r\n0\r\nX-Trailer: 1\r\n\r\n", 200),
        (b"0002\r\n[]\r\n0\r\n\r\n", 200),
    ],
    ids=["an extension", "a long extension", "a trailer", "zeros"],
)
def test_good_chunks(sent: Sent, server: str, body: bytes, status: int) -> None:
    """Extensions and trailers that are well formed are passed over; the connection goes on."""
    raw = b"{post} HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\n{token}\r\n"
    raw += b"Transfer-Encoding: chunked\r\n\r\n" + body
    last = b"GET /livez HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n"
    said = sent.all_of(server, raw + last)
    first, second = said.split(b"HTTP/1.1 ")[1:]
    # An empty list is a batch of nothing, and no purchase.
    assert int(first[:3]) == (400 if server == "frontend" else status)
    assert second.startswith(b"200 ")
