"""The verdict finds what is wrong: every kind of it, planted into what came of a right run."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from servers.domain.order import State
from servers.domain.sale import order_id_of_key
from tests.simulation.simulate import Outcome, simulate
from tests.simulation.verdict import judge_data, judge_histories, merged

if TYPE_CHECKING:
    from collections.abc import Callable

    from servers.domain.accounts import Violation
    from tests.simulation.history import Attempt


@pytest.fixture(scope="module")
def right() -> Outcome:
    """What came of a shop in which nothing went wrong, and somebody was refused a copy."""
    lives = (simulate(seed, faults=()) for seed in range(1, 30))
    refused = _is("purchase", 409)
    outcome = next(life for life in lives if any(map(refused, life.histories)))
    assert not outcome.violations, outcome.report()
    return outcome


def _judged(outcome: Outcome, attempts: list[Attempt]) -> list[Violation]:
    return judge_histories(attempts, outcome.orders, outcome.ledger, copied=False)


def _planted(
    outcome: Outcome, fits: Callable[[Attempt], bool], change: Callable[[Attempt], Attempt]
) -> set[str]:
    """Return the invariants that are broken once one fitting attempt was told otherwise."""
    attempts = list(outcome.histories)
    place = next(place for place, each in enumerate(attempts) if fits(each))
    attempts[place] = change(attempts[place])
    return {violation.invariant for violation in _judged(outcome, attempts)}


def _is(kind: str, status: int) -> Callable[[Attempt], bool]:
    return lambda attempt: attempt.kind == kind and attempt.status == status


def test_a_sale_that_was_told_and_is_not_there(right: Outcome) -> None:
    """Who was told of an order that was never sold is found."""
    key = "a key that nobody knows"
    assert "I6" in _planted(right, _is("purchase", 201), lambda each: replace(each, key=key))


def test_a_refusal_that_was_told_and_is_not_there(right: Outcome) -> None:
    """Who was refused for good, with nothing in the ledger to say so, is found."""
    key = "a key that nobody knows"
    assert "I7" in _planted(right, _is("purchase", 409), lambda each: replace(each, key=key))


def test_two_different_ends_of_one_key(right: Outcome) -> None:
    """Two final answers that differ by a byte are found."""
    first = next(each for each in right.histories if _is("purchase", 201)(each))
    second = replace(first, status=200, body=first.body.replace(b"{", b"{ ", 1))
    found = _judged(right, [*right.histories, second])
    assert "I11" in {violation.invariant for violation in found}


def test_a_key_that_stands_for_two_requests(right: Outcome) -> None:
    """Two requests under one key that were both answered are found."""
    first = next(each for each in right.histories if _is("purchase", 201)(each))
    second = replace(first, wishes={"quantity": 9})
    found = _judged(right, [*right.histories, second])
    assert "I12" in {violation.invariant for violation in found}


def test_an_order_though_all_said_that_nothing_happened(right: Outcome) -> None:
    """An order of somebody who was only ever told 503 is found."""
    order_id = order_id_of_key(str(_bought(right).key))
    attempts = [
        replace(each, status=503, body=b"")
        if each.kind == "purchase" and order_id_of_key(str(each.key)) == order_id
        else each
        for each in right.histories
    ]
    assert "503" in {violation.invariant for violation in _judged(right, attempts)}


def _bought(outcome: Outcome) -> Attempt:
    return next(each for each in outcome.histories if _is("purchase", 201)(each))


def test_a_read_older_than_what_was_known(right: Outcome) -> None:
    """A look that shows a book as it was before a sale that had been told is found."""
    bought = _bought(right)
    book_id = bought.json["book_id"]
    added = next(
        each for each in right.histories if _is("add", 201)(each) and each.json["id"] == book_id
    )
    late = replace(
        added,
        kind="look",
        status=200,
        book_id=book_id,
        began_s=bought.ended_s + 1,
        ended_s=bought.ended_s + 2,
    )
    found = {violation.invariant for violation in _judged(right, [*right.histories, late])}
    assert "I9" in found


def test_a_book_as_it_never_was(right: Outcome) -> None:
    """A look that shows a stock which the book never had at that version is found."""

    def change(attempt: Attempt) -> Attempt:
        return replace(attempt, body=json.dumps({**attempt.json, "stock": 999}).encode())

    assert "I9" in _planted(right, _is("look", 200), change)


def test_an_order_that_is_forgotten(right: Outcome) -> None:
    """A look at an order that is still pending after its customer was told its end is found."""
    bought = _bought(right)
    later = replace(
        bought,
        kind="order",
        key=None,
        order_id=order_id_of_key(str(bought.key)),
        status=200,
        began_s=bought.ended_s + 1,
        ended_s=bought.ended_s + 2,
        body=b'{"state": "pending"}',
    )
    found = _judged(right, [*right.histories, later])
    assert "I9" in {violation.invariant for violation in found}


def test_a_failing_server(right: Outcome) -> None:
    """An answer that the shop made a mistake is found."""
    assert "500" in _planted(right, _is("look", 200), lambda each: replace(each, status=500))


def test_data_that_do_not_agree(right: Outcome) -> None:
    """What an audit finds is found: a lost sale, a wrong stock, an order told by two apart."""
    assert judge_data(right.books, right.orders, right.ledger) == []
    kept = [order for order in right.orders if order.state is not State.CONFIRMED]
    assert {each.invariant for each in judge_data(right.books, kept, right.ledger)} >= {"I3"}
    books = [replace(book, stock=book.stock + 1) for book in right.books]
    assert {each.invariant for each in judge_data(books, right.orders, right.ledger)} >= {"I2"}
    twice = [right.orders[0], replace(right.orders[0], title="Another")]
    assert [each.invariant for each in merged(twice)[1]] == ["I11"]
