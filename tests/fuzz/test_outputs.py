"""Whatever a text is: it cannot act on a terminal, break a line, or leave a log unreadable."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import sys
import unicodedata
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bookstore_cli.output import csv_line, tsv_line
from bookstore_cli.terminal import escaped, json_visible, visible
from servers.web.log import AccessLog, JsonFormatter
from tests.fuzz.effort import tries
from tests.fuzz.texts import anything, json_values, texts
from tests.support.services import TestClock

HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


@given(anything)
@tries(400)
def test_nothing_hidden_is_left(text: str) -> None:
    """Control, format, private, unassigned characters and lone surrogates are written out."""
    for made in (visible(text), escaped(text)):
        assert not {unicodedata.category(each) for each in made} & HIDDEN
        assert visible(made) == made
        assert made.splitlines() in ([made], [])


@given(json_values | anything)
@tries(300)
def test_json_on_a_terminal_says_the_same(value: object) -> None:
    """The values are exact, and nothing in the text acts."""
    text = json.dumps(value, ensure_ascii=False, indent=1)
    shown = json_visible(text)
    assert json.dumps(json.loads(shown)) == json.dumps(value)
    assert not {unicodedata.category(each) for each in shown.replace("\n", "")} & HIDDEN


@given(st.lists(texts, min_size=1, max_size=5))
@tries(300)
def test_rows_have_their_cells(cells: list[str]) -> None:
    """A row of tsv is one line with one tab less than cells, for any way to split lines."""
    line = tsv_line(cells)
    assert line.splitlines(keepends=True) == [line]
    assert line.count("\t") == len(cells) - 1
    assert csv_line(cells).endswith("\r\n")


@given(anything, anything, anything)
@tries(300)
def test_a_request_is_one_line_of_the_log(method: str, path: str, note: str) -> None:
    """A line is JSON in printable ASCII, and says what was asked for."""
    sink = io.BytesIO()
    loop = asyncio.new_event_loop()
    try:
        log = AccessLog(loop, "frontend", "frontend | ", sink)
        members = f',"note":{json.dumps(note)}'
        log.line(0, method, path, 200, 0.001, 5, "id", members)
        log.flush()
    finally:
        loop.close()
    line = sink.getvalue().decode("ascii")
    assert line.endswith("\n")
    assert line[:-1].isprintable()
    assert json.loads(line.removeprefix("frontend | "))["request"] == f"{method} {path}"


@given(anything, anything)
@tries(300)
def test_a_record_is_one_line_of_the_log(message: str, reason: str) -> None:
    """So is whatever else is logged, with the exception that it tells of."""
    try:
        raise ValueError(reason)  # noqa: TRY301  # it is raised to be told of
    except ValueError:
        told: Any = sys.exc_info()
    record = logging.LogRecord("shop", logging.ERROR, __file__, 1, "%s", (message,), told)
    line = JsonFormatter("order", "order | ", TestClock()).format(record)
    assert line.isascii()
    assert line.isprintable()
    fields = json.loads(line.removeprefix("order | "))
    assert fields["message"] == message
    assert f"ValueError: {reason}".rstrip(": ") in fields["exception"]
