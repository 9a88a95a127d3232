"""The shop under everything that may happen to it, one seed after the other.

``SIMULATION_SEEDS`` says how many seeds, ``SIMULATION_FIRST`` where they begin.
"""

from __future__ import annotations

import os

import pytest

from tests.simulation.simulate import simulate
from tests.support.tally import note

SEEDS = int(os.environ.get("SIMULATION_SEEDS", "200"))
FIRST = int(os.environ.get("SIMULATION_FIRST", "1"))
_AT_ONCE = 10


@pytest.mark.parametrize("first", range(FIRST, FIRST + SEEDS, _AT_ONCE))
def test_nothing_is_lost_doubled_or_oversold(first: int) -> None:
    """Whatever happens to servers, network, disks and clocks: in the end all is right."""
    for seed in range(first, min(first + _AT_ONCE, FIRST + SEEDS)):
        outcome = simulate(seed)
        assert not outcome.violations, outcome.report()
        for fault, times in outcome.faults.items():
            note(f"simulated: {fault}", faults=times)
        note("simulated shops", purchases=outcome.purchases, seeds=1)
