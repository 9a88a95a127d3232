"""Hunts for what is wrong with the product that stands on the path, and prints what it found.

``python -m tests.mutants.hunt CHECK SEEDS`` prints one JSON object: ``invariants`` (none where
nothing was found), ``after`` (how many seeds it took) and ``finding``. The tests run it in a
process of its own, in a folder where a mutant stands in the place of the product.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import logging
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.mutants.storm import invariants, storm
from tests.stateful.machine import lives

if TYPE_CHECKING:
    from servers.domain.accounts import Violation
    from tests.stateful.machine import AwaitedMachine

CHECKS = ("storm", "simulation", "catalog", "shop")

AT_ONCE = 8


@click.command()
@click.argument("check", type=click.Choice(CHECKS))
@click.argument("seeds", type=int)
def main(check: str, seeds: int) -> None:
    """Hunt with one check, for so many seeds at most."""
    logging.disable(logging.CRITICAL)
    if check == "storm":
        found = asyncio.run(_storms(seeds))
    else:
        found = _simulations(seeds) if check == "simulation" else _lives(check, seeds)
    click.echo(json.dumps(found))


async def _storms(seeds: int) -> dict[str, object]:
    """Live through storms, several at once, until one leaves something wrong."""
    with tempfile.TemporaryDirectory() as folder:

        async def one(seed: int) -> list[Violation]:
            (Path(folder) / str(seed)).mkdir()
            return await storm(seed, Path(folder) / str(seed))

        for first in range(1, seeds + 1, AT_ONCE):
            some = range(first, min(first + AT_ONCE, seeds + 1))
            for seed, found in zip(some, await asyncio.gather(*map(one, some)), strict=True):
                if found:
                    named = invariants(found)
                    return {"invariants": named, "after": seed, "finding": found[0].detail}
    return {"invariants": [], "after": seeds, "finding": ""}


def _simulations(seeds: int) -> dict[str, object]:
    """Simulate one seed after the other until something is wrong."""
    from tests.simulation.simulate import simulate

    for seed in range(1, seeds + 1):
        found = simulate(seed).violations
        if found:
            return {"invariants": invariants(found), "after": seed, "finding": found[0].detail}
    return {"invariants": [], "after": seeds, "finding": ""}


def _lives(check: str, seeds: int) -> dict[str, object]:
    """Let the catalog or the shop live beside its model until they differ."""
    machine: type[AwaitedMachine]
    if check == "catalog":
        from tests.stateful.test_catalog import CatalogMachine

        machine = CatalogMachine
    else:
        from tests.stateful.test_shop import ShopMachine

        machine = ShopMachine
    begun: list[None] = []

    class Counted(machine):  # type: ignore[misc, valid-type]  # whichever it is
        def __init__(self) -> None:
            begun.append(None)
            super().__init__()

    only_find = settings(
        lives(1),
        max_examples=seeds,
        phases=[Phase.generate],
        database=None,
        print_blob=False,
        report_multiple_bugs=False,
    )
    try:
        # Hypothesis tells how to see it again, which is of no use here.
        with contextlib.redirect_stdout(io.StringIO()):
            run_state_machine_as_test(Counted, settings=only_find)
    except AssertionError as error:
        return {"invariants": ["model"], "after": len(begun), "finding": repr(error)[:200]}
    return {"invariants": [], "after": len(begun), "finding": ""}


if __name__ == "__main__":
    main(sys.argv[1:])
