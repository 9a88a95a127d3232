"""The demo: a tour of a throwaway shop, and two races, naive and right.

Lives here: the commands. What they show is in ``acts``, the races in ``races``, the shop
that loses them in ``naive``, the throwaway shops in ``shops``; all imported when a demo
runs, since they need aiohttp.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from bookstore_cli.commands import ShopCommand, ShopGroup
from bookstore_cli.session import pass_session

if TYPE_CHECKING:
    from bookstore_cli.session import Session

DEFAULT_BUYERS = 64
MAX_BUYERS = 512

_BUYERS = click.option(
    "--buyers",
    type=click.IntRange(2, MAX_BUYERS),
    default=DEFAULT_BUYERS,
    show_default=True,
    help="How many want the one copy.",
)


@click.group(
    cls=ShopGroup,
    invoke_without_command=True,
    examples=("bookstore demo", "bookstore demo oversell"),
)
@click.pass_context
def demo(context: click.Context) -> None:
    """Tour the shop, and see two races that sink others.

    Opens a shop of its own in a throwaway folder and closes it at the end; yours is not
    touched. Without a command: the whole tour.
    """
    if context.invoked_subcommand is None:
        context.invoke(tour)


@demo.command(
    "tour",
    cls=ShopCommand,
    examples=("bookstore demo tour", "bookstore demo tour --buyers 16 -q"),
)
@_BUYERS
@pass_session
def tour(session: Session, buyers: int) -> None:
    """Look around, purchase, see both races, audit."""
    from bookstore_cli.demo import acts

    acts.play(session, acts.whole_tour, buyers)


@demo.command(
    "oversell",
    cls=ShopCommand,
    examples=("bookstore demo oversell", "bookstore demo oversell --buyers 8"),
)
@_BUYERS
@pass_session
def oversell(session: Session, buyers: int) -> None:
    """Let many buyers at once want the last copy.

    The naive shop sells it to all of them, this one to one.
    """
    from bookstore_cli.demo import acts

    acts.play(session, acts.oversell, buyers)


@demo.command(
    "delete-race",
    cls=ShopCommand,
    examples=("bookstore demo delete-race", "bookstore demo delete-race --buyers 8"),
)
@_BUYERS
@pass_session
def delete_race(session: Session, buyers: int) -> None:
    """Delete a book while purchases are on their way.

    The naive shop sells it still, this one does not.
    """
    from bookstore_cli.demo import acts

    acts.play(session, acts.delete_race, buyers)
