"""Run all parts for ``TORTURE`` (60m, 10m, 90s …), print the table, keep what failed.

Two parts run at a time. A failing repetition is kept in ``torture-failures/``, with the
variables that bring it back; the exit code is 1 then.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.support.tally import TALLY
from tests.torture.parts import PARTS, Part

LANES: Final = 2
FAILURES: Final = Path("torture-failures")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600}
_ONE_TEST_S: Final = "3600"


@dataclass
class Run:
    """How a part went: its repetitions and those of them that failed."""

    part: Part
    repetitions: int = 0
    failed: int = 0


def main() -> int:
    """Torture the shop; return 0 if nothing was found."""
    budget_s = seconds_of(os.environ.get("TORTURE") or "60m")
    first_seed = int(os.environ.get("TORTURE_SEED") or time.time_ns() // 1_000_000_000 % 1_000_000)
    print(f"torture for about {budget_s:.0f} s, from seed {first_seed} on", flush=True)
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(LANES) as lanes:
        tally = Path(folder) / "tally"
        running = [
            lanes.submit(_run, part, budget_s, first_seed, tally)
            for part in sorted(PARTS, key=lambda part: -part.share)
        ]
        runs = [each.result() for each in running]
        print(table(runs, tally.read_text() if tally.exists() else "", first_seed))
    return int(any(run.failed for run in runs))


def seconds_of(text: str) -> float:
    """Return the seconds of a duration such as ``90s``, ``10m`` or ``1h``."""
    found = re.fullmatch(r"([0-9]+)([smh])", text)
    if found is None:
        sys.exit(f"TORTURE must be a number of seconds, minutes or hours, as 10m; not {text!r}")
    return float(int(found[1]) * _SECONDS[found[2]])


def _run(part: Part, budget_s: float, first_seed: int, tally: Path) -> Run:
    run, end_s = Run(part), time.monotonic() + part.share * LANES * budget_s
    while run.repetitions == 0 or (time.monotonic() < end_s and not part.once):
        # Far apart, for a repetition may use some thousand seeds from this one on.
        seed = first_seed + run.repetitions * 10_000
        run.repetitions += 1
        environ = part.environ(seed, budget_s)
        done = _pytest(part, environ | {TALLY: str(tally)})
        if done.returncode != 0:
            run.failed += 1
            _keep(part, seed, environ, done.stdout)
        said = done.stdout.strip().splitlines()[-1:] or [""]
        print(f"{part.name}, repetition {run.repetitions}: {said[0]}", flush=True)
        if done.returncode == 0 and " passed" not in said[0]:
            break  # This machine has not what it needs, and will not have it later.
    return run


def _pytest(part: Part, environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"]
    return subprocess.run(
        [*command, "--timeout", _ONE_TEST_S, *part.tests],
        env=os.environ | environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def _keep(part: Part, seed: int, environ: dict[str, str], output: str) -> None:
    FAILURES.mkdir(exist_ok=True)
    variables = " ".join(f"{name}={value}" for name, value in environ.items())
    again = f"{variables} pytest {' '.join(part.tests)}"
    file = FAILURES / f"{part.name.replace(' ', '-')}-{seed}.log"
    file.write_text(f"{again}\n\n{output}")
    print(f"VIOLATION, kept in {file}; again with: {again}", flush=True)


def table(runs: list[Run], tally: str, first_seed: int) -> str:
    """Return what was done to the shop, by kind of fault, as a Markdown table."""
    sums: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for line in tally.splitlines():
        noted = json.loads(line)
        for place, name in enumerate(("faults", "purchases", "seeds")):
            sums[noted["kind"]][place] += noted[name]
    lines = ["| what | faults | purchases | seeds |", "|---|---:|---:|---:|"]
    for kind in sorted(sums):
        faults, purchases, seeds = sums[kind]
        lines.append(f"| {kind} | {faults:,} | {purchases:,} | {seeds:,} |")
    total = [sum(each[place] for each in sums.values()) for place in range(3)]
    lines.append(f"| **all** | **{total[0]:,}** | **{total[1]:,}** | **{total[2]:,}** |")
    repetitions = ", ".join(f"{run.part.name}: {run.repetitions}" for run in runs)
    failed = sum(run.failed for run in runs)
    lines += ["", f"Seeds from {first_seed} on. Repetitions: {repetitions}."]
    return "\n".join([*lines, f"Violations: {failed}."])


if __name__ == "__main__":
    sys.exit(main())
