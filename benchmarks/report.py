"""What the measurements say: tables for people, JSON for programs, ratios for both.

Only ratios travel to other machines. Each is taken round by round; what is shown is their
median with minimum and maximum.
"""

from __future__ import annotations

import statistics
import textwrap
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.comparing import Comparison, Measured


@dataclass(frozen=True)
class Goal:
    """A ratio worth reaching: of two loads, by one of their figures."""

    label: str
    over: str
    under: str
    figure: Callable[[Measured], float]
    at_least: float | None = None
    at_most: float | None = None

    @property
    def text(self) -> str:
        """The goal in few characters."""
        if self.at_least is not None:
            return f">= {self.at_least:g}"
        return f"<= {self.at_most:g}"

    def reached(self, ratio: float) -> bool:
        """Return whether a ratio is as good as the goal."""
        low = self.at_least is None or ratio >= self.at_least
        return low and (self.at_most is None or ratio <= self.at_most)


def _rate(measured: Measured) -> float:
    return measured.rate


def _cpu(measured: Measured) -> float:
    return measured.cpu_s_per_1000


def _p50(measured: Measured) -> float:
    return measured.p50_ms


def _tail(measured: Measured) -> float:
    return measured.p99_ms / measured.p50_ms


GOALS = (
    Goal("info / bare", "info", "bare", _rate, at_least=0.9),
    Goal("info / bare, CPU", "info", "bare", _cpu, at_most=1.4),
    Goal("hot / bare", "hot", "bare", _rate, at_least=0.4),
    Goal("hot / bare, CPU", "hot", "bare", _cpu, at_most=3),
    Goal("hot / naive", "hot", "naive", _rate, at_least=15),
    Goal("hot / versioned one by one", "hot", "versioned one by one", _rate, at_least=40),
    Goal("hot / spread", "hot", "spread", _rate, at_least=1),
    Goal("sold out / hot", "sold out", "hot", _rate, at_least=0.9),
    Goal("with keys / without", "hot, with keys", "hot", _rate, at_least=0.8),
    Goal("info / bare, 1 client, p50", "info, 1 client", "bare, 1 client", _p50, at_most=2.2),
    Goal("hot / bare, 1 client, p50", "hot, 1 client", "bare, 1 client", _p50, at_most=8),
    Goal("search / bare", "search", "bare", _rate, at_least=0.45),
    Goal("search / bare, CPU", "search", "bare", _cpu, at_most=3),
    Goal("search, deep / first page", "search, deep page", "search, first page", _rate, 0.67),
    Goal("hot, 256 / 64 clients", "hot, 256 clients", "hot", _rate, at_least=0.9),
    Goal("hot, 1000 / 64 clients", "hot, 1000 clients", "hot", _rate, at_least=0.9),
    Goal("info, logs on / off", "info of one book", "info of one book, no logs", _rate, 0.85),
    Goal("hot, logs on / off", "hot", "hot, no logs", _rate, 0.85),
)


def ratios(found: Comparison, goal: Goal) -> list[float]:
    """Return a goal's ratio in each round; none where its loads were not measured."""
    return [
        goal.figure(each[goal.over]) / goal.figure(each[goal.under])
        for each in found.rounds
        if goal.over in each and goal.under in each
    ]


def tables(found: Comparison) -> str:
    """Return everything for people, at most 80 characters wide."""
    lines = [
        (
            f"{'median of ' + str(len(found.rounds)) + ' rounds':26}"
            f"{'answers/s':>11}{'CPU s/1000':>12}{'p50 ms':>9}{'p99 ms':>9}{'p99/p50':>9}"
        )
    ]
    for name in found.rounds[0]:
        column = [each[name] for each in found.rounds]
        lines.append(
            f"{name:26}{_median(column, _rate):11.0f}{_median(column, _cpu):12.3f}"
            f"{_median(column, _p50):9.2f}"
            f"{_median(column, lambda measured: measured.p99_ms):9.2f}{_median(column, _tail):9.1f}"
        )
    lines += ["", f"{'ratio, round by round':28}{'median':>8}{'min':>8}{'max':>8}{'goal':>9}"]
    for goal in GOALS:
        taken = ratios(found, goal)
        if taken:
            middle = statistics.median(taken)
            mark = "" if goal.reached(middle) else "  not reached"
            lines.append(
                f"{goal.label:28}{middle:8.2f}{min(taken):8.2f}{max(taken):8.2f}"
                f"{goal.text:>9}{mark}"
            )
    memory = ", ".join(f"{name} {mib:.0f}" for name, mib in found.memory_mib.items())
    notes = [textwrap.fill(note, 80, subsequent_indent="  ") for note in found.notes]
    return "\n".join([*lines, "", f"peak memory in MiB: {memory}", *notes])


def as_json(found: Comparison) -> dict[str, object]:
    """Return everything for programs."""
    return {
        "rounds": [
            {name: asdict(measured) for name, measured in each.items()} for each in found.rounds
        ],
        "ratios": {
            goal.label: {"median": statistics.median(taken), "all": taken, "goal": goal.text}
            for goal in GOALS
            if (taken := ratios(found, goal))
        },
        "peak_memory_mib": found.memory_mib,
        "notes": found.notes,
    }


def _median(column: Sequence[Measured], figure: Callable[[Measured], float]) -> float:
    return statistics.median(figure(measured) for measured in column)
