"""Which other failures are tried again, and which exit code a command ends with."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from tests.cli.fake_frontend import (
    BOOK,
    ORDER,
    ORDER_ID,
    answers,
    babbles,
    closed_port,
    cuts_short,
    dribbles,
    frontend,
    hangs,
    refuses,
    resets,
    says,
)

if TYPE_CHECKING:
    from tests.cli.conftest import Bookstore
    from tests.cli.fake_frontend import Step


KEY = "a-key-of-sixteen-or-more"


BUSY = refuses("overloaded")


@pytest.mark.parametrize("trouble", [resets, cuts_short, BUSY, refuses("internal")])
def test_a_read_is_tried_again(bookstore: Bookstore, trouble: Step) -> None:
    """A read does no harm, so it is repeated."""
    with frontend(trouble, answers(BOOK)) as shop:
        ran = bookstore("info", 2, "--url", shop.url)
    assert ran.code == 0
    assert len(shop.requests) == 2


@pytest.mark.parametrize("step", [resets, hangs, dribbles, refuses("outcome_unknown"), BUSY])
def test_a_read_without_answer_is_unreachable_in_time(bookstore: Bookstore, step: Step) -> None:
    """A read ends within its time-out, with exit 9: nothing can have happened."""
    with frontend(step) as shop:
        started_s = time.monotonic()
        ran = bookstore("info", 2, "--url", shop.url, "--timeout", "0.4")
        spent_s = time.monotonic() - started_s
    assert ran.code == 9
    assert spent_s < 2


@pytest.mark.parametrize(
    "step",
    [
        says(b"<p>hello</p>"),
        says(b"<p>not here</p>", 404),
        says(b"", 302, Location="http://127.0.0.1:1/"),
        says(b"{", content_type="application/json"),
        says(b"[" * 100_000, content_type="application/json"),
        answers([BOOK]),
        answers({"error": "no"}, 404),
        answers(None, 204),
        babbles,
        says(b"x" * (16 * 1024 * 1024 + 1), content_type="application/json"),
    ],
)
def test_a_stranger_is_told_from_the_shop(bookstore: Bookstore, step: Step) -> None:
    """An answer that no bookstore gives is not asked for again, and named as such."""
    with frontend(step) as shop:
        ran = bookstore("info", 2, "--url", shop.url)
    assert ran.code == 9
    assert "does not answer as a bookstore does" in ran.err
    assert "--url" in ran.err
    assert len(shop.requests) == 1


def test_an_edit_is_never_repeated_once_it_was_sent(bookstore: Bookstore) -> None:
    """A lost answer to an edit leaves its outcome unknown, and says how to look."""
    with frontend(answers(BOOK), resets) as shop:
        ran = bookstore("books", "edit", 2, "--price", "1", "--url", shop.url)
    assert ran.code == 10
    assert "bookstore info 2" in ran.err
    assert shop.asked == ["GET /books/2", "PATCH /books/2"]


def test_a_stale_edit_is_not_repeated(bookstore: Bookstore) -> None:
    """A 412 is the end of an edit."""
    with frontend(answers(BOOK), refuses("stale_version", "It moved.")) as shop:
        ran = bookstore("books", "edit", 2, "--title", "New", "--url", shop.url)
    assert (ran.code, ran.err) == (7, "Error: It moved.\n")
    assert len(shop.requests) == 2
    assert shop.requests[1].headers["if-match"] == '"7"'
    assert shop.requests[1].json == {"title": "New"}


@pytest.mark.parametrize(
    "words",
    [
        ("books", "add", "T", "--author", "A", "--price", "1", "--stock", "1"),
        ("books", "restock", "2", "+5"),
    ],
)
def test_adding_and_restocking_are_repeated_with_one_key(
    bookstore: Bookstore, words: tuple[str, ...]
) -> None:
    """A change that carries a key is repeated; if it stays unknown, the key is printed."""
    with frontend(resets, resets, answers(BOOK, 201)) as shop:
        assert bookstore(*words, "--url", shop.url).code == 0
    keys = {request.headers["idempotency-key"] for request in shop.requests}
    assert (len(keys), len(shop.requests)) == (1, 3)
    with frontend(resets) as shop:
        ran = bookstore(*words, "--key", KEY, "--url", shop.url, "--timeout", "0.3")
    assert ran.code == 10
    assert f"--key {KEY}" in ran.err


def test_a_last_attempt_advises_nothing(bookstore: Bookstore) -> None:
    """Of the last attempt its reason is told, and not what it advises: an earlier one may count."""
    refusal = refuses("unavailable", "Nothing was done: no answer in time. Try another shop.")
    with frontend(resets, refusal) as shop:
        ran = bookstore("books", "restock", "2", "+5", "--url", shop.url, "--timeout", "0.5")
    assert ran.code == 10
    assert "The last attempt: Nothing was done: no answer in time. Repeat it with" in ran.err


def test_a_cancel_waits_until_the_copies_are_back(bookstore: Bookstore) -> None:
    """A cancel answered 202 is repeated until the order is cancelled."""
    cancelled = {**ORDER, "state": "cancelled"}
    with frontend(answers({**ORDER, "state": "cancelling"}, 202), answers(cancelled)) as shop:
        ran = bookstore("orders", "cancel", ORDER_ID, "--url", shop.url)
    assert ran.code == 0
    assert shop.asked == [f"POST /orders/{ORDER_ID}/cancel"] * 2


def test_proxies_of_the_environment_are_not_used(
    bookstore: Bookstore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The shop is asked directly, whatever proxy the environment names."""
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, closed_port())
    with frontend(answers(BOOK)) as shop:
        assert bookstore("info", 2, "--url", shop.url).code == 0


def test_a_long_wait_is_announced_once(bookstore: Bookstore) -> None:
    """After a second of trying, one sentence says so; not to a program, nor who wants quiet."""
    # No wait between two attempts is longer than the time in which one of them says it.
    with frontend(*[refuses("internal")] * 100) as shop:
        loud = bookstore("info", 2, "--url", shop.url, "--timeout", "3.5")
        quiet = bookstore("info", 2, "--url", shop.url, "--timeout", "3.5", "-q")
        program = bookstore("info", 2, "--url", shop.url, "--timeout", "3.5", "--json")
    assert loud.err.count("s more at most.") == 1
    assert "s more" not in quiet.err
    assert json.loads(program.err)["code"] == "internal"


def test_nobody_there_is_said_soon(bookstore: Bookstore) -> None:
    """Where no connection is made for two seconds, a command does not try until its time is out."""
    begun_s = time.monotonic()
    ran = bookstore("info", 2, "--url", closed_port(), "--timeout", "20")
    assert ran.code == 9
    assert "connection refused" in ran.err
    assert time.monotonic() - begun_s < 10


def test_a_wait_that_takes_too_long_hides_no_reason(
    bookstore: Bookstore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a machine that stalls between two tries it is told what the first of them met."""
    sleep = time.sleep
    monkeypatch.setattr("time.sleep", lambda _seconds: sleep(0.5))
    ran = bookstore("info", 2, "--url", closed_port(), "--timeout", "0.4")
    assert ran.code == 9
    assert "connection refused" in ran.err
