"""An order that is not finished within 15 s after all has healed is found."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

import pytest

from servers.domain.order import State, placed
from servers.domain.sale import Purchase
from servers.order import resolver
from tests.simulation.patience import LONGEST_S, LOOKS_PER_S, Patience
from tests.simulation.simulate import simulate

if TYPE_CHECKING:
    from servers.domain.order import Order
    from tests.simulation.shop import Shop

_LOOKS = round(LONGEST_S * LOOKS_PER_S)


def _pending() -> Order:
    return placed(Purchase(order_id="0" * 32, book_id=1, quantity=1), 0)


def _seen(*looks: list[tuple[str, Order]]) -> Patience:
    """Return what is known after these looks; nobody asks a shop."""
    patience = Patience(cast("Shop", None))
    for found in looks:
        patience.look(found)
    return patience


def test_an_order_that_takes_too_long() -> None:
    """An order that is unfinished from the first look to one 15 s later is told, once."""
    left = [("order-a", _pending())]
    assert _seen(*[left] * _LOOKS).violations == []
    (violation,) = _seen(*[left] * (3 * _LOOKS)).violations
    assert violation.invariant == "I5"
    assert violation.subject == f"order {'0' * 32}"
    assert "pending at order-a for 15 s" in violation.detail


def test_a_late_order_has_its_time() -> None:
    """An order that comes later has as long from then on, and what moves begins anew."""
    left, moved = _pending(), replace(_pending(), state=State.CANCELLING)
    assert _seen(*[[]] * _LOOKS, *[[("order-a", left)]] * _LOOKS, []).violations == []
    assert len(_seen(*[[]] * _LOOKS, *[[("order-a", left)]] * (_LOOKS + 1)).violations) == 1
    looks = [[("order-a", left)]] * _LOOKS + [[("order-a", moved)]] * _LOOKS
    assert _seen(*looks).violations == []


def test_a_shop_that_forgets_its_orders(monkeypatch: pytest.MonkeyPatch) -> None:
    """A resolver that looks far too seldom is found, and nothing but that is wrong."""
    monkeypatch.setattr(resolver, "EVERY_S", 30.0)
    for seed in range(1, 40):
        outcome = simulate(seed, purchases=40, faults=("kill_all",))
        if outcome.violations:
            assert {each.invariant for each in outcome.violations} == {"I5"}, outcome.report()
            assert outcome.slowest_s >= LONGEST_S
            return
    pytest.fail("it was never found")


def test_the_shop_finishes_in_time() -> None:
    """The shop as it is leaves orders behind when it dies, and finishes them in time."""
    lives = (simulate(seed, purchases=40, faults=("kill_all",)) for seed in range(1, 40))
    outcome = next(life for life in lives if life.slowest_s > 0)
    assert not outcome.violations, outcome.report()
    assert outcome.slowest_s < LONGEST_S
