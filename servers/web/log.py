"""The servers' log: one JSON object a line, on stderr.

Lines of requests are collected and written together a few times a second, which keeps
the log on at full load. Nothing secret gets in: no tokens, no bodies, no queries. All
text is JSON in printable ASCII, so whatever a client sends stays on its line and does nothing.
"""

from __future__ import annotations

import json
import logging
import sys
from typing import TYPE_CHECKING, Protocol

import msgspec

from servers.domain.times import rfc3339

if TYPE_CHECKING:
    import asyncio

    from servers.domain.protocols import Clock

FLUSH_S = 0.1
"""Longest time that a request's line waits to be written."""

_encode = msgspec.json.Encoder().encode


def _text(value: object) -> str:
    """Return JSON of printable ASCII: it is one line, and nothing in it acts on a terminal.

    Never raises, whatever a text holds: a lone surrogate, which UTF-8 has not, is escaped too.
    """
    if isinstance(value, str) and value.isascii() and value.isprintable():
        return _encode(value).decode()
    return json.dumps(value).replace("\x7f", "\\u007f")


class Sink(Protocol):
    """Where lines go: a binary stream."""

    def write(self, data: bytes, /) -> object:
        """Take bytes."""

    def flush(self) -> object:
        """Pass them on."""


class AccessLog:
    """Collects one line per request and writes them in groups."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, server: str, prefix: str, sink: Sink
    ) -> None:
        self._loop = loop
        self._head = f'{prefix}{{"at":"'
        self._server = f'","server":"{server}","request":'
        self._sink = sink
        self._lines: list[str] = []
        self._flush_due = False

    def line(  # noqa: PLR0913, PLR0917  # the fields of one line, each a scalar
        self,
        at_ms: int,
        method: str,
        path: str,
        status: int,
        seconds: float,
        size: int,
        request_id: str,
        note: str,
    ) -> None:
        """Log one answered request; ``note`` is more JSON members, or nothing."""
        what = _text(f"{method} {path}")
        self._lines.append(
            f"{self._head}{rfc3339(at_ms)}{self._server}{what}"
            f',"status":{status},"ms":{seconds * 1000:.2f},"bytes":{size}'
            f',"request_id":"{request_id}"{note}}}\n'
        )
        if not self._flush_due:
            self._flush_due = True
            self._loop.call_later(FLUSH_S, self.flush)

    def flush(self) -> None:
        """Write what was collected."""
        self._flush_due = False
        if self._lines:
            data = "".join(self._lines).encode("utf-8", "replace")
            self._lines.clear()
            try:
                self._sink.write(data)
                self._sink.flush()
            except OSError:
                # Nobody reads the log any more; the shop goes on without it.
                return


class JsonFormatter(logging.Formatter):
    """Formats the records of everything else in the same shape, tracebacks included."""

    def __init__(self, server: str, prefix: str, clock: Clock) -> None:
        super().__init__()
        self._server = server
        self._prefix = prefix
        self._clock = clock

    def format(self, record: logging.LogRecord) -> str:
        """Return one line of JSON for a record."""
        fields: dict[str, object] = {
            "at": rfc3339(self._clock.now_ms()),
            "server": self._server,
            "level": record.levelname.lower(),
            "message": record.getMessage(),
        }
        if record.exc_info and record.exc_info[0] is not None:
            fields["exception"] = self.formatException(record.exc_info)
        return f"{self._prefix}{_text(fields)}"


def configure(server: str, prefix: str, level: str, clock: Clock) -> None:
    """Send the standard library's log records to stderr, one JSON line each."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(server, prefix, clock))
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
