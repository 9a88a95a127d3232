"""A shop that sends what no shop of ours would: the command shows it and does not obey."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.cli.fake_frontend import BOOK, ORDER, frontend, refuses, says
from tests.outputs.hostile import SENT, hidden_in, width

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Bookstore, Ran


@pytest.fixture
def bookstore(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Bookstore:
    """Run one command in this process, with a folder of its own for a token."""
    from bookstore_cli.main import run
    from tests.cli.conftest import TOKEN, Ran

    token = tmp_path / "admin.token"
    token.write_text(TOKEN + "\n")
    token.chmod(0o600)

    def call(*words: object) -> Ran:
        code = run([str(word) for word in ("--token-file", token, *words)])
        captured = capfd.readouterr()
        return Ran(code, captured.out, captured.err)

    return call


@pytest.mark.parametrize("name", SENT)
def test_sentences_of_errors_are_one_line(bookstore: Bookstore, name: str) -> None:
    """A refusal is told in one line in which nothing acts, and as JSON in plain ASCII."""
    with frontend(refuses("book_not_found", SENT[name])) as shop:
        told = bookstore("info", 9, "--url", shop.url)
        coded = bookstore("info", 9, "--json", "--url", shop.url)
    assert told.code == coded.code == 5
    assert told.err.splitlines() == [told.err.rstrip("\n")]
    assert not hidden_in(told.err)
    assert coded.err.isascii()
    assert json.loads(coded.err)["detail"] == SENT[name]


@pytest.mark.parametrize("name", SENT)
def test_a_purchase_tells_its_title_harmlessly(bookstore: Bookstore, name: str) -> None:
    """So do the sentences after a purchase, on standard error, and the table before them."""
    order = {**ORDER, "title": SENT[name], "currency": SENT[name], "id": SENT[name]}
    body = json.dumps(order).encode()
    with frontend(says(body, 201, "application/json")) as shop:
        ran = bookstore("buy", 2, "-o", "table", "--url", shop.url)
    assert ran.code == 0
    assert not hidden_in(ran.out + ran.err)
    assert len(ran.err.splitlines()) == 2


@pytest.mark.parametrize("name", SENT)
def test_a_row_stays_a_row(bookstore: Bookstore, name: str) -> None:
    """Title, author and topic in a table of 80 columns and in a line of tsv."""
    row = {"id": 1, "title": SENT[name], "authors": [SENT[name]], "price": "1.00", "stock": 1}
    body = json.dumps([row]).encode()
    with frontend(says(body, content_type="application/json")) as shop:
        table = bookstore("search", "x", "-o", "table", "--url", shop.url)
        tsv = bookstore("search", "x", "-o", "tsv", "--url", shop.url)
        ndjson = bookstore("search", "x", "-o", "ndjson", "--url", shop.url)
    assert not hidden_in(table.out)
    assert {width(line) for line in table.out.splitlines()} == {80} or name not in {"wide", "long"}
    assert max(width(line) for line in table.out.splitlines()) <= 80
    assert len(tsv.out.splitlines()) == 2
    assert tsv.out.splitlines()[1].count("\t") == 4
    assert not hidden_in(tsv.out.replace("\t", ""))
    assert [json.loads(line) for line in ndjson.out.split("\n") if line] == [row]


@pytest.mark.parametrize("name", SENT)
def test_a_price_or_state_of_the_wrong_kind_is_text(bookstore: Bookstore, name: str) -> None:
    """Columns that are never broken, as a state, are made harmless like all others."""
    order = {**ORDER, "state": SENT[name], "unit_price": SENT[name], "decided_at": SENT[name]}
    with frontend(says(json.dumps([order]).encode(), content_type="application/json")) as shop:
        ran = bookstore("orders", "list", "-o", "table", "--url", shop.url)
    assert ran.code == 0
    assert not hidden_in(ran.out)


def test_what_was_typed_is_told_harmlessly(bookstore: Bookstore) -> None:
    """A mistake of usage repeats what was typed with nothing in it that acts."""
    for text in SENT.values():
        if "\0" not in text and text.isprintable() is False:
            ran = bookstore("info", text)
            assert ran.code == 2
            assert not hidden_in(ran.err)


def test_json_of_a_bad_encoding_is_no_answer(bookstore: Bookstore) -> None:
    """Bytes that are no UTF-8 are refused as not the shop's, in one line."""
    with frontend(says(b'{"title": "\xff"}', content_type="application/json")) as shop:
        ran = bookstore("info", 2, "--url", shop.url)
    assert ran.code != 0
    assert len(ran.err.splitlines()) == 1
    assert not hidden_in(ran.err)


def test_a_book_in_full(bookstore: Bookstore) -> None:
    """All fields of a book are hostile at once, and nothing of them acts."""
    for text in SENT.values():
        book = {name: [text] if isinstance(was, list) else text for name, was in BOOK.items()}
        with frontend(says(json.dumps(book).encode(), content_type="application/json")) as shop:
            ran = bookstore("info", 2, "-o", "table", "--url", shop.url)
        assert not hidden_in(ran.out)
        assert max(width(line) for line in ran.out.splitlines()) <= 80
