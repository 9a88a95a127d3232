"""A seed is a schedule: it can be run again, in another process, and be read."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest

from tests.simulation.adversary import FAULTS
from tests.simulation.simulate import simulate
from tests.support.markdown import ROOT

_PROGRAM = """
import json
from tests.simulation.simulate import simulate
print(json.dumps([simulate(seed, purchases=40).trace_hash for seed in (3, 12, 41)]))
"""

EVIDENCE = {
    "kill": r"dies: between two steps",
    "kill_at_write": r"dies: at a (write|sync)",
    "kill_all": r"dies: between two steps(.|\n)*dies: between two steps",
    "stop": r"is told to stop(.|\n)*dies: stopped",
    "freeze": r"adversary +\S+ goes on",
    "power_cut": r"power cut: \d+ of \d+ writes kept",
    "partition": r" - held back",
    "one_way": r" - held back",
    "long_partition": r"nothing from order-a to catalog, [567]\d\.",
    "break": r"adversary +break",
    "slow_network": r"slow_s \d",
    "lost": r" - lost",
    "late": r" - late, after (.|\n)* - the copy",
    "copied": r" - and once more, after (.|\n)* - the copy",
    "reset": r" - reset",
    "slow_disk": r"disk +is slow",
    "disk_error": r"disk +a (write|sync) fails",
    "disk_full": r"disk +is full(.|\n)*has room again",
    "clock": r"clock is -?3600000 ms off",
}


def _python(*arguments: str, hash_seed: str = "0") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
    )


def test_the_same_trace_in_every_process() -> None:
    """A seed gives the same trace in processes that hash differently; another seed another."""
    said = [_python("-c", _PROGRAM, hash_seed=seed).stdout for seed in ("1", "2")]
    assert said[0] == said[1]
    assert len(set(json.loads(said[0]))) == 3


def test_watching_changes_nothing() -> None:
    """A seed that is watched gives the trace that it gives unwatched."""
    lines: list[str] = []
    watched = simulate(5, purchases=20, show=lines.append)
    assert watched.trace_hash == simulate(5, purchases=20).trace_hash
    assert any("customers > frontend" in line for line in lines)


def test_every_fault_has_its_evidence() -> None:
    """No fault is without a test that it happens."""
    assert set(EVIDENCE) == set(FAULTS)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_happens_and_does_no_harm(fault: str) -> None:
    """A fault alone can be seen in the trace of some seed, and leaves everything right."""
    for seed in range(1, 16):
        lines: list[str] = []
        outcome = simulate(seed, purchases=40, faults=(fault,), show=lines.append)
        assert not outcome.violations, outcome.report()
        assert set(outcome.faults) == {fault}
        if re.search(EVIDENCE[fault], "\n".join(lines)):
            return
    pytest.fail(f"{fault} was never seen")


def test_a_quiet_shop_sells() -> None:
    """Without faults nobody dies, all customers are answered, and some of them buy."""
    outcome = simulate(2, faults=())
    assert not outcome.violations, outcome.report()
    assert outcome.deaths == []
    assert outcome.purchases == 100
    assert sum(attempt.status == 201 for attempt in outcome.histories) > 20


def test_a_seed_is_replayed_for_people() -> None:
    """The command prints the trace and the verdict; it refuses a fault that nobody knows."""
    said = _python("-m", "tests.simulation", "7", "--purchases", "10")
    assert said.returncode == 0, said.stderr
    assert "customers > frontend" in said.stdout
    assert said.stdout.rstrip().endswith("violations 0")
    assert "no fault 'rain'" in _python("-m", "tests.simulation", "7", "--faults", "rain").stderr
