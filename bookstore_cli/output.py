r"""Data on stdout, in the form asked for: table, tsv, csv, json or ndjson.

Lives here: how things and lists become text. Tables are drawn in ``tables``, which
alone knows rich; words for people go to stderr by ``Session.say``.

==========  ==================================================================
table       for people on a terminal; hidden characters are made visible
tsv         a header and one line a row; tab, line feed and ``\`` are written
            ``\t``, ``\n``, ``\\``, other hidden characters ``\x1b``, ``\u202e``
csv         RFC 4180. A text that a spreadsheet might take for a formula gets a
            leading ``'``, as does one that begins with ``'``: whoever reads it
            back drops the first ``'`` of every cell that begins with one
json        exactly what the server sent; on a terminal the same values, with
            hidden characters written as JSON's own escapes
ndjson      one object a line, on a terminal likewise
==========  ==================================================================

In tsv and csv the items of a list stand in one cell with ``; `` between them; a ``;``
or ``\`` in an item has a ``\`` before it.
"""

from __future__ import annotations

import json
import os
import re
import sys
from contextlib import contextmanager, suppress
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from bookstore_cli.terminal import escaped, json_visible, visible
from servers.domain.errors import Internal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from bookstore_cli.connection import Answer
    from bookstore_cli.paging import Page

    Rows = Sequence[Mapping[str, Any]]
    Shown = Callable[[Rows], tuple[Sequence[str], Rows]]

# The last four are the wide forms of the first, which some spreadsheets read as the same.
_FORMULA_STARTS = (*"=+-@", "\t", "\r", "\n", "'", *"\uff1d\uff0b\uff0d\uff20")
_NEEDS_QUOTES = re.compile(r'[",\r\n]')


class Output:
    """Writes data to stdout; ``kind`` None means a table on a terminal, else tsv.

    ``say`` tells the person what is no data.
    """

    def __init__(self, kind: str | None, color: str, say: Callable[[str], None]) -> None:
        if sys.stdout is None:
            raise Internal("There is nowhere to write to: standard output is closed.")
        self._on_terminal = sys.stdout.isatty()
        self._asked = kind
        self.kind = kind or ("table" if self._on_terminal else "tsv")
        self._color = color
        self._say = say

    def thing(self, columns: Sequence[str], answer: Answer) -> None:
        """Write one thing; json is the server's own body."""
        self.things(columns, [answer], as_list=False)

    def things(self, columns: Sequence[str], answers: Sequence[Answer], *, as_list: bool) -> None:
        """Write things that were asked for one by one."""
        rows = [answer.value for answer in answers]
        with _writing():
            if self.kind == "json":
                body = b",".join(answer.body.strip() for answer in answers)
                self._write_bytes(b"[" + body + b"]" if as_list else body)
            elif self.kind == "table":
                from bookstore_cli.tables import draw_things

                draw_things(columns, rows, self._color)
            else:
                self._write_lines(columns, rows)

    def listing(
        self,
        columns: Sequence[str],
        pages: Iterable[Page],
        shown: Shown | None = None,
    ) -> None:
        """Write a list as its pages come; ``shown`` says what of it a terminal has room for."""
        with _writing():
            if self.kind == "json":
                # Only whole lists go out: half an array is of no use to a program.
                bodies = [page.body.strip()[1:-1].strip() for page in pages]
                self._write_bytes(b"[" + b",".join(body for body in bodies if body) + b"]")
            elif self.kind == "table":
                self.table(columns, [row for page in pages for row in page.rows], shown)
            else:
                following = iter(pages)
                # Nothing is written, not even the header, before the shop has answered at all.
                first = [page.rows for page in islice(following, 1)]
                rest = (page.rows for page in following)
                self._write_lines(columns, chain.from_iterable(chain(first, rest)))

    def rows(self, columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
        """Write a list that was made here, not sent by a server."""
        with _writing():
            if self.kind == "json":
                self._write_bytes(_json(rows).encode("utf-8", "backslashreplace"))
            elif self.kind == "table":
                self.table(columns, rows)
            else:
                self._write_lines(columns, rows)

    def outcome(
        self,
        told: Mapping[str, Any],
        row: tuple[Sequence[str], Mapping[str, Any]],
        sentences: Iterable[str],
    ) -> None:
        """Write what came of a command in sentences; where a form was asked for, in that.

        ``told`` is the object for json and ndjson, ``row`` the columns and values for the rest.
        """
        with _writing():
            if self.kind in {"json", "ndjson"}:
                self._write_bytes(json.dumps(told).encode())
            elif self._asked in {"tsv", "csv"}:
                columns, values = row
                self._write_lines(columns, [values])
            else:
                for sentence in sentences:
                    self._write_bytes(visible(sentence).encode("utf-8", "backslashreplace"))

    def table(
        self,
        columns: Sequence[str],
        rows: Sequence[Mapping[str, Any]],
        shown: Shown | None = None,
    ) -> None:
        """Draw a table, or say that there is nothing to draw."""
        if not rows:
            self._say("Nothing found.")
            return
        from bookstore_cli.tables import draw_table

        if shown is not None:
            columns, rows = shown(rows)
        draw_table(columns, rows, self._color)

    def _write_lines(self, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
        cells = ([row.get(name) for name in columns] for row in rows)
        records: Iterable[list[object]] = chain([list(columns)], cells)
        if self.kind == "ndjson":
            lines: Iterable[str] = (_json(row) + "\n" for row in rows)
            if self._on_terminal:
                lines = map(json_visible, lines)
        elif self.kind == "csv":
            lines = (csv_line(record) for record in records)
            if self._on_terminal:
                lines = (visible(line.rstrip("\r\n")) + "\n" for line in lines)
        else:
            lines = (tsv_line(record) for record in records)
        for line in lines:
            # A lone surrogate, which JSON can carry, is written as JSON writes it.
            sys.stdout.buffer.write(line.encode("utf-8", "backslashreplace"))
        sys.stdout.buffer.flush()

    def _write_bytes(self, body: bytes) -> None:
        if self._on_terminal:
            body = json_visible(body.decode("utf-8", "surrogateescape")).encode()
        sys.stdout.buffer.write(body if body.endswith(b"\n") else body + b"\n")
        sys.stdout.buffer.flush()


def cell(value: object) -> str:
    """Return a JSON value as the text of one cell."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return "; ".join(_item(item) for item in value)
    if isinstance(value, dict):
        return " ".join(cell(part) for part in value.values() if part is not None)
    return str(value)


def items_of(text: str) -> list[str]:
    """Return the items, none of them empty, of a list that `cell` wrote into one cell."""
    parts = re.findall(r"(?:[^;\\]|\\.)+", text, re.DOTALL)
    return [
        re.sub(r"\\(.)", r"\1", part[1:] if place else part, flags=re.DOTALL)
        for place, part in enumerate(parts)
    ]


def guarded(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula."""
    return "'" + text if text.startswith(_FORMULA_STARTS) else text


def unguarded(text: str) -> str:
    """Return what `guarded` was given."""
    return text.removeprefix("'")


def csv_line(values: Sequence[object]) -> str:
    """Return one record with its line end (RFC 4180); numbers need no guard."""
    cells = (
        cell(value) if isinstance(value, (int, float)) else guarded(cell(value)) for value in values
    )
    quoted = (
        '"' + text.replace('"', '""') + '"' if _NEEDS_QUOTES.search(text) else text
        for text in cells
    )
    return ",".join(quoted) + "\r\n"


def tsv_line(values: Sequence[object]) -> str:
    """Return one line of cells with a tab between them."""
    return "\t".join(escaped(cell(value)) for value in values) + "\n"


def _item(value: object) -> str:
    return cell(value).replace("\\", "\\\\").replace(";", "\\;")


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


@contextmanager
def _writing() -> Iterator[None]:
    """Say so where data cannot be written; that the reader went away is another thing."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise cannot_be_written(error) from error


def cannot_be_written(error: OSError) -> Internal:
    """Return the error for data that cannot be written; nothing more is written then."""
    with suppress(OSError):
        # Python would complain once more about what is left when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return Internal(f"The output cannot be written ({error.strerror}).")
