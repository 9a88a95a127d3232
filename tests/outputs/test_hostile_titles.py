"""Titles, authors and reasons that would act, hide or break lines, through the real command."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from bookstore_cli.output import items_of, unguarded
from tests.outputs.hostile import ALLOWED, hidden_in, width
from tests.support.shop import clean_environ, open_shop

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.shop import Shop

TOPIC = "hostile"
KINDS = ("table", "tsv", "csv", "json", "ndjson")
LISTS = {
    "search": ("search", TOPIC, "--all"),
    "orders": ("orders", "list", "--all"),
    "ledger": ("books", "ledger", "1", "--all"),
}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A shop that sells a book of every hostile title, one copy of each sold."""
    with open_shop(tmp_path_factory.mktemp("outputs") / "shop", sample="false") as shop:
        for title in ALLOWED.values():
            book = {"title": title, "authors": [title, "B; C"], "price": "1.00", "stock": 5}
            said = shop.request("POST", "/books", {**book, "topics": [TOPIC]}, admin=True)
            assert said.status == 201, said.body
            assert shop.request("POST", f"/purchase/{said.json['id']}").status == 201
            why = {"change": 1, "reason": title[:256]}
            path, any_version = "/books/1/stock", {"If-Match": "*"}
            assert shop.request("POST", path, why, any_version, admin=True).status == 200
        assert shop.request("POST", "/purchase/1", {"max_price": "0.01"}).status == 409
        yield shop


@pytest.fixture(scope="module")
def titles() -> list[str]:
    """The titles as the shop keeps them."""
    import unicodedata

    return [unicodedata.normalize("NFC", title) for title in ALLOWED.values()]


def _on_a_terminal(data: Path, *words: str) -> str:
    """Run a command on a terminal of 80 columns and return all that stood there."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "bookstore_cli", "--data", str(data), *words],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=clean_environ() | {"COLUMNS": "80", "TERM": "xterm", "PYTHONUTF8": "1"},
    )
    os.close(theirs)
    seen = b""
    while chunk := _chunk(ours):
        seen += chunk
    os.close(ours)
    process.wait(30)
    return seen.decode().replace("\r\n", "\n")


def _plain(seen: str) -> str:
    """Return what was seen without the bold type of our own headings."""
    return seen.replace("\x1b[1m", "").replace("\x1b[0m", "")


def _chunk(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux says so when the last writer has closed its side.
        return b""


def _piped(data: Path, *words: str) -> str:
    """Run a command into a pipe and return its bytes as text, line ends as they are."""
    done = subprocess.run(
        [sys.executable, "-m", "bookstore_cli", "--data", str(data), "-q", *words],
        capture_output=True,
        check=True,
        env=clean_environ() | {"PYTHONUTF8": "1"},
    )
    assert done.stderr == b""
    return done.stdout.decode("utf-8", "surrogatepass")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", [*LISTS, "info"])
def test_a_terminal_shows_and_does_nothing(shop: Shop, name: str, kind: str) -> None:
    """In every form: no control, no bidi or zero-width mark, nothing private gets through."""
    words = LISTS.get(name, ("info", *(str(number + 1) for number in range(len(ALLOWED)))))
    seen = _on_a_terminal(shop.data, *words, "-o", kind, "--color", "never")
    assert seen.count("\n") >= len(ALLOWED) or kind == "json"
    seen = _plain(seen) if kind == "table" else seen
    # The cells of tsv have tabs between them.
    assert not hidden_in(seen.replace("\t", "") if kind == "tsv" else seen)


@pytest.mark.parametrize("name", LISTS)
def test_tables_stay_in_line(shop: Shop, name: str) -> None:
    """Wide, combining and long texts, emoji of several parts: 80 columns, every line alike."""
    seen = _on_a_terminal(shop.data, *LISTS[name], "--color", "never")
    for line in _plain(seen).splitlines():
        assert width(line) == 80, ascii(line)


def test_markup_is_printed_as_it_is(shop: Shop) -> None:
    """Brackets that rich would read are letters in a title."""
    seen = _on_a_terminal(shop.data, "info", str([*ALLOWED].index("markup") + 1))
    assert ALLOWED["markup"] in seen


@pytest.mark.parametrize("words", [("info", "1"), ("orders", "list"), ("buy", "2"), ("topics",)])
def test_things_fit_a_terminal(shop: Shop, words: tuple[str, ...]) -> None:
    """A block of names and values is no wider than the terminal, whatever its values."""
    seen = _on_a_terminal(shop.data, "-q", *words, "--color", "never")
    assert max(width(line) for line in _plain(seen).splitlines()) <= 80


def test_a_row_of_tsv_is_a_line(shop: Shop, titles: list[str]) -> None:
    """As many lines as books and as many tabs as columns, whoever splits them; and exact."""
    lines = _piped(shop.data, *LISTS["search"], "-o", "tsv").splitlines()
    assert [line.count("\t") for line in lines] == [4] * (len(titles) + 1)
    shown = [line.split("\t")[1] for line in lines[1:]]
    read = [text.encode("latin-1", "backslashreplace").decode("unicode_escape") for text in shown]
    assert read == titles


def test_csv_is_harmless_and_comes_back(shop: Shop, titles: list[str]) -> None:
    """No cell begins a formula; without their guards the cells are the titles and authors."""
    text = _piped(shop.data, *LISTS["search"], "-o", "csv")
    _, *rows = csv.reader(io.StringIO(text, newline=""))
    assert not [cell for row in rows for cell in row if cell[:1] in set("=+-@\t\r\n\uff1d")]
    assert [unguarded(row[1]) for row in rows] == titles
    assert [items_of(unguarded(row[2])) for row in rows] == [[it, "B; C"] for it in titles]


def test_json_is_exact(shop: Shop, titles: list[str]) -> None:
    """In both forms, in a pipe as on a terminal, the values are what the shop keeps."""
    for run in (_piped, _on_a_terminal):
        one = json.loads(run(shop.data, "-q", *LISTS["search"], "-o", "json"))
        many = run(shop.data, "-q", *LISTS["search"], "-o", "ndjson").strip("\n").split("\n")
        assert [book["title"] for book in one] == titles
        assert [json.loads(line) for line in many] == one


def test_the_reasons_of_a_ledger_can_be_read(shop: Shop) -> None:
    """At 80 columns a code stands whole in the last column, beside the time and the stock."""
    seen = _on_a_terminal(shop.data, *LISTS["ledger"], "--color", "never")
    (refused,) = [line for line in seen.splitlines() if "refused" in line]
    assert refused.split()[-2:] == ["refused", "price_changed"]


def test_nothing_of_it_is_in_the_log(shop: Shop) -> None:
    """Each line of the log is printable ASCII, and none has a title in it."""
    shop.request("GET", "/search/%E2%80%AE%F0%9F%91%8D")
    assert shop.log.isascii()
    assert shop.log.replace("\n", "").isprintable()
    assert "owned" not in shop.log
