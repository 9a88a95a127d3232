"""Planting: a copy of the product with a mutant's edits, and a hunt through it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.shop import clean_environ

if TYPE_CHECKING:
    from tests.mutants.planted import Mutant

ROOT = Path(__file__).resolve().parents[2]
_LONGEST_S = 600.0


@dataclass(frozen=True)
class Caught:
    """What a hunt found, and after how many seeds; no invariants where it found nothing."""

    invariants: frozenset[str]
    after: int
    finding: str


def plant(mutant: Mutant | None, folder: Path) -> Path:
    """Copy the product and its tests into an empty folder, edit them, and return the folder.

    Raises `ValueError` where a text to be edited does not stand in its file just once: then
    the product has changed, and the mutant has to follow it.
    """
    ignored = shutil.ignore_patterns("__pycache__")
    for package in ("servers", "bookstore_cli", "tests"):
        shutil.copytree(ROOT / package, folder / package, ignore=ignored)
    for edit in mutant.edits if mutant is not None else ():
        path = folder / edit.path
        text = path.read_text(encoding="utf-8")
        if text.count(edit.old) != 1:
            message = f"{mutant}: {edit.path} has {text.count(edit.old)} times {edit.old!r}"
            raise ValueError(message)
        path.write_text(text.replace(edit.old, edit.new), encoding="utf-8")
    return folder


def hunt(folder: Path, check: str, seeds: int) -> Caught:
    """Hunt in a process of its own, for which the folder has the only product there is."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.mutants.hunt", check, str(seeds)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=_LONGEST_S,
        stdin=subprocess.DEVNULL,
        env=clean_environ(),
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    return Caught(frozenset(found["invariants"]), found["after"], found["finding"])
