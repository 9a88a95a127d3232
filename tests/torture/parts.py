"""What is tortured: each part is a selection of tests, with more of everything, again and again.

A part runs at least once, and then with other seeds until its share of the time is used.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

HOUR_S = 3600.0


@dataclass(frozen=True)
class Part:
    """Tests by their path, and a share of the time.

    ``amounts`` are variables that say how much one repetition does in a torture of an hour; in
    a shorter one it is less. ``seed`` is the variable that has another number each time.
    ``once``: it would do the same again, so it is not repeated however much time is left.
    """

    name: str
    tests: tuple[str, ...]
    share: float
    amounts: Mapping[str, int] = field(default_factory=dict)
    seed: str | None = None
    others: Mapping[str, str] = field(default_factory=dict)
    once: bool = False

    def environ(self, seed: int, budget_s: float) -> dict[str, str]:
        """Return the variables for one repetition."""
        scale = min(budget_s / HOUR_S, 1.0)
        asked = {name: str(max(round(each * scale), 1)) for name, each in self.amounts.items()}
        seeded = {} if self.seed is None else {self.seed: str(seed)}
        return {**asked, **seeded, **self.others}


PARTS = (
    Part("simulation", ("tests/simulation",), 0.41, {"SIMULATION_SEEDS": 1000}, "SIMULATION_FIRST"),
    Part("planted bugs", ("tests/mutants",), 0.04, others={"MUTANTS": "all"}, once=True),
    Part(
        "kill -9, SIGTERM",
        ("tests/faults/test_kills.py", "tests/faults/test_stopping.py"),
        0.10,
        seed="FAULT_SEED",
    ),
    Part("crash points", ("tests/faults/test_crash_points.py",), 0.03, {"FAULT_ROUNDS": 10}),
    Part("networks", ("tests/faults/test_networks.py",), 0.04, {"FAULT_STORM_S": 10}, "FAULT_SEED"),
    Part(
        "broken disks",
        ("tests/faults/test_disk_errors.py", "tests/faults/test_full_disks.py"),
        0.02,
        {"FAULT_DISK_ERRORS": 4, "FAULT_FULL_DISKS": 5},
        "FAULT_SEED",
    ),
    Part(
        "lost packets",
        ("tests/faults/test_lossy_links.py",),
        0.02,
        {"FAULT_LOSSY_S": 10},
        "FAULT_SEED",
    ),
    Part("frozen servers", ("tests/faults/test_frozen.py",), 0.02, {"FAULT_FROZEN_S": 30}),
    Part("races", ("tests/races",), 0.17, {"RACE_ROUNDS": 1000}),
    Part("disks", ("tests/disks", "tests/storage"), 0.17, {"BOOKSTORE_POWER_CUTS": 25_000}),
    Part("properties", ("tests/stateful",), 0.09, {"STATEFUL_STEPS": 200_000}),
    Part("generated input", ("tests/fuzz",), 0.01, {"FUZZ": 20}),
    Part("checker", ("tests/checker",), 0.01, {"CHECKED_OPERATIONS": 1_000_000}),
    Part("every interleaving", ("tests/model",), 0.01, others={"MODEL_DEEP": "1"}, once=True),
)
"""Their shares add up to 1.14: what is to be reached in an hour takes that much longer."""
