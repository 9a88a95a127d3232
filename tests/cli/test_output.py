"""Each form of output says the same, and none can be misread."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bookstore_cli.output import cell, csv_line, guarded, items_of, tsv_line, unguarded
from tests.cli.fake_frontend import BOOK, ORDER, ORDER_ID, answers, frontend, refuses, says

if TYPE_CHECKING:
    from tests.cli.conftest import Bookstore

_FOUND = [
    {"id": 1, "title": "=1+1", "authors": ["A; B", "C"], "price": "1.00", "stock": 0},
    {"id": 2, "title": 'Tab\tand "quote"', "authors": ["D"], "price": "2.00", "stock": 5},
]


def test_a_pipe_gets_tab_separated_lines_with_a_header(bookstore: Bookstore) -> None:
    """Into a pipe goes tsv, with tabs in values written as escapes."""
    with frontend(answers(_FOUND)) as shop:
        ran = bookstore("search", "topic", "--url", shop.url)
    assert ran.out.splitlines() == [
        "id\ttitle\tauthors\tprice\tstock",
        "1\t=1+1\tA\\\\; B; C\t1.00\t0",
        '2\tTab\\tand "quote"\tD\t2.00\t5',
    ]


def test_csv_is_safe_in_a_spreadsheet(bookstore: Bookstore) -> None:
    """A formula gets a leading quote, lines end with CRLF, quotes are doubled (RFC 4180)."""
    with frontend(answers(_FOUND)) as shop:
        ran = bookstore("search", "topic", "-o", "csv", "--url", shop.url)
    rows = list(csv.reader(io.StringIO(ran.out, newline="")))
    assert "\r\n" in ran.out
    assert rows[1][1] == "'=1+1"
    assert rows[2][1] == 'Tab\tand "quote"'
    assert items_of(rows[1][2]) == ["A; B", "C"]


def test_json_is_what_the_server_sent(bookstore: Bookstore) -> None:
    """One id prints the body as it is; several print an array of bodies."""
    body = b'{"id": 2,  "title":"\\u001b[1m \xc2\x9b"}'
    with frontend(says(body, content_type="application/json")) as shop:
        one = bookstore("info", 2, "--json", "--url", shop.url)
        two = bookstore("--json", "info", 2, 2, "--url", shop.url)
    assert one.out.encode() == body + b"\n"
    assert two.out.encode() == b"[" + body + b"," + body + b"]\n"


def test_ndjson_is_one_object_a_line(bookstore: Bookstore) -> None:
    """Every row is one line of JSON."""
    with frontend(answers(_FOUND)) as shop:
        ran = bookstore("search", "topic", "-o", "ndjson", "--url", shop.url)
    assert [json.loads(line) for line in ran.out.splitlines()] == _FOUND


def test_nothing_found_is_an_empty_list(bookstore: Bookstore) -> None:
    """An empty result is a header in tsv, an empty array in json, and success in both."""
    with frontend(answers([])) as shop:
        tsv = bookstore("search", "topic", "--url", shop.url)
        listed = bookstore("search", "topic", "--json", "--url", shop.url)
        table = bookstore("search", "topic", "-o", "table", "--url", shop.url)
    assert (tsv.code, tsv.out) == (0, "id\ttitle\tauthors\tprice\tstock\n")
    assert (listed.code, listed.out) == (0, "[]\n")
    assert (table.code, table.out, table.err) == (0, "", "Nothing found.\n")


def test_a_table_prints_markup_and_controls_as_they_are(bookstore: Bookstore) -> None:
    """Markup in a title is no markup, and an escape sequence in it is visible."""
    book = {**BOOK, "title": "[red]x[/red] \x1b[31m 東京"}
    with frontend(answers(book)) as shop:
        ran = bookstore("info", 2, "-o", "table", "--url", shop.url)
    assert "[red]x[/red] \\x1b[31m 東京" in ran.out
    assert "\x1b" not in ran.out


def test_a_long_title_fits_80_columns(bookstore: Bookstore) -> None:
    """Long and wide titles wrap; ids, prices and stocks stay whole."""
    rows = [{**_FOUND[0], "id": 10**12, "title": "東京 " * 60, "price": "1000000000.00"}]
    with frontend(answers(rows)) as shop:
        ran = bookstore("search", "topic", "-o", "table", "--url", shop.url)
    widths = [sum(2 if ord(c) > 0x2E80 else 1 for c in line) for line in ran.out.splitlines()]
    assert max(widths) <= 80
    assert "1000000000000" in ran.out
    assert "1000000000.00" in ran.out
    assert ran.out.count("東") == 60


def test_colour_is_only_where_it_is_wanted(bookstore: Bookstore) -> None:
    """A table into a pipe is plain unless colour is asked for."""
    with frontend(answers(BOOK)) as shop:
        auto = bookstore("info", 2, "-o", "table", "--url", shop.url)
        always = bookstore("info", 2, "-o", "table", "--color", "always", "--url", shop.url)
    assert "\x1b[" not in auto.out
    assert "\x1b[1m" in always.out


def test_errors_are_problem_objects_for_programs(bookstore: Bookstore) -> None:
    """With json or ndjson a refusal on stderr is the problem object."""
    with frontend(refuses("book_not_found", "There is no book 9.", book_id=9)) as shop:
        ran = bookstore("info", 9, "-o", "ndjson", "--url", shop.url)
    assert (ran.code, ran.out) == (5, "")
    assert json.loads(ran.err) == {
        "type": "/problems/book_not_found",
        "title": "Book not found",
        "status": 404,
        "detail": "There is no book 9.",
        "code": "book_not_found",
        "book_id": 9,
    }


def test_error_sentences_cannot_act_on_a_terminal(bookstore: Bookstore) -> None:
    """An escape sequence in a server's sentence, or in what was typed, is made visible."""
    with frontend(refuses("book_not_found", "No \x1b[2J\u202e book.")) as shop:
        ran = bookstore("info", 9, "--url", shop.url)
    assert ran.err == "Error: No \\x1b[2J\\u202e book.\n"
    assert "\x1b" not in bookstore("topics", "\x1b[2J").err


@given(st.text(), st.text())
def test_csv_reads_back_unchanged(first: str, second: str) -> None:
    """Any two texts come back from a record, once the guard is taken off."""
    line = csv_line([first, second])
    (record,) = csv.reader(io.StringIO(line, newline=""))
    assert [unguarded(text) for text in record] == [first, second]


@given(st.text(min_size=1))
def test_no_text_is_a_formula(text: str) -> None:
    """A guarded text begins with nothing that a spreadsheet would run."""
    assert not guarded(text).startswith(("=", "+", "-", "@", "\t", "\r"))


@given(st.lists(st.text(min_size=1)))
def test_lists_read_back_unchanged(items: list[str]) -> None:
    """The items of a list come back from their cell."""
    assert items_of(cell(items)) == items


@given(st.lists(st.text(), min_size=1))
def test_a_row_is_always_one_line(values: list[str]) -> None:
    """No value can break a tsv line or add a cell to it."""
    line = tsv_line(values)
    assert line.splitlines(keepends=True) == [line]
    assert line.count("\t") == len(values) - 1


def test_numbers_need_no_guard() -> None:
    """A negative number stays a number in csv, and a truth is written as in the other forms."""
    assert csv_line([-2, None, True, ["=a"]]) == "-2,,true,'=a\r\n"


def test_order_ids_stay_whole_in_80_columns(bookstore: Bookstore) -> None:
    """An order id in a table can be copied; the title takes what room is left."""
    words = ["One", "or", "another", "title", "that", "is", "very", "long"]
    order = {**ORDER, "quantity": 10**6, "book_id": 10**6, "title": " ".join(words)}
    with frontend(answers([order])) as shop:
        ran = bookstore("orders", "list", "-o", "table", "--url", shop.url)
    assert ORDER_ID in ran.out
    assert set(words) <= set(ran.out.split())
    assert max(len(line) for line in ran.out.splitlines()) <= 80


def test_why_an_order_was_rejected_is_listed(bookstore: Bookstore) -> None:
    """In a table in words that a narrow column breaks whole; elsewhere as the shop's code."""
    rejected = {**ORDER, "state": "rejected", "reason": "version_conflict"}
    rows = [{**rejected, "quantity": 10**6, "book_id": 10**6}, {**ORDER, "reason": None}]
    with frontend(answers(rows)) as shop:
        table = bookstore("orders", "list", "-o", "table", "--url", shop.url)
        tsv = bookstore("orders", "list", "-o", "tsv", "--url", shop.url)
    head, _, first, second, *_ = (line for line in table.out.splitlines() if line.strip())
    assert head.split() == ["id", "state", "book", "copies", "title", "reason"]
    assert (first.split()[-1], second.split()[-1]) == ("version", "conflict")
    assert max(len(line) for line in table.out.splitlines()) <= 80
    cells = [line.split("\t")[-1] for line in tsv.out.splitlines()]
    assert cells == ["reason", "version_conflict", ""]


def test_no_room_is_spent_on_reasons_that_are_none(bookstore: Bookstore) -> None:
    """Where no order was rejected the titles have the room."""
    with frontend(answers([{**ORDER, "reason": None}])) as shop:
        ran = bookstore("orders", "list", "-o", "table", "--url", shop.url)
    assert "reason" not in ran.out


@pytest.mark.parametrize(
    ("columns", "at"), [("71", "2026-01-01T00:00:00Z"), ("120", "2026-01-01T00:00:00.000Z")]
)
def test_times_are_cut_before_a_table_becomes_blocks(
    bookstore: Bookstore, monkeypatch: pytest.MonkeyPatch, columns: str, at: str
) -> None:
    """The room for a line is measured with the times that it would show."""
    monkeypatch.setenv("COLUMNS", columns)
    row = {"number": 41, "at": "2026-01-01T00:00:00.000Z", "kind": "received", "change": 5}
    row |= {"version_after": 2, "stock_after": 5, "reason": "a parcel came"}
    with frontend(answers([row])) as shop:
        ran = bookstore("books", "ledger", 39, "-o", "table", "--url", shop.url)
    head, _, line, *_ = (line for line in ran.out.splitlines() if line.strip())
    assert head.split() == ["number", "at", "kind", "change", "version", "stock", "reason"]
    assert line.split()[:3] == ["41", at, "received"]
    assert max(len(line) for line in ran.out.splitlines()) <= int(columns)


def test_a_narrow_terminal_cuts_nothing_off(
    bookstore: Bookstore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where ids and states leave no room for a line, each row is a block of names and values."""
    monkeypatch.setenv("COLUMNS", "40")
    with frontend(answers([ORDER, ORDER])) as shop:
        orders = bookstore("orders", "list", "-o", "table", "--url", shop.url)
    with frontend(answers(_FOUND)) as shop:
        books = bookstore("search", "topic", "-o", "table", "--url", shop.url)
    lines = orders.out.splitlines()
    assert max(len(line) for line in lines) <= 40
    assert [line.split()[1] for line in lines if line.startswith("state")] == ["confirmed"] * 2
    assert "".join(line.split()[-1] for line in lines[:2]) == ORDER_ID
    assert books.out.split()[:5] == ["id", "title", "authors", "price", "stock"]
