"""What the commands for staff send."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from servers.catalog.wire import EntryBody
from tests.cli.conftest import needs_full_device, run_into_full_device
from tests.cli.fake_frontend import (
    BOOK,
    ORDER,
    answers,
    frontend,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Bookstore


def test_adding_sends_the_whole_book(bookstore: Bookstore) -> None:
    """Authors and topics are lists, the price gets its two places."""
    words = ("--author", "B", "--author", "C", "--topic", "t", "--price", "9.5", "--stock", 0)
    with frontend(answers(BOOK, 201)) as shop:
        ran = bookstore("books", "add", "A", *words, "--isbn", "123", "--url", shop.url)
    assert ran.code == 0
    assert shop.requests[0].json == {
        "title": "A",
        "authors": ["B", "C"],
        "topics": ["t"],
        "price": "9.50",
        "stock": 0,
        "isbn": "123",
    }


@pytest.mark.parametrize(
    ("words", "body", "match"),
    [
        (("-2",), {"change": -2, "reason": "restock"}, "*"),
        (("+5", "--reason", "-x"), {"change": 5, "reason": "-x"}, "*"),
        (("+5", "--version", "4"), {"change": 5, "reason": "restock"}, '"4"'),
        (("--count", "0", "--version", "4"), {"count": 0, "reason": "restock"}, '"4"'),
        (("--count", "9"), {"count": 9, "reason": "restock"}, '"7"'),
    ],
)
def test_restocking_changes_or_counts(
    bookstore: Bookstore, words: tuple[str, ...], body: object, match: str
) -> None:
    """A change holds for any version, a count for the one that was read or named."""
    with frontend(answers(BOOK)) as shop:
        ran = bookstore("books", "restock", 2, *words, "--url", shop.url)
    assert ran.code == 0
    assert shop.requests[-1].path == "/books/2/stock"
    assert shop.requests[-1].json == body
    assert shop.requests[-1].headers["if-match"] == match


@pytest.mark.parametrize("version", [None, "7", 7.5, True, [7]])
@pytest.mark.parametrize("words", [("edit", 2, "--price", "1"), ("restock", 2, "--count", "9")])
def test_a_version_that_is_none(
    bookstore: Bookstore, words: tuple[object, ...], version: object
) -> None:
    """A book without a version that can be named is no answer of a bookstore; nothing changes."""
    with frontend(answers({**BOOK, "version": version})) as shop:
        ran = bookstore("books", *words, "--url", shop.url)
    assert ran.code == 9
    assert {request.method for request in shop.requests} == {"GET"}
    assert "it names no version of book 2" in ran.err


def test_an_isbn_can_be_taken_away(bookstore: Bookstore) -> None:
    """An empty --isbn means none."""
    with frontend(answers(BOOK)) as shop:
        bookstore("books", "edit", 2, "--isbn", "", "--url", shop.url)
    assert shop.requests[1].json == {"isbn": None}


def test_deleting_without_a_terminal_does_not_ask(bookstore: Bookstore) -> None:
    """In a script a delete goes ahead, for any version unless one is named."""
    with frontend(answers(None, 204)) as shop:
        first = bookstore("books", "delete", 40, "--yes", "--url", shop.url)
        bookstore("books", "delete", 40, "--yes", "--version", 3, "--url", shop.url)
    assert (first.code, first.out) == (0, "")
    assert [request.headers["if-match"] for request in shop.requests] == ["*", '"3"']


def test_the_ledger_shows_every_field(bookstore: Bookstore) -> None:
    """The columns are the same for every book, whatever happened to it."""
    rows = [
        {"number": 2, "kind": "sold", "change": -1},
        {"number": 1, "kind": "received", "at": "x", "reason": "a parcel"},
    ]
    with frontend(answers(rows)) as shop:
        ran = bookstore("books", "ledger", 2, "-o", "tsv", "--url", shop.url)
    header, *lines = [line.split("\t") for line in ran.out.splitlines()]
    assert set(header) == set(EntryBody.__struct_fields__)
    found = [dict(zip(header, line, strict=True)) for line in lines]
    assert [each["change"] for each in found] == ["-1", ""]
    assert [each["reason"] for each in found] == ["", "a parcel"]


def test_a_delete_without_standard_input(
    bookstore: Bookstore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nobody can be asked, as under cron, a delete goes ahead as in any script."""
    monkeypatch.setattr("sys.stdin", None)
    with frontend(answers(None, 204)) as shop:
        ran = bookstore("books", "delete", 40, "--url", shop.url)
    assert (ran.code, shop.asked) == (0, ["DELETE /books/40"])


@pytest.mark.parametrize(
    ("words", "how"),
    [
        (("books", "delete", 2, "--yes"), "look with: bookstore info 2"),
        (("books", "edit", 2, "--price", "1.00"), "look with: bookstore info 2"),
        (("orders", "cancel", "0" * 32), "repeat with: bookstore orders cancel " + "0" * 32),
    ],
)
def test_an_interrupted_change_says_how_to_learn_what_came_of_it(
    bookstore: Bookstore, monkeypatch: pytest.MonkeyPatch, words: tuple[object, ...], how: str
) -> None:
    """Whoever presses Ctrl-C may be too late, and is told so."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    for method in ("call", "cancel"):
        monkeypatch.setattr(f"bookstore_cli.client.Client.{method}", interrupted)
    monkeypatch.setattr("bookstore_cli.client.Client.version_of", lambda *_: 1)
    ran = bookstore(*words)
    assert ran.code == 130
    assert "may or may not have been" in ran.err
    assert how in ran.err
    told = json.loads(bookstore(*words, "-o", "ndjson").err)
    name, _, command = how.partition(": ")
    assert told["code"] == "outcome_unknown"
    assert told[name.replace(" ", "_")] == command


@pytest.mark.parametrize("words", [("info", 2), ("orders", "list"), ("search", "a")])
def test_an_interrupted_look_says_nothing(
    bookstore: Bookstore, monkeypatch: pytest.MonkeyPatch, words: tuple[object, ...]
) -> None:
    """Nothing can have happened, so a program that reads stderr finds nothing there."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("bookstore_cli.client.Client.call", interrupted)
    ran = bookstore(*words, "--json")
    assert (ran.code, ran.out, ran.err) == (130, "", "")


@pytest.mark.parametrize("words", [("restock", 2, "+1"), ("restock", 2, "+1", "--key", "k" * 20)])
def test_an_interrupted_restock_names_its_key(
    bookstore: Bookstore, monkeypatch: pytest.MonkeyPatch, words: tuple[object, ...]
) -> None:
    """Whoever presses Ctrl-C is told how to ask again without restocking twice."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("bookstore_cli.client.Client.call", interrupted)
    ran = bookstore("books", *words)
    assert ran.code == 130
    assert "may or may not have been made" in ran.err
    key = ran.err.split("--key ")[1].split()[0]
    assert key == "k" * 20 if "--key" in words else len(key) == 32
    told = json.loads(bookstore("books", *words, "--json").err)
    assert told["idempotency_key"] in told["repeat_with"]


@needs_full_device
@pytest.mark.parametrize(
    ("words", "answer", "done"),
    [
        (("books", "edit", "2", "--price", "1"), BOOK, "Book 2 was edited."),
        (("orders", "cancel", "0" * 32), ORDER, f"Order {'0' * 32} is confirmed."),
    ],
)
def test_a_change_whose_answer_cannot_be_written_is_told(
    folder: Path, words: tuple[str, ...], answer: object, done: str
) -> None:
    """Where the output takes nothing, the error says that the change was made all the same."""
    with frontend(answers(answer)) as shop:
        ran = run_into_full_device(*words, "--data", str(folder), "--url", shop.url)
    assert ran.returncode == 1
    assert f"The output cannot be written (No space left on device). {done}" in ran.stderr
