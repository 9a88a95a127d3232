"""One keep-alive connection, and one exchange over it, within a deadline.

Lives here: what can happen to a single request, told apart by what it means for the
caller: it was never sent, its answer was lost, or whoever answered is not the shop.
Repeating, tokens and the shop's errors live in ``client``. No proxies from the
environment, no redirects.
"""

from __future__ import annotations

import http.client
import io
import json
import re
import select
import socket
import ssl
from dataclasses import dataclass
from http import HTTPStatus
from itertools import chain
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from bookstore_cli.deadline import SHORTEST_WAIT_S, DeadlineFile
from bookstore_cli.trust import SYSTEM

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from bookstore_cli.deadline import Deadline
    from bookstore_cli.trust import Trust

MAX_BODY_BYTES = 16 * 1024 * 1024
"""Longest answer that is read: 200 books of the longest kind are far below."""

_SECONDS = re.compile(r"[0-9]{1,6}\Z")


class NotSent(Exception):  # what happened, not an error of ours
    """No connection was made, so nothing was sent and nothing happened."""


class AnswerLost(Exception):  # as above
    """The request was sent, or in part; no whole answer came back."""


class NotTheShop(Exception):  # as above
    """An answer came that the shop does not give."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: ``value`` is the decoded body, None where there is none."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    value: Any

    @property
    def good(self) -> bool:
        """Whether the server did what it was asked, or has begun to."""
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES

    @property
    def replayed(self) -> bool:
        """Whether this is what an earlier request under the same key was answered."""
        return self.headers.get("idempotency-replayed") == "true"

    @property
    def pending(self) -> bool:
        """Whether the server has begun, and is not done."""
        return self.status == HTTPStatus.ACCEPTED

    @property
    def broken(self) -> bool:
        """Whether the server failed, rather than refused."""
        return self.status >= HTTPStatus.INTERNAL_SERVER_ERROR

    @property
    def untouched(self) -> bool:
        """Whether the server says that it did nothing, and that later it may."""
        return self.status in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}

    @property
    def retry_after_s(self) -> float:
        """What ``Retry-After`` asks to wait, in seconds; zero without one (RFC 9110 §10.2.3)."""
        text = self.headers.get("retry-after", "")
        return float(text) if _SECONDS.match(text) else 0.0


@dataclass(frozen=True, slots=True)
class Base:
    """Where a server is: the parts of its URL."""

    secure: bool
    host: str
    port: int
    prefix: str


def parse_url(url: str) -> Base:
    """Return the parts of a server's URL, or raise ValueError where it cannot be one."""
    parts = urlsplit(url)
    plain = not (parts.query or parts.fragment or "@" in parts.netloc)
    printable = url.isascii() and url.isprintable() and " " not in url
    if parts.scheme not in {"http", "https"} or not parts.hostname or not plain or not printable:
        raise ValueError(url)
    secure = parts.scheme == "https"
    port = parts.port if parts.port is not None else (443 if secure else 80)
    return Base(secure, parts.hostname, port, parts.path.rstrip("/"))


class Connection:
    """A connection to one server, opened when it is needed and kept for the next request.

    ``trust`` says whose certificates are accepted where the URL is one of https.
    """

    def __init__(self, url: str, deadline: Deadline, trust: Trust = SYSTEM) -> None:
        base = parse_url(url)
        self._prefix = base.prefix
        self._deadline = deadline
        self._http = (
            http.client.HTTPSConnection(base.host, base.port, context=trust.context())
            if base.secure
            else http.client.HTTPConnection(base.host, base.port)
        )
        self._http.response_class = self._response  # type: ignore[assignment]  # a maker will do

    def exchange(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> Answer:
        """Send one request and return its answer; ``path`` is quoted already.

        Raises `NotSent`, `AnswerLost` or `NotTheShop`; each says why in a few words.
        """
        self._connect()
        return self._answered(
            lambda: self._http.request(method, self._prefix + path, body, dict(headers))
        )

    def upload(self, path: str, parts: Iterable[bytes], headers: Mapping[str, str]) -> Answer:
        """Post a body part by part, for as long as it is not answered; raises as `exchange` does.

        Each part has what is left of the deadline to be taken. Nobody waits for the first part.
        """
        rest = iter(parts)
        whole = chain([next(rest, b"")], rest)
        self._connect()
        answer = self._answered(lambda: self._send(path, whole, headers))
        self.close()  # What was answered before its end has a connection that is of no use.
        return answer

    def _answered(self, send: Callable[[], None]) -> Answer:
        try:
            send()
            response = self._http.getresponse()
            content = _content(response)
        except (http.client.RemoteDisconnected, http.client.IncompleteRead) as error:
            self.close()
            raise AnswerLost("the connection was lost before the answer was complete") from error
        except OSError as error:
            self.close()
            raise AnswerLost(_why(error)) from error
        except http.client.HTTPException as error:
            self.close()
            raise NotTheShop("the answer is not HTTP") from error
        except NotTheShop:
            self.close()
            raise
        fields = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, fields, content, _value(response.status, fields, content))

    def _send(self, path: str, parts: Iterable[bytes], headers: Mapping[str, str]) -> None:
        self._http.putrequest("POST", self._prefix + path)
        for name, value in {**headers, "Transfer-Encoding": "chunked"}.items():
            self._http.putheader(name, value)
        self._http.endheaders()
        for part in parts:
            if part and not self._send_chunk(part):
                return
        self._send_chunk(b"")

    def _send_chunk(self, part: bytes) -> bool:
        """Send a part of a body, nothing for its end; return whether more of it is wanted."""
        sock = self._http.sock
        # Over TLS what can be read may be something else than an answer.
        if not isinstance(sock, ssl.SSLSocket) and select.select([sock], [], [], 0)[0]:
            return False
        sock.settimeout(max(self._deadline.remaining_s, SHORTEST_WAIT_S))
        try:
            self._http.send(b"%x\r\n%b\r\n" % (len(part), part))
        except ConnectionError:
            return False  # A server that has answered reads no more.
        return True

    def close(self) -> None:
        """Close the connection; the next request opens a new one."""
        self._http.close()

    def _connect(self) -> None:
        remaining_s = self._deadline.remaining_s
        if remaining_s <= 0:
            raise NotSent("the time was over")
        self._http.timeout = remaining_s
        try:
            if self._http.sock is None:
                self._http.connect()
            self._http.sock.settimeout(remaining_s)
        except OSError as error:
            self.close()
            raise NotSent(_why(error)) from error

    def _response(self, sock: socket.socket, **options: Any) -> http.client.HTTPResponse:
        response = http.client.HTTPResponse(sock, **options)
        response.fp.close()
        response.fp = io.BufferedReader(DeadlineFile(sock, self._deadline))
        return response


def _content(response: http.client.HTTPResponse) -> bytes:
    with response:
        content = response.read(MAX_BODY_BYTES + 1)
    if len(content) > MAX_BODY_BYTES:
        raise NotTheShop(f"the answer is longer than {MAX_BODY_BYTES // 1024**2} MiB")
    if response.length:
        # A body that was cut short is only reported by a `read` without a limit.
        raise http.client.IncompleteRead(content, response.length)
    return content


def _value(status: int, headers: Mapping[str, str], body: bytes) -> Any:
    """Return the decoded body; an answer that is neither JSON nor empty raises.

    A proxy's own page about a failure (502 and the like) counts as empty: what matters
    of it is the status.
    """
    if not body:
        return None
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in {"application/json", "application/problem+json"}:
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return None
        kind = media_type if media_type.isascii() and media_type.isprintable() else "unknown"
        raise NotTheShop(f"it answered {status} with {kind or 'an untyped body'}")
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise NotTheShop(f"it answered {status} with broken JSON") from error


def _why(error: OSError) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, socket.gaierror):
        return "the host name is unknown"
    if isinstance(error, ConnectionError):
        return "the connection was lost"
    untrusted = str(getattr(error, "verify_message", "")).rstrip(".")
    if untrusted:
        return f"its certificate is not trusted: {untrusted}; see --ca-file"
    return error.strerror or type(error).__name__
