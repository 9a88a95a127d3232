"""A hop tells what certainly did nothing from what may have had an effect."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest

from servers.web.hop import NoAnswerError, NotSentError, open_hop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

GOOD = b'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nETag: "7"\r\n\r\n{}'


class Peer:
    """A server that answers every request with the same bytes, and counts connections."""

    def __init__(self, said: bytes) -> None:
        self.said = said
        self.requests: list[bytes] = []
        self.connections = 0
        self.writers: list[asyncio.StreamWriter] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer until the caller goes, or break off after saying nothing."""
        self.connections += 1
        self.writers.append(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                self.requests.append(head + await reader.readexactly(length))
                if not self.said:
                    break
                # In two parts, as a network may deliver it.
                writer.write(self.said[:9])
                await writer.drain()
                await asyncio.sleep(0)
                writer.write(self.said[9:])
        writer.close()


@contextlib.asynccontextmanager
async def peer_that_says(said: bytes) -> AsyncIterator[tuple[Peer, str]]:
    """Run a peer on a free port."""
    peer = Peer(said)
    server = await asyncio.start_server(peer.serve, "127.0.0.1", 0)
    async with server:
        yield peer, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        for writer in peer.writers:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


async def test_an_answer_comes_whole_and_the_connection_is_kept() -> None:
    """Two calls, one after the other, share a connection; header names are in lower case."""
    async with peer_that_says(GOOD) as (peer, url), open_hop("catalog", url, "secret") as hop:
        for _ in range(2):
            answer = await hop.call("POST", "/x", body=b"[1]", timeout_s=5)
            assert (answer.status, answer.body, answer.headers["etag"]) == (200, b"{}", '"7"')
    assert peer.connections == 1
    assert peer.requests[0].startswith(b"POST /x HTTP/1.1\r\n")
    assert b"Authorization: Bearer secret\r\n" in peer.requests[0]
    assert peer.requests[0].endswith(b"\r\n\r\n[1]")


async def test_calls_at_once_have_a_connection_each() -> None:
    """A connection carries one request at a time."""
    async with peer_that_says(GOOD) as (peer, url), open_hop("catalog", url, "secret") as hop:
        calls = [hop.call("GET", "/x", timeout_s=5) for _ in range(3)]
        assert [answer.status for answer in await asyncio.gather(*calls)] == [200] * 3
    assert peer.connections == 3


async def test_a_closing_server_is_believed() -> None:
    """After an answer that says so the connection is not used again."""
    closing = GOOD.replace(b"ETag", b"Connection: close\r\nETag")
    async with peer_that_says(closing) as (peer, url), open_hop("catalog", url, "t") as hop:
        await hop.call("GET", "/x", timeout_s=5)
        await hop.call("GET", "/x", timeout_s=5)
    assert peer.connections == 2


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"something else altogether\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
        b"HTTP/1.1 abc OK\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 20_000,
    ],
    ids=["breaks off", "nonsense", "no length", "below zero", "too long", "no status", "long head"],
)
async def test_what_is_no_answer_leaves_doubt(said: bytes) -> None:
    """The request was sent, so it may have been carried out."""
    async with peer_that_says(said) as (peer, url), open_hop("catalog", url, "t") as hop:
        with pytest.raises(NoAnswerError):
            await hop.call("POST", "/x", timeout_s=5)
        assert len(peer.requests) == 1


async def test_silence_leaves_doubt_in_time() -> None:
    """A server that does not answer in time leaves doubt, and its connection is given up."""
    async with peer_that_says(b"HTTP/1.1 200 OK\r\n") as (_, url), open_hop("c", url, "t") as hop:
        with pytest.raises(NoAnswerError, match="in time"):
            await hop.call("POST", "/x", timeout_s=0.05)


async def test_nobody_there_is_certain(unused_tcp_port_factory: Callable[[], int]) -> None:
    """A refused connection provably did nothing."""
    url = f"http://127.0.0.1:{unused_tcp_port_factory()}"
    async with open_hop("catalog", url, "t") as hop:
        with pytest.raises(NotSentError, match="cannot be reached"):
            await hop.call("POST", "/x", timeout_s=5)


async def test_who_waits_on_a_hop_that_closes() -> None:
    """A call under way ends at once without an answer: it may have had an effect."""
    asked = asyncio.Event()

    async def hang(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await _reader.read()
        writer.close()

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, asyncio.timeout(5), open_hop("catalog", url, "t") as hop:
        waiting = asyncio.ensure_future(hop.call("POST", "/x", timeout_s=60))
        await asked.wait()
        hop.close()
        with pytest.raises(NoAnswerError, match="broke"):
            await waiting


async def test_a_closed_hop_sends_nothing() -> None:
    """Who asks after the hop was closed is told that nothing was sent."""
    async with peer_that_says(GOOD) as (peer, url):
        async with open_hop("catalog", url, "t") as hop:
            pass
        with pytest.raises(NotSentError):
            await hop.call("GET", "/x", timeout_s=5)
    assert not peer.requests
