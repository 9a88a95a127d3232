"""`bookstore books import`: what is sent, what is told, and what is repeated when it breaks off."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.fake_frontend import answers, closed_port, frontend, refuses, resets

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Bookstore

KEY = "a-key-of-an-import"
ROW = b'{"title": "A", "authors": ["B"], "price": "1.00", "stock": 1}\n'
DONE = {
    "read": 2,
    "added": 2,
    "replayed": 0,
    "refused": 0,
    "problems": [],
    "problems_left_off": 0,
}
PARTLY = {
    **DONE,
    "added": 0,
    "replayed": 1,
    "refused": 1,
    "problems": [{"line": 7, "code": "invalid_request", "detail": "No \x1b[31m.", "field": "x"}],
    "problems_left_off": 3,
}
SERVER_LOST: dict[str, Any] = {"line": 64, "idempotency_key": "its-own-key-00001"}


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """A file of two books."""
    file = tmp_path / "books.ndjson"
    file.write_bytes(ROW * 2)
    return file


def test_a_file_is_sent_as_it_is(bookstore: Bookstore, rows: Path) -> None:
    """Its rows go in one request, under a key that is made and printed."""
    with frontend(answers(DONE)) as shop:
        ran = bookstore("books", "import", rows, "--url", shop.url)
    (request,) = shop.requests
    assert (request.method, request.path, request.body) == ("POST", "/books/import", ROW * 2)
    assert request.headers["content-type"] == "application/x-ndjson"
    assert request.headers["authorization"] == "Bearer " + "0" * 64
    assert "x-deadline-ms" not in request.headers
    assert ran.code == 0
    assert f"--key {request.headers['idempotency-key']}" in ran.err
    assert ran.err.splitlines()[-1] == "2 books were added."
    assert ran.out.splitlines() == [
        "read\tadded\treplayed\trefused\tproblems_left_off",
        "2\t2\t0\t0\t0",
    ]


def test_refused_rows_are_told(bookstore: Bookstore, rows: Path) -> None:
    """Each has a sentence with its line, in which nothing acts; the exit is 8."""
    with frontend(answers(PARTLY)) as shop:
        ran = bookstore("books", "import", rows, "--key", KEY, "--url", shop.url)
    assert ran.code == 8
    assert ran.err.splitlines() == [
        "line 7: No \\x1b[31m.",
        "3 more were refused.",
        "0 books were added, 1 was in already, 1 refused.",
    ]


@pytest.mark.parametrize("kind", ["json", "ndjson"])
def test_a_program_gets_the_body(bookstore: Bookstore, rows: Path, kind: str) -> None:
    """The server's own object, with all that was refused; stderr has no sentence of a row."""
    with frontend(answers(PARTLY)) as shop:
        ran = bookstore("books", "import", rows, "-o", kind, "--url", shop.url)
    assert ran.code == 8
    assert json.loads(ran.out) == PARTLY
    assert "line 7" not in ran.err


def test_csv_by_its_ending_or_by_name(bookstore: Bookstore, tmp_path: Path) -> None:
    """A file that ends with .csv is CSV; of another the format is asked for."""
    text = "id,title,authors,price,stock\n1,'=A,B; C,1.5,2\n"
    for name, words in (("x.csv", ()), ("x.CSV", ()), ("x", ("--format", "csv"))):
        file = tmp_path / name
        file.write_text(text)
        with frontend(answers(DONE)) as shop:
            assert bookstore("books", "import", file, *words, "--url", shop.url).code == 0
        blank, row = shop.requests[0].body.splitlines()
        assert (blank, json.loads(row)) == (
            b"",
            {"title": "=A", "authors": ["B", "C"], "price": "1.50", "stock": 2},
        )
    ran = bookstore("books", "import", tmp_path / "x", "--url", closed_port())
    assert (ran.code, "--format csv" in ran.err) == (2, True)


def test_what_is_no_csv_is_not_sent(bookstore: Bookstore, tmp_path: Path) -> None:
    """A file without the columns that a book needs is refused (exit 8)."""
    file = tmp_path / "x.csv"
    file.write_text("name,price\n")
    with frontend(answers(DONE)) as shop:
        ran = bookstore("books", "import", file, "--url", shop.url)
    assert (ran.code, shop.requests) == (8, [])
    assert "the column 'name' is not known" in ran.err


@pytest.mark.parametrize(
    "fault", [resets, refuses("unavailable"), refuses("outcome_unknown", **SERVER_LOST)]
)
def test_a_file_is_repeated_with_its_key(bookstore: Bookstore, rows: Path, fault: object) -> None:
    """Whatever became of the first try, the second adds nothing twice."""
    with frontend(fault, fault, answers(DONE)) as shop:  # type: ignore[arg-type]  # steps, all
        ran = bookstore("books", "import", rows, "--url", shop.url)
    assert ran.code == 0
    assert [request.body for request in shop.requests] == [ROW * 2] * 3
    assert len({request.headers["idempotency-key"] for request in shop.requests}) == 1


def test_a_file_that_breaks_off_until_the_time_is_over(bookstore: Bookstore, rows: Path) -> None:
    """It ends without an outcome (exit 10), names the key, and does not go on for ever."""
    with frontend(resets) as shop:
        ran = bookstore("books", "import", rows, "--timeout", "0.5", "--url", shop.url)
    (key,) = {request.headers["idempotency-key"] for request in shop.requests}
    assert ran.code == 10
    assert f"repeat with: the same command with --key {key}" in ran.err
    assert len(shop.requests) > 3


def piped(url: str, folder: Path, *words: str) -> subprocess.CompletedProcess[bytes]:
    """Import two books from a pipe, in a process of its own."""
    command = [sys.executable, "-m", "bookstore_cli", "--data", str(folder)]
    token = ["--token-file", str(folder / "admin.token")]
    return subprocess.run(
        [*command, "books", "import", "-", "--url", url, *token, *words],
        input=ROW * 2,
        capture_output=True,
        check=False,
        env={**os.environ},
    )


def test_a_pipe_is_sent(folder: Path) -> None:
    """Standard input is NDJSON where nothing else is said."""
    with frontend(answers(DONE)) as shop:
        ran = piped(shop.url, folder)
    assert (ran.returncode, [request.body for request in shop.requests]) == (0, [ROW * 2])


@pytest.mark.parametrize(
    ("fault", "code"),
    [(resets, 10), (refuses("unavailable"), 9), (refuses("outcome_unknown", **SERVER_LOST), 10)],
)
def test_a_pipe_is_not_repeated(folder: Path, fault: object, code: int) -> None:
    """What was read of it is gone: the command ends with what it knows, and with the key."""
    with frontend(fault, answers(DONE)) as shop:  # type: ignore[arg-type]  # steps, both
        ran = piped(shop.url, folder, "--key", KEY)
    assert (ran.returncode, shop.asked.count("POST /books/import")) == (code, 1)
    assert (KEY.encode() in ran.stderr) == (code == 10)


def test_nobody_there(bookstore: Bookstore, rows: Path) -> None:
    """Nothing was sent, and nothing happened (exit 9)."""
    ran = bookstore("books", "import", rows, "--timeout", "0.3", "--url", closed_port())
    assert ran.code == 9


@pytest.mark.parametrize(("code", "exit_code"), [("unauthorized", 4), ("body_too_large", 8)])
def test_it_is_refused_as_a_whole(
    bookstore: Bookstore, rows: Path, code: str, exit_code: int
) -> None:
    """A refusal of the shop's is the end, whatever it is for."""
    with frontend(refuses(code)) as shop:
        assert bookstore("books", "import", rows, "--url", shop.url).code == exit_code
    assert len(shop.requests) == 1
