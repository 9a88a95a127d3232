"""Replays one seed for a person to read: ``make simulate SEED=7``.

Prints who sent what to whom, what was done to the shop and who died of it, then the verdict.
Exits with 1 where something was wrong.
"""

from __future__ import annotations

import sys

import click

from tests.simulation.adversary import FAULTS
from tests.simulation.simulate import PURCHASES, Outcome, simulate


@click.command()
@click.argument("seed", type=int)
@click.option("--purchases", type=click.IntRange(min=1), default=PURCHASES, show_default=True)
@click.option(
    "--faults", default=",".join(FAULTS), help="Those that may happen, by name; '' for none."
)
@click.option("--quiet", is_flag=True, help="Print the verdict alone.")
def main(seed: int, purchases: int, faults: str, *, quiet: bool) -> None:
    """Replay one seed."""
    allowed = tuple(name for name in faults.split(",") if name)
    unknown = [name for name in allowed if name not in FAULTS]
    if unknown:
        raise click.UsageError(f"There is no fault {unknown[0]!r}; known are {', '.join(FAULTS)}.")
    outcome = simulate(
        seed, purchases=purchases, faults=allowed, show=None if quiet else click.echo
    )
    click.echo(summary(outcome))
    sys.exit(1 if outcome.violations else 0)


def summary(outcome: Outcome) -> str:
    """Return what came of a seed, in a few lines."""
    befell = ", ".join(f"{count} {name}" for name, count in sorted(outcome.faults.items()))
    lines = [
        f"trace      {outcome.trace_hash}",
        f"faults     {befell or 'none'}",
        f"deaths     {'; '.join(outcome.deaths) or 'none'}",
        f"purchases  {outcome.purchases}, people's requests {len(outcome.histories)}",
        f"messages   {outcome.messages}, steps {outcome.steps}, time {outcome.virtual_s:.1f} s",
    ]
    if not outcome.violations:
        return "\n".join([*lines, "violations 0"])
    return "\n".join([*lines, f"violations {len(outcome.violations)}", outcome.report()])


if __name__ == "__main__":
    main()
