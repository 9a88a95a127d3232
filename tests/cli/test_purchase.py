"""What a purchase repeats, and when it says that its outcome is unknown."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from servers.web.limits import MAX_DEADLINE_MS
from tests.cli.conftest import needs_full_device, run_into_full_device
from tests.cli.fake_frontend import (
    ORDER,
    ORDER_ID,
    PENDING,
    answers,
    babbles,
    closed_port,
    cuts_short,
    frontend,
    hangs,
    refuses,
    resets,
    resets_and_goes,
    says,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cli.conftest import Bookstore
    from tests.cli.fake_frontend import Step


KEY = "a-key-of-sixteen-or-more"


BUSY = refuses("overloaded")


def test_a_purchase_carries_its_key_and_what_was_wished(bookstore: Bookstore) -> None:
    """A purchase sends the key, the wishes, a request id and what remains of the time."""
    with frontend(answers(ORDER, 201)) as shop:
        words = ("--version", 7, "--max-price", "25.5", "--key", KEY, "--url", shop.url)
        ran = bookstore("buy", 2, "-n", 3, *words)
    (request,) = shop.requests
    assert ran.code == 0
    assert request.path == "/purchase/2"
    assert request.json == {"quantity": 3, "version": 7, "max_price": "25.50"}
    assert request.headers["idempotency-key"] == KEY
    assert len(request.headers["x-request-id"]) == 32
    assert 0 < int(request.headers["x-deadline-ms"]) <= 10_000
    assert "authorization" not in request.headers


def test_a_key_that_has_bought_before(bookstore: Bookstore) -> None:
    """Who repeats a key hears that nothing more was bought, and where to look."""
    with frontend(answers(ORDER, 200, Idempotency_Replayed="true")) as shop:
        ran = bookstore("buy", 2, "--key", KEY, "--url", shop.url)
    assert ran.code == 0
    assert "buys nothing more" in ran.err
    assert f"bookstore orders show {ORDER_ID}" in ran.err
    assert "Purchased" not in ran.err


def test_two_purchases_have_two_keys(bookstore: Bookstore) -> None:
    """Without a key given, every purchase makes one of its own."""
    with frontend(answers(ORDER, 201)) as shop:
        bookstore("buy", 2, "--url", shop.url)
        bookstore("buy", 2, "--url", shop.url)
    first, second = (request.headers["idempotency-key"] for request in shop.requests)
    assert first != second
    assert len(first) == 32


@pytest.mark.parametrize(
    "trouble",
    [resets, cuts_short, BUSY, refuses("internal"), refuses("outcome_unknown"), says(b"bad", 502)],
)
def test_a_purchase_is_repeated_with_the_same_key(bookstore: Bookstore, trouble: Step) -> None:
    """Whatever went wrong before, the same key is sent until the shop answers."""
    with frontend(trouble, trouble, answers(ORDER, 201)) as shop:
        ran = bookstore("buy", 2, "--url", shop.url)
    assert ran.code == 0
    assert len({request.headers["idempotency-key"] for request in shop.requests}) == 1
    assert shop.asked == ["POST /purchase/2"] * 3


def test_nobody_there_means_nothing_happened(bookstore: Bookstore) -> None:
    """A purchase that was refused every connection exits 9 and says what to do."""
    ran = bookstore("buy", 2, "--url", closed_port(), "--timeout", "0.3")
    assert ran.code == 9
    assert "does not answer (connection refused)" in ran.err
    assert "bookstore up" in ran.err
    assert "repeat with" not in ran.err


def test_an_overloaded_shop_means_nothing_happened(bookstore: Bookstore) -> None:
    """A purchase that was always answered 503 exits 9."""
    with frontend(BUSY) as shop:
        ran = bookstore("buy", 2, "--url", shop.url, "--timeout", "0.3")
    assert ran.code == 9
    assert len(shop.requests) > 1


def test_a_long_retry_after_is_not_waited_for(bookstore: Bookstore) -> None:
    """A shop that asks for more patience than there is gets no second request."""
    body = b'{"code": "unavailable", "detail": "Later."}'
    with frontend(says(body, 503, "application/problem+json", Retry_After="60")) as shop:
        ran = bookstore("buy", 2, "--url", shop.url, "--timeout", "5")
    assert ran.code == 9
    assert len(shop.requests) == 1


@pytest.mark.parametrize(
    "steps",
    [
        (resets,),
        (resets, BUSY),
        (BUSY, resets, BUSY),
        (resets_and_goes,),
        (refuses("internal"),),
        (refuses("internal"), BUSY),
        (refuses("outcome_unknown"), BUSY),
        (says(b"bad gateway", 502),),
        (says(b"<p>hello</p>"),),
        (answers([1], 201),),
        (answers(PENDING, 202),),
        (answers(PENDING, 202), BUSY),
        (answers(PENDING, 202), answers({**ORDER, "state": "confirmed"}), BUSY),
        (resets, refuses("ledger_behind")),
        (babbles,),
        (hangs,),
    ],
)
def test_one_doubtful_try_leaves_the_outcome_unknown(
    bookstore: Bookstore, steps: tuple[Step, ...]
) -> None:
    """If a single try may have reached an order, a purchase exits 10 and prints its key."""
    with frontend(*steps) as shop:
        ran = bookstore("buy", 2, "-n", 2, "--key", KEY, "--url", shop.url, "--timeout", "0.5")
    assert ran.code == 10
    command = f"bookstore buy 2 --quantity 2 --url {shop.url} --data"
    assert f"repeat with: {command}" in ran.err
    assert ran.err.rstrip().endswith(f"--key {KEY}")


def test_the_key_of_an_unknown_outcome_is_in_the_problem_object(bookstore: Bookstore) -> None:
    """A program finds the key, and the order's id where the shop told it."""
    with frontend(refuses("outcome_unknown", order_id=ORDER_ID)) as shop:
        ran = bookstore("buy", 2, "--json", "--key", KEY, "--url", shop.url, "--timeout", "0.3")
    problem = json.loads(ran.err)
    assert ran.code == 10
    assert problem["code"] == "outcome_unknown"
    assert problem["idempotency_key"] == KEY
    assert problem["order_id"] == ORDER_ID


@pytest.mark.parametrize(
    ("code", "exit_code"),
    [("out_of_stock", 6), ("book_deleted", 5), ("price_changed", 7), ("key_reused", 7)],
)
def test_a_refusal_is_final_also_after_a_doubtful_try(
    bookstore: Bookstore, code: str, exit_code: int
) -> None:
    """What the shop decided about a key is believed, and not asked again."""
    with frontend(resets, refuses(code, "Because.")) as shop:
        ran = bookstore("buy", 2, "--url", shop.url)
    assert (ran.code, ran.err) == (exit_code, "Error: Because.\n")
    assert len(shop.requests) == 2


def test_a_pending_order_is_looked_at_until_it_is_decided(bookstore: Bookstore) -> None:
    """After 202 the order is read while it is pending; then its key gets the final answer."""
    pending = answers(PENDING, 202, Retry_After="0")
    steps = (pending, answers(PENDING), refuses("unavailable"), answers(ORDER), answers(ORDER))
    with frontend(*steps) as shop:
        ran = bookstore("buy", 2, "--url", shop.url)
    assert ran.code == 0
    look = f"GET /orders/{ORDER_ID}"
    assert shop.asked == ["POST /purchase/2", look, look, look, "POST /purchase/2"]


def test_a_pending_order_that_is_rejected_gives_its_reason(bookstore: Bookstore) -> None:
    """After 202 the refusal of the final answer is the command's."""
    rejected = answers({**PENDING, "state": "rejected"})
    with frontend(answers(PENDING, 202), rejected, refuses("out_of_stock")) as shop:
        ran = bookstore("buy", 2, "--url", shop.url)
    assert ran.code == 6


def test_ctrl_c_during_a_purchase_prints_the_key(
    bookstore: Bookstore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who interrupts a purchase can still learn what became of it; exit 130."""

    def interrupted(*_words: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("bookstore_cli.client.Client.purchase", interrupted)
    ran = bookstore("buy", 2, "--key", "k" * 16)
    assert ran.code == 130
    assert "--key " + "k" * 16 in ran.err
    listed = bookstore("buy", 2, "--key", "k" * 16, "--json")
    told = json.loads(listed.err)
    assert (listed.code, listed.out) == (130, "")
    assert (told["code"], told["idempotency_key"]) == ("outcome_unknown", "k" * 16)
    assert told["repeat_with"].endswith("--key " + "k" * 16)


@pytest.mark.parametrize("seconds", [61, 3600])
def test_more_time_than_the_shop_lets_a_request_name(bookstore: Bookstore, seconds: int) -> None:
    """A long time-out is the command's own; each request asks for what it may."""
    with frontend(answers(ORDER, 201)) as shop:
        assert bookstore("buy", 2, "--timeout", seconds, "--url", shop.url).code == 0
    (request,) = shop.requests
    assert int(request.headers["x-deadline-ms"]) == MAX_DEADLINE_MS


@needs_full_device
@pytest.mark.parametrize("kind", ["json", "tsv", "table"])
def test_what_was_bought_cannot_be_written(shop_at_hand: str, kind: str) -> None:
    """Where the answer cannot be written, what was bought and how to repeat it is said."""
    words = ["buy", "2", "--key", KEY, "-o", kind, "--url", shop_at_hand]
    ran = run_into_full_device(*words)
    assert ran.returncode == 1
    assert "The output cannot be written (No space left on device)." in ran.stderr
    assert ORDER_ID in ran.stderr
    assert KEY in ran.stderr
    assert "bug" not in ran.stderr
    assert "Traceback" not in ran.stderr


def test_nothing_is_bought_without_an_output(shop_at_hand: str) -> None:
    """With standard output closed a purchase is refused before it is made."""
    command = f'exec "$0" -m bookstore_cli buy 2 --url {shop_at_hand} >&-'
    ran = subprocess.run(
        ["sh", "-c", command, sys.executable], stderr=subprocess.PIPE, text=True, check=False
    )
    assert ran.returncode == 1
    assert "standard output is closed" in ran.stderr


@pytest.fixture
def shop_at_hand() -> Iterator[str]:
    """A frontend that confirms every purchase."""
    with frontend(answers(ORDER, 201)) as shop:
        yield shop.url
