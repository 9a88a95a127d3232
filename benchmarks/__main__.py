"""``make bench``: the shop beside a bare handler and beside shops as they are often built.

Every side is measured in every round, in turn. At the end the shops are audited.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from benchmarks import chart, report
from benchmarks.comparing import compare

_MANY_BOOKS = 1_000_000
_FEW_BOOKS = 1_000


def main() -> int:
    """Measure and print; return 0 if every answer was as it should be and the audits are ok."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each load in each round")
    parser.add_argument("--books", type=int, help="in the catalogue; a million unless --quick")
    parser.add_argument("--quick", action="store_true", help="four loads in less than a minute")
    parser.add_argument("--json", type=Path, help="write everything that was measured there")
    parser.add_argument("--chart", type=Path, help="write a picture of it there, as SVG")
    options = parser.parse_args()
    seconds = min(options.seconds, 2.0) if options.quick else options.seconds
    found = compare(
        rounds=options.rounds,
        seconds=seconds,
        books=options.books or (_FEW_BOOKS if options.quick else _MANY_BOOKS),
        quick=options.quick,
        say=lambda text: print(text, file=sys.stderr, flush=True),
    )
    print(report.tables(found))
    if options.json is not None:
        options.json.write_text(json.dumps(report.as_json(found), indent=1) + "\n")
    if options.chart is not None:
        options.chart.write_text(chart.svg(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
