"""What is tortured: each part is a selection of tests, with more of everything, again and again.

A part runs at least once, and then with other seeds until its share of the time is used.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Part:
    """Tests by their path or id, the variables that say how much, and a share of the time.

    In a variable's text ``{seed}`` is another number for each repetition.
    """

    name: str
    tests: tuple[str, ...]
    share: float
    variables: Mapping[str, str] = field(default_factory=dict)

    def environ(self, seed: int) -> dict[str, str]:
        """Return the variables for one repetition."""
        return {name: text.format(seed=seed) for name, text in self.variables.items()}


PARTS = (
    Part(
        "simulation",
        ("tests/simulation",),
        0.34,
        {"SIMULATION_SEEDS": "500", "SIMULATION_FIRST": "{seed}"},
    ),
    Part("planted bugs", ("tests/mutants",), 0.12, {"MUTANTS": "all"}),
    Part(
        "kill -9, SIGTERM",
        ("tests/faults/test_kills.py", "tests/faults/test_stopping.py"),
        0.12,
        {"FAULT_SEED": "{seed}"},
    ),
    Part(
        "crash points",
        ("tests/faults/test_crash_points.py",),
        0.08,
        {"FAULT_ROUNDS": "10"},
    ),
    Part(
        "networks",
        ("tests/faults/test_networks.py",),
        0.08,
        {"FAULT_SEED": "{seed}", "FAULT_STORM_S": "6"},
    ),
    Part("frozen servers", ("tests/faults/test_frozen.py",), 0.03, {"FAULT_FROZEN_S": "30"}),
    Part("races", ("tests/races",), 0.10, {"RACE_ROUNDS": "250"}),
    Part("disks", ("tests/disks", "tests/storage"), 0.06, {"BOOKSTORE_POWER_CUTS": "20000"}),
    Part("properties", ("tests/stateful",), 0.04, {"STATEFUL_STEPS": "50000"}),
    Part("checker", ("tests/checker",), 0.02, {"CHECKED_OPERATIONS": "1000000"}),
    Part("every interleaving", ("tests/model",), 0.01, {"MODEL_DEEP": "1"}),
)
