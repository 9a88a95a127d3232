"""The checker finds what is wrong, each invariant by its name, and nothing where all is right."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from servers.domain.invariants import LONGEST_UNFINISHED_S, Up
from tests.checker.check import check
from tests.checker.made_up import made_up
from tests.checker.planted import PLANTED

if TYPE_CHECKING:
    from tests.checker.planted import Plant

MANY = int(os.environ.get("CHECKED_OPERATIONS", "10000"))
LONGEST_S = 60.0
UP = Up(now_ms=(LONGEST_UNFINISHED_S + 1) * 1000, since_ms=0)


@pytest.mark.timeout(600)
def test_a_right_shop_is_right() -> None:
    """Nothing is found in a right history, and a million operations take less than a minute."""
    history, records = made_up(MANY)
    began_s = time.monotonic()
    assert check(history, records) == []
    assert time.monotonic() - began_s < LONGEST_S
    assert len(history.operations) >= MANY


@pytest.mark.parametrize("seed", range(2, 12))
def test_other_right_shops(seed: int) -> None:
    """Nothing is found in others either."""
    history, records = made_up(300, seed)
    assert check(history, records, up=UP) == []


@pytest.mark.parametrize(
    ("invariant", "plant"), PLANTED, ids=lambda each: getattr(each, "__name__", each)
)
def test_what_is_wrong_is_found(invariant: str, plant: Plant) -> None:
    """One thing is spoiled in a right shop: its invariant is named."""
    history, records = made_up(3000)
    plant(history, records)
    assert invariant in {each.invariant for each in check(history, records, up=UP)}


def test_every_invariant_is_planted() -> None:
    """No invariant is left that nobody has seen broken."""
    assert {invariant for invariant, _ in PLANTED} == {f"I{number}" for number in range(1, 16)}
