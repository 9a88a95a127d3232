"""``make bench-commands``: how long whole commands take beside ``python -c pass``.

Each command is a process of its own, started in turn with the others in every round; what
counts is the ratio within a round. Measured too: how long `bookstore up` takes until the
shop is ready, and how much memory its servers have when nobody asks for anything.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from time import perf_counter

from benchmarks.servers import open_shop

_NOTHING = "python -c pass"
_GOALS = {"info 4 --json": 7.0, "--help": 5.0, "info 4, as a table": 10.0}


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="benchmarks.commands", description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        started_s = perf_counter()
        shop = stack.enter_context(open_shop(Path(folder)))
        ready_s = perf_counter() - started_s
        bookstore = [str(Path(sys.executable).with_name("bookstore")), "--data", folder]
        commands = {
            _NOTHING: [sys.executable, "-c", "pass"],
            "info 4 --json": [*bookstore, "info", "4", "--json"],
            "--help": [*bookstore, "--help"],
            "info 4, as a table": [*bookstore, "-o", "table", "info", "4"],
        }
        rounds = [
            {name: _seconds(command) for name, command in commands.items()}
            for _ in range(options.rounds)
        ]
        memory = ", ".join(f"{name} {mib:.0f}" for name, mib in shop.memory_mib().items())
    print(f"{'median of ' + str(options.rounds) + ' rounds':24}{'ms':>8}{'ratio':>8}{'goal':>8}")
    for name in commands:
        middle_ms = statistics.median(each[name] for each in rounds) * 1000
        ratio = statistics.median(each[name] / each[_NOTHING] for each in rounds)
        goal = f"<= {_GOALS[name]:g}" if name in _GOALS else ""
        print(f"{name:24}{middle_ms:8.0f}{ratio:8.1f}{goal:>8}")
    print(f"bookstore up until ready: {ready_s:.2f} s (goal <= 1.5)")
    print(f"memory at rest in MiB: {memory} (goal <= 60 each)")
    return 0


def _seconds(command: list[str]) -> float:
    started_s = perf_counter()
    subprocess.run(
        command, stdout=subprocess.DEVNULL, check=True, env={**os.environ, "COLUMNS": "80"}
    )
    return perf_counter() - started_s


if __name__ == "__main__":
    sys.exit(main())
