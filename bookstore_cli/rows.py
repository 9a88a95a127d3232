"""Books in a file as the rows of an import: NDJSON as it is, CSV made into it.

Read as a stream, never as a whole. What a row must be is the shop's to say; a cell that is not
what it should be is sent as it is, and refused there. Lines keep their numbers: the header and
the lines in between are sent as blank ones.
"""

from __future__ import annotations

import csv
import json
import os
import re
import stat
from contextlib import contextmanager
from itertools import chain
from typing import TYPE_CHECKING, BinaryIO

from bookstore_cli.output import items_of, unguarded
from bookstore_cli.params import padded_price
from servers.domain.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

NEEDED = ("title", "authors", "price", "stock")
OPTIONAL = ("isbn", "topics")
PASSED_OVER = ("id", "currency", "version", "updated_at")
"""What the command prints of a book besides: the shop gives it anew."""

PART_BYTES = 64 * 1024
_MAX_LINE_BYTES = 4 * PART_BYTES
_WHOLE = re.compile(r"[0-9]{1,20}\Z")


class RowFile:
    """An open file of books. ``again``: it can be read from its beginning as often as needed."""

    def __init__(self, file: BinaryIO, name: str, kind: str) -> None:
        self._file = file
        self._name = name
        self._kind = kind
        self.again = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
        self._begins_at = file.tell() if self.again else 0
        self._first = b""
        self._rest: Iterator[bytes] | None = None

    def parts(self) -> Iterator[bytes]:
        """Return the rows as NDJSON, in parts of any size.

        What cannot be read again is only gone once its second part was asked for. Raises
        `InvalidRequest` where the file cannot be read, or is no CSV of books.
        """
        if self.again:
            return self._parts()
        if self._rest is None:
            self._rest = self._parts()
            self._first = next(self._rest, b"")
        return chain([self._first], self._rest)

    def _parts(self) -> Iterator[bytes]:
        try:
            if self.again:
                self._file.seek(self._begins_at)
            yield from self._csv_parts() if self._kind == "csv" else self._as_it_is()
        except OSError as error:
            # An error of the file must not be taken for one of the connection.
            raise InvalidRequest(f"{self._name} cannot be read ({error.strerror}).") from error

    def _as_it_is(self) -> Iterator[bytes]:
        # What a pipe has is sent at once.
        read: Callable[[int], bytes] = getattr(self._file, "read1", self._file.read)
        while part := read(PART_BYTES):
            yield part

    def _csv_parts(self) -> Iterator[bytes]:
        waiting = bytearray()
        for row in self._csv_rows():
            waiting += row
            if len(waiting) >= PART_BYTES or not self.again:
                yield bytes(waiting)
                waiting.clear()
        if waiting:
            yield bytes(waiting)

    def _csv_rows(self) -> Iterator[bytes]:
        """Yield a row for each record, behind as many blank lines as keep its number."""
        reader = csv.reader(self._lines(), strict=True)
        columns: Sequence[str] | None = None
        sent = 0
        while True:
            begins = reader.line_num + 1
            try:
                record = next(reader, None)
            except csv.Error as error:
                why = f"line {begins} is no CSV ({error}); of those before it some may be in"
                raise self._wrong(why) from error
            if record is None:
                return
            if not record:
                continue
            if columns is None:
                columns = self._columns(record)
                continue
            yield b"\n" * (begins - 1 - sent) + row_of(columns, record) + b"\n"
            sent = begins

    def _lines(self) -> Iterator[str]:
        while line := self._file.readline(_MAX_LINE_BYTES + 1):
            if len(line) > _MAX_LINE_BYTES:
                raise self._wrong("a line is too long for CSV; of those before it some may be in")
            yield line.decode("utf-8", "surrogateescape")

    def _columns(self, header: Sequence[str]) -> list[str]:
        columns = [name.removeprefix("\ufeff").strip() for name in header]
        unknown = [name for name in columns if name not in {*NEEDED, *OPTIONAL, *PASSED_OVER}]
        missing = [name for name in NEEDED if name not in columns]
        if unknown:
            known = ", ".join((*NEEDED, *OPTIONAL))
            raise self._wrong(f"the column {unknown[0]!r} is not known; known are {known}")
        if missing or len(set(columns)) != len(columns):
            wrong = f"it has no column {missing[0]!r}" if missing else "a column stands twice"
            raise self._wrong(f"{wrong}; the first line names them, as `-o csv` prints it")
        return columns

    def _wrong(self, why: str) -> InvalidRequest:
        return InvalidRequest(f"{self._name} cannot be imported: {why}.")


@contextmanager
def open_rows(path: str, kind: str) -> Iterator[RowFile]:
    """Open a file of books, ``-`` for standard input. Raises `InvalidRequest` if it cannot."""
    place: str | int = 0 if path == "-" else path
    name = "Standard input" if path == "-" else path
    try:
        with open(place, "rb", closefd=path != "-") as file:
            yield RowFile(file, name, kind)
    except OSError as error:
        raise InvalidRequest(f"{name} cannot be read ({error.strerror}).") from error


def row_of(columns: Sequence[str], record: Sequence[str]) -> bytes:
    """Return the row for a record of cells; what is no UTF-8 in it stays so."""
    cells = dict(zip(columns, map(unguarded, record), strict=False))
    book: dict[str, object] = {
        name: _READ[name](text) for name, text in cells.items() if name in _READ
    }
    if not book.get("isbn"):
        book.pop("isbn", None)
    if len(record) > len(columns):
        book["a cell without a column"] = ""
    text = json.dumps(book, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "surrogateescape")


def _price(text: str) -> str:
    try:
        return padded_price(text)
    except ValueError:
        return text


_READ: dict[str, Callable[[str], object]] = {
    "title": str,
    "authors": items_of,
    "isbn": str,
    "topics": items_of,
    "price": _price,
    "stock": lambda text: int(text) if _WHOLE.match(text) else text,
}
