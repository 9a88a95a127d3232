"""``python -m tests.mutants`` hunts every mutant and prints the table for the documents."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from tests.mutants.plant import hunt, plant
from tests.mutants.planted import MUTANTS, Mutant

_MOST_SEEDS = 400


@click.command()
@click.option("--seeds", default=_MOST_SEEDS, help="After how many to give a mutant up.")
@click.option("--only", default="", help="Hunt those mutants only whose name has this.")
@click.option("--check", default="", help="Hunt with this check instead of each mutant's own.")
def main(seeds: int, only: str, check: str) -> None:
    """Hunt every mutant and say by what it was caught, and after how many seeds."""
    click.echo("| planted bug | check | caught by | after seeds |\n|---|---|---|---|")
    for mutant in MUTANTS:
        if only in mutant.name:
            click.echo(_row(mutant, check or mutant.check, seeds))


def _row(mutant: Mutant, check: str, seeds: int) -> str:
    with tempfile.TemporaryDirectory() as folder:
        caught = hunt(plant(mutant, Path(folder)), check, seeds)
    found = ", ".join(sorted(caught.invariants)) or "**nothing**"
    return f"| {mutant.name} | {check} | {found} | {caught.after} |"


if __name__ == "__main__":
    main()
