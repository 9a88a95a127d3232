"""Orders: list them (staff), look at one, give one back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from bookstore_cli import params
from bookstore_cli.commands import ShopGroup, done_anyway, if_interrupted
from bookstore_cli.output import cell
from bookstore_cli.session import pass_session
from bookstore_cli.shop import ORDER, chosen_limit, list_pages

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bookstore_cli.output import Rows
    from bookstore_cli.session import Session

STATES = ("pending", "confirmed", "rejected", "cancelling", "cancelled")
LISTED = (*ORDER, "created_at", "reason")
WHOLE_ORDER = (*LISTED, "history")
SHOWN = ("id", "state", "book_id", "quantity", "title")


@click.group(
    cls=ShopGroup,
    examples=("bookstore orders list", "bookstore orders list --state confirmed"),
)
def orders() -> None:
    """List, show and cancel orders."""


@orders.command(
    "list",
    examples=("bookstore orders list", "bookstore orders list --state confirmed --book 2 -o tsv"),
)
@click.option("--state", type=click.Choice(STATES), help="Only orders in this state.")
@click.option("--book", "book_id", type=params.BOOK_ID, metavar="ID", help="Only of this book.")
@click.option("--limit", type=params.LIMIT, help="At most so many orders; 50 if none.")
@click.option("--all", "everything", is_flag=True, help="All orders.")
@pass_session
def list_orders(
    session: Session, state: str | None, book_id: int | None, limit: int | None, everything: bool
) -> None:
    """List orders, newest first; for staff."""
    query: dict[str, object] = {"state": state, "book_id": book_id}
    most = chosen_limit(limit, everything=everything)
    list_pages(session, "/orders", LISTED, most, query, shown=_shown, admin=True)


@orders.command(
    "show",
    examples=(
        "bookstore orders show $(bookstore buy 2 -q -o tsv | tail -n 1 | cut -f 1)",
        "bookstore orders show $(bookstore buy 2 -q -o tsv | tail -n 1 | cut -f 1) --json",
    ),
)
@click.argument("order_id", metavar="ID", type=params.ORDER_ID)
@pass_session
def show(session: Session, order_id: str) -> None:
    """Show an order with its history; whoever knows its id may."""
    answer = session.client().get(f"/orders/{order_id}")
    session.output.thing(WHOLE_ORDER, answer)


@orders.command(
    "cancel",
    examples=(
        "bookstore orders cancel $(bookstore buy 2 -q -o tsv | tail -n 1 | cut -f 1)",
        "bookstore orders cancel $(bookstore buy 4 -q -o tsv | tail -n 1 | cut -f 1) -o tsv",
    ),
)
@click.argument("order_id", metavar="ID", type=params.ORDER_ID)
@pass_session
def cancel(session: Session, order_id: str) -> None:
    """Give an order back; the copies return to the shelf, once."""
    unsure = "The order may or may not have been cancelled."
    with if_interrupted(unsure, repeat_with=f"bookstore orders cancel {order_id}"):
        answer = session.client().cancel(order_id)
    done = f"Order {order_id} is {answer.value.get('state')}."
    with done_anyway(done):
        session.output.thing(ORDER, answer)
    session.say(done)


def _shown(rows: Rows) -> tuple[Sequence[str], Rows]:
    """Return what of orders a terminal has room for: why, too, where one was rejected.

    The reason's code becomes words, which a narrow column can break between.
    """
    if not any(row.get("reason") for row in rows):
        return SHOWN, rows
    told = [{**row, "reason": cell(row.get("reason")).replace("_", " ")} for row in rows]
    return (*SHOWN, "reason"), told
