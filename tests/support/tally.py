"""What tests have done to the shop, noted for the table that `make torture` ends with."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Final

TALLY: Final = "TORTURE_TALLY"
"""The variable that names the file; without it nothing is noted."""


def note(kind: str, *, faults: int = 0, purchases: int = 0, seeds: int = 0) -> None:
    """Add to the tally: how many faults were injected, among how many purchases and seeds.

    Noted once all that was claimed has been checked.
    """
    path = os.environ.get(TALLY)
    if path is None:
        return
    line = {"kind": kind, "faults": faults, "purchases": purchases, "seeds": seeds}
    # One write of one line: several processes may note at once.
    with Path(path).open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
