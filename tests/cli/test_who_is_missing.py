"""A command that ends without an outcome says which server is missing, if the frontend knows."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from tests.cli.fake_frontend import (
    ORDER_ID,
    PENDING,
    answers,
    babbles,
    frontend,
    hangs,
    refuses,
    resets,
    says,
)

if TYPE_CHECKING:
    from tests.cli.conftest import Bookstore
    from tests.cli.fake_frontend import Handler, Step

READY = "GET /readyz"
CATALOG = {"catalog": "the catalog server did not answer in time"}
BOTH = {**CATALOG, "order": "Not ready: catalog: the catalog server did not answer in time."}


def looked_at(step: Step, readiness: Step) -> Step:
    """Play one step for the question who is ready, and another for all else."""

    def play(handler: Handler) -> None:
        (readiness if handler.path == "/readyz" else step)(handler)

    return play


def not_ready(wrong: object) -> Step:
    """Answer as a frontend does that is not ready."""
    return refuses("unavailable", "Not ready.", not_ready=wrong)


def test_a_purchase_that_stays_pending_names_who_is_missing(bookstore: Bookstore) -> None:
    """One line for each server, between the sentence and the command to repeat; exit 10."""
    with frontend(looked_at(answers(PENDING, 202), not_ready(BOTH))) as shop:
        ran = bookstore("buy", 2, "--url", shop.url, "--timeout", "0.5")
    assert ran.code == 10
    sentence, *lines, again = ran.err.splitlines()
    assert sentence.startswith("Error: The purchase may or may not have been made.")
    assert lines == [
        "catalog is not ready: the catalog server did not answer in time",
        "order is not ready: catalog: the catalog server did not answer in time",
    ]
    assert again.startswith("repeat with: bookstore buy 2 ")
    assert shop.asked.count(READY) == 1
    assert shop.asked[-1] == READY


def test_a_program_finds_it_in_the_problem_object(bookstore: Bookstore) -> None:
    """The member is called as the frontend itself calls it; stderr stays one object."""
    with frontend(looked_at(answers(PENDING, 202), not_ready(CATALOG))) as shop:
        ran = bookstore("buy", 2, "--url", shop.url, "--timeout", "0.5", "--json")
    problem = json.loads(ran.err)
    assert (ran.code, problem["not_ready"]) == (10, CATALOG)
    assert problem["idempotency_key"]


@pytest.mark.parametrize(
    ("words", "step", "code"),
    [
        (("buy", 2), refuses("unavailable", "Nothing was bought: the disk is full."), 9),
        (("buy", 2), refuses("outcome_unknown", "Nobody knows."), 10),
        (("info", 2), refuses("unavailable", "Busy."), 9),
        (("info", 2), refuses("outcome_unknown", "Late."), 9),
        (("search", "travel"), refuses("overloaded", "Busy."), 9),
        (("topics",), refuses("ledger_behind", "Too old."), 9),
        (("orders", "cancel", ORDER_ID), answers({**PENDING, "state": "cancelling"}, 202), 10),
    ],
)
def test_whatever_ends_without_an_outcome(
    bookstore: Bookstore, words: tuple[object, ...], step: Step, code: int
) -> None:
    """Reads and changes alike, where the answer names no server."""
    with frontend(looked_at(step, not_ready(CATALOG))) as shop:
        ran = bookstore(*words, "--url", shop.url, "--timeout", "1.5")
    assert ran.code == code
    assert f"catalog is not ready: {CATALOG['catalog']}\n" in ran.err


def test_a_frontend_that_is_stopping_names_itself(bookstore: Bookstore) -> None:
    """What it finds wrong with itself is said of the frontend."""
    with frontend(looked_at(refuses("unavailable"), not_ready({"server": "stopping"}))) as shop:
        ran = bookstore("info", 2, "--url", shop.url, "--timeout", "0.4")
    assert "frontend is not ready: stopping\n" in ran.err


@pytest.mark.parametrize(
    "step",
    [
        refuses("unavailable", "Nothing was done: the catalog server cannot be reached."),
        refuses("outcome_unknown", "The order server did not answer in time."),
        refuses("out_of_stock"),
        refuses("book_not_found"),
        refuses("internal"),
        says(b"bad gateway", 502),
        says(b"<p>hello</p>"),
        resets,
        babbles,
        hangs,
    ],
)
def test_who_is_named_or_not_there_is_not_asked_about(bookstore: Bookstore, step: Step) -> None:
    """Not where the answer names a server, where the shop decided, nor where no shop answers."""
    with frontend(looked_at(step, not_ready(BOTH))) as shop:
        ran = bookstore("info", 2, "--url", shop.url, "--timeout", "0.4")
    assert ran.code in {1, 5, 6, 9}
    assert READY not in shop.asked
    assert "is not ready" not in ran.err


@pytest.mark.parametrize(
    "readiness",
    [
        answers({"ready": True}),
        not_ready(None),
        not_ready("catalog"),
        not_ready({}),
        answers([CATALOG], 503),
        says(b"<p>hello</p>"),
        babbles,
        resets,
    ],
)
def test_a_frontend_that_does_not_say(bookstore: Bookstore, readiness: Step) -> None:
    """Then the error stands alone, as it was."""
    with frontend(looked_at(refuses("unavailable", "Busy."), readiness)) as shop:
        ran = bookstore("info", 2, "--url", shop.url, "--timeout", "0.4")
    assert (ran.code, ran.err) == (9, "Error: Busy.\n")
    assert shop.asked.count(READY) == 1


def test_the_question_keeps_the_time_limit(bookstore: Bookstore) -> None:
    """A frontend that hangs in it is waited for a second, and no longer than the command may."""
    with frontend(looked_at(refuses("outcome_unknown", "Nobody knows."), hangs)) as shop:
        begin_s = time.monotonic()
        ran = bookstore("books", "delete", 2, "--yes", "--url", shop.url, "--timeout", 30)
        took_s = time.monotonic() - begin_s
    assert (ran.code, shop.asked[-1]) == (10, READY)
    assert 1.0 <= took_s < 15.0


def test_what_a_server_says_is_harmless_on_a_terminal(bookstore: Bookstore) -> None:
    """Controls in it are made visible, as in all that comes from outside."""
    with frontend(looked_at(refuses("unavailable"), not_ready({"a\x1b[1m": "b\r\nc"}))) as shop:
        ran = bookstore("info", 2, "--url", shop.url, "--timeout", "0.4")
    assert ran.err.count("\n") == 2
    assert "\x1b" not in ran.err
    assert "\r" not in ran.err
