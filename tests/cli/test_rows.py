"""Files of books as rows: what was exported comes back as it was, and lines keep their numbers."""

from __future__ import annotations

import io
import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bookstore_cli.output import csv_line
from bookstore_cli.rows import open_rows
from bookstore_cli.shop import BOOK as COLUMNS
from servers.domain.errors import InvalidRequest
from tests.outputs.hostile import ALLOWED

if TYPE_CHECKING:
    from pathlib import Path

HEADER = "title,authors,price,stock,topics,isbn\n"
TEXTS = st.text(
    st.characters(exclude_categories=("Cs", "Cc")) | st.sampled_from("=+-@';,\\\" "), min_size=1
)
BOOKS = st.fixed_dictionaries(
    {
        "title": TEXTS,
        "authors": st.lists(TEXTS, min_size=1, max_size=4),
        "topics": st.lists(TEXTS, max_size=4),
        "isbn": st.none() | st.just("9780306406157"),
        "price": st.decimals(0, 10**9, places=2).map(str),
        "stock": st.integers(0, 10**9),
    }
)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file for whatever is to be read."""
    return tmp_path_factory.mktemp("rows") / "books.csv"


def read(file: Path, data: bytes | str, kind: str = "csv") -> bytes:
    """Return what is sent of a file that has this in it."""
    file.write_bytes(data.encode() if isinstance(data, str) else data)
    with open_rows(str(file), kind) as rows:
        return b"".join(rows.parts())


def rows_of(sent: bytes) -> dict[int, Any]:
    """Return the rows by the numbers of their lines."""
    lines = enumerate(sent.split(b"\n"), 1)
    return {number: json.loads(line) for number, line in lines if line}


def exported(*books: dict[str, Any]) -> str:
    """Return books as the command prints them as CSV."""
    shown = {"id": 7, "currency": "USD", "version": 3, "updated_at": "2026-01-01T00:00:00.000Z"}
    whole = [{**shown, **book} for book in books]
    records = [COLUMNS, *[[book[name] for name in COLUMNS] for book in whole]]
    return "".join(map(csv_line, records))


def as_sent(book: dict[str, Any]) -> dict[str, Any]:
    """Return the row that a book is sent as: without an ISBN where it has none."""
    return {name: value for name, value in book.items() if value is not None}


@given(books=st.lists(BOOKS, max_size=5))
def test_what_was_exported_comes_back(file: Path, books: list[dict[str, Any]]) -> None:
    """Whatever the texts of books are, their export is imported as what they are."""
    sent = rows_of(read(file, exported(*books)))
    assert list(sent.values()) == [as_sent(book) for book in books]
    assert list(sent) == [2 + place for place in range(len(books))]


@pytest.mark.parametrize("name", ALLOWED)
def test_odd_titles_come_back(file: Path, name: str) -> None:
    """A formula, a quote, a sign of a list: each loses what the export guarded it with."""
    text = ALLOWED[name]
    book = {
        "title": text,
        "authors": [text, text],
        "topics": [text[:200]],
        "isbn": None,
        "price": "1.00",
        "stock": 0,
    }
    assert rows_of(read(file, exported(book))) == {2: as_sent(book)}


def test_ndjson_goes_as_it_is(file: Path) -> None:
    """Not a byte of it is changed, whatever it is."""
    data = b"\xff\x00\n\r\n{}" * 50_000
    assert read(file, data, "ndjson") == data


def test_lines_keep_their_numbers(file: Path) -> None:
    """Blank lines and line feeds in cells count, so that a row is told of by its own line."""
    text = '\n\ufeffauthors,title,"price",stock\r\n\nA,1,1,1\r\n"A\n B",2,1,1\n\nC,3,1,1'
    sent = rows_of(read(file, text.replace("\ufeff", "")))
    assert {line: row["title"] for line, row in sent.items()} == {4: "1", 5: "2", 8: "3"}
    assert rows_of(read(file, "\ufeff" + HEADER + "A,B,1,1,,\n")).keys() == {2}


@pytest.mark.parametrize(
    ("record", "row"),
    [
        ("A,B,9.5,3,,", {"price": "9.50", "stock": 3, "topics": []}),
        ("A,B,9,3,x; y,", {"price": "9.00", "stock": 3, "topics": ["x", "y"]}),
        ("A,B,cheap,many,,", {"price": "cheap", "stock": "many", "topics": []}),
        ("A,B,-1,-1,,", {"price": "-1", "stock": "-1", "topics": []}),
        ("A,B,1,1.0,,12", {"price": "1.00", "stock": "1.0", "topics": [], "isbn": "12"}),
        ("A,B,1", {"price": "1.00"}),
        (
            "A,B,1,1,,,more",
            {"price": "1.00", "stock": 1, "topics": [], "a cell without a column": ""},
        ),
    ],
)
def test_what_cells_become(file: Path, record: str, row: dict[str, Any]) -> None:
    """Prices get their places; what is not right goes as it is, for the shop to refuse."""
    (sent,) = rows_of(read(file, HEADER + record)).values()
    assert sent == {"title": "A", "authors": ["B"], **row}


def test_what_is_no_text_stays_so(file: Path) -> None:
    """Bytes that are no UTF-8 are sent as they are: the shop refuses that row, and no other."""
    sent = read(file, HEADER.encode() + b"\xff,B,1,1,,\nA,B,1,1,,\n")
    assert [b"\xff" in line for line in sent.split(b"\n")] == [False, True, False, False]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("title,authors,price\n", "it has no column 'stock'"),
        ("title,title,authors,price,stock\n", "a column stands twice"),
        (HEADER.replace("isbn", "ISBN"), "the column 'ISBN' is not known"),
        ('{"title": "A"}\n', "is not known"),
        (HEADER + 'A,B,1,1,,\n"C', "line 3 is no CSV"),
        (HEADER + '"A"x,B,1,1,,\n', "line 2 is no CSV"),
        (HEADER + '"' + "x\n" * 100_000, "line 2 is no CSV"),
        (HEADER + "x" * 300_000, "too long"),
        ("\x00\n", "is not known"),
    ],
)
def test_what_is_no_csv_of_books(file: Path, text: str, why: str) -> None:
    """It is refused in a sentence; nothing of it is kept in memory as a whole."""
    with pytest.raises(InvalidRequest, match=f"books.csv cannot be imported: .*{why}"):
        read(file, text)


def test_an_empty_file_has_no_rows(file: Path) -> None:
    """Neither without a header nor with one alone."""
    assert read(file, "") == read(file, HEADER) == b""


def test_a_file_is_read_again(file: Path) -> None:
    """As often as needed, from where it stood; a pipe is not."""
    file.write_bytes(b"skipped\n{}\n")
    with open_rows(str(file), "ndjson") as rows:
        assert rows.again
        assert [b"".join(rows.parts()) for _ in range(3)] == [file.read_bytes()] * 3
    reader, writer = os.pipe()
    with io.FileIO(writer, "w") as pipe:
        pipe.write(b"{}\n")
    with open_rows(f"/dev/fd/{reader}", "ndjson") as rows:
        assert not rows.again
        assert next(rows.parts()) == b"{}\n", "nothing but its first part was asked for"
        assert b"".join(rows.parts()) == b"{}\n"
    os.close(reader)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    """A folder, or a file that is gone, is refused in a sentence."""
    for path in (tmp_path, tmp_path / "gone.csv"):
        with pytest.raises(InvalidRequest, match="cannot be read"), open_rows(str(path), "csv"):
            pass
