"""Each rule of the protocol is missed when it is gone: every planted bug is found."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.mutants.plant import ROOT, hunt, plant
from tests.mutants.planted import MUTANTS, Mutant
from tests.support.tally import note

if TYPE_CHECKING:
    from pathlib import Path

SEEDS = {"storm": 600, "catalog": 60, "shop": 60}
"""How many seeds a bug may survive; the weakest is found by one storm in eighty."""

EACH_TIME = 5
TRIED = MUTANTS if os.environ.get("MUTANTS") == "all" else MUTANTS[:EACH_TIME]


def named(mutant: Mutant) -> str:
    """Return a mutant's name, for the names of tests."""
    return mutant.name


@pytest.mark.timeout(700)
@pytest.mark.parametrize("mutant", TRIED, ids=named)
def test_a_planted_bug_is_caught(mutant: Mutant, tmp_path: Path) -> None:
    """The check that is responsible finds the bug, and calls it by the right name."""
    caught = hunt(plant(mutant, tmp_path), mutant.check, SEEDS[mutant.check])
    assert caught.invariants & mutant.caught_by, caught
    note("planted bugs, caught", faults=1, seeds=caught.after)


@pytest.mark.timeout(700)
@pytest.mark.parametrize(("check", "seeds"), [("storm", 16), ("catalog", 5), ("shop", 3)])
def test_nothing_is_caught_in_the_product(check: str, seeds: int, tmp_path: Path) -> None:
    """The same hunts find nothing in a copy that nobody has spoiled."""
    caught = hunt(plant(None, tmp_path), check, seeds)
    assert not caught.invariants, caught
    assert caught.after == seeds


@pytest.mark.parametrize("mutant", MUTANTS, ids=named)
def test_a_mutant_fits_the_product(mutant: Mutant) -> None:
    """Each text that is edited stands in the product just once, and the edit changes it."""
    for edit in mutant.edits:
        assert (ROOT / edit.path).read_text(encoding="utf-8").count(edit.old) == 1, edit.old
        assert edit.old != edit.new


def test_there_are_enough() -> None:
    """There are twenty bugs at least, each of its own."""
    assert len({mutant.edits for mutant in MUTANTS}) == len(MUTANTS) >= 20
