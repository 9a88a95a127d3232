"""What customers do: search, look at books, purchase, see the topics."""

from __future__ import annotations

import shlex
import uuid
from typing import TYPE_CHECKING

import click

from bookstore_cli import params
from bookstore_cli.commands import ShopCommand, done_anyway, if_interrupted
from bookstore_cli.session import pass_session
from servers.domain.errors import NotNow, OutcomeUnknown, ShopError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from bookstore_cli.connection import Answer
    from bookstore_cli.output import Shown
    from bookstore_cli.paging import Page
    from bookstore_cli.session import Session

FOUND = ("id", "title", "authors", "price", "stock")
BOOK = (
    "id",
    "title",
    "authors",
    "isbn",
    "topics",
    "price",
    "currency",
    "stock",
    "version",
    "updated_at",
)
ORDER = (
    "id",
    "state",
    "book_id",
    "title",
    "quantity",
    "unit_price",
    "total",
    "currency",
    "version_after",
    "stock_after",
    "decided_at",
)
DEFAULT_LIMIT = 50


@click.command(
    cls=ShopCommand,
    examples=(
        "bookstore search 'distributed systems'",
        "bookstore search --text 'cooking impati' -o csv",
    ),
)
@click.argument("topic", type=params.TEXT, required=False)
@click.option("--text", metavar="WORDS", type=params.TEXT, help="Words that a book must have.")
@click.option("--in-stock", is_flag=True, help="Only books that can be bought now.")
@click.option("--limit", type=params.LIMIT, help=f"At most so many books; {DEFAULT_LIMIT} if none.")
@click.option("--all", "everything", is_flag=True, help="All books that are found.")
@pass_session
def search(
    session: Session,
    /,
    *,
    topic: str | None,
    text: str | None,
    in_stock: bool,
    limit: int | None,
    everything: bool,
) -> None:
    """Find books by topic or by words.

    A TOPIC matches whole; upper and lower case and blanks do not matter. With --text all
    words must stand in title, authors or topics, the last one as a beginning; case and
    accents do not matter, and what fits best comes first.
    """
    from bookstore_cli import wire

    most = chosen_limit(limit, everything=everything)
    if topic is None and text is None:
        raise click.UsageError("Give a TOPIC, or --text WORDS, or both.")
    if topic is not None and text is None and not in_stock:
        list_pages(session, wire.topic_path(topic), FOUND, most)
        return
    wanted = "true" if in_stock else None
    list_pages(session, "/books", FOUND, most, {"q": text, "topic": topic, "in_stock": wanted})


@click.command(
    cls=ShopCommand,
    examples=("bookstore info 4", "bookstore info 1 2 --json"),
)
@click.argument("ids", metavar="ID...", nargs=-1, required=True, type=params.BOOK_ID)
@pass_session
def info(session: Session, ids: tuple[int, ...]) -> None:
    """Show books by id.

    What is found is printed; if something is not, the exit code says why the first of
    those is missing.
    """
    client = session.client()
    found: list[Answer] = []
    missing: list[ShopError] = []
    for book_id in ids:
        client.deadline.restart()
        try:
            found.append(client.get(f"/books/{book_id}"))
        except ShopError as error:
            missing.append(error)
            if isinstance(error, NotNow):
                break  # A shop that does not answer would not answer for the others either.
    if found:
        session.output.things(BOOK, found, as_list=len(ids) > 1)
    elif len(ids) > 1 and session.output.kind == "json":
        session.output.things(BOOK, [], as_list=True)
    if missing:
        raise ExceptionGroup("some books were not found", missing)


@click.command(
    cls=ShopCommand,
    examples=("bookstore buy 2", "bookstore buy 4 -n 2 --max-price 100"),
)
@click.argument("book_id", metavar="ID", type=params.BOOK_ID)
@click.option("-n", "--quantity", type=params.QUANTITY, default=1, help="How many copies; 1.")
@click.option("--key", type=params.KEY, help="The idempotency key of an earlier try, or your own.")
@click.option("--version", type=params.VERSION, help="Buy only if the book has this version.")
@click.option("--max-price", type=params.PRICE, help="Buy only if a copy costs no more.")
@pass_session
def buy(
    session: Session,
    book_id: int,
    quantity: int,
    key: str | None,
    version: int | None,
    max_price: str | None,
) -> None:
    """Purchase copies of a book.

    A lost connection is no reason to worry: the purchase is repeated with the same
    idempotency key and made once. If its outcome is still unknown when the time is over
    (exit 10), the key is printed; repeat the command with it.
    """
    known, key = key is not None, key or uuid.uuid4().hex
    wishes = {"quantity": quantity, "version": version, "max_price": max_price}
    named = {name: value for name, value in wishes.items() if value is not None}
    again = _command_again(session, book_id, named, key)
    how = {"idempotency_key": key, "repeat_with": again}
    client, output = session.client(), session.output
    try:
        with if_interrupted("The purchase may or may not have been made.", **how):
            answer = client.purchase(book_id, named, key)
    except OutcomeUnknown as error:
        raise OutcomeUnknown(error.detail, **{**error.members, **how}) from error
    confirmed = f"Order {answer.value.get('id')} was confirmed; nothing more is bought by its key."
    with done_anyway(confirmed, **how):
        output.thing(ORDER, answer)
    _say_what_was_bought(session, answer, again=known and answer.replayed)


@click.command(cls=ShopCommand, examples=("bookstore topics", "bookstore topics -o csv"))
@pass_session
def topics(session: Session) -> None:
    """List the topics, each with the number of its books."""
    from bookstore_cli import wire
    from bookstore_cli.paging import Page

    answer = session.client().call(wire.page("/topics", {}))
    session.output.listing(("topic", "count"), [Page(answer.body, answer.value, more=False)])


def chosen_limit(limit: int | None, *, everything: bool) -> int | None:
    """Return how many rows a list may have; None means all."""
    if everything and limit is not None:
        raise click.UsageError("Give either --limit or --all, not both.")
    return None if everything else (limit or DEFAULT_LIMIT)


def list_pages(  # noqa: PLR0913  # what is asked for, and how it is shown
    session: Session,
    path: str,
    columns: tuple[str, ...],
    limit: int | None,
    query: dict[str, object] | None = None,
    *,
    shown: Shown | None = None,
    admin: bool = False,
) -> None:
    """Print a list of the shop, and say so where it goes on."""
    from bookstore_cli.paging import pages

    following = pages(session.client(admin=admin), path, query or {}, limit)
    seen: list[Page] = []
    session.output.listing(columns, _watched(following, seen), shown)
    if seen and seen[-1].more:
        session.say(f"These are the first {limit}; there are more. Add --all, or --limit N.")


def _watched(following: Iterable[Page], seen: list[Page]) -> Iterator[Page]:
    """Pass pages on, keeping the last one in sight."""
    for page in following:
        seen[:] = [page]
        yield page


def _command_again(session: Session, book_id: int, wishes: Mapping[str, object], key: str) -> str:
    """Return the command line that repeats a purchase with its key."""
    words = ["bookstore", "buy", str(book_id)]
    named = {**wishes, **session.typed("url", "data", "ca_file"), "key": key}
    if named.get("quantity") == 1:
        del named["quantity"]
    for name, value in named.items():
        words += [f"--{name.replace('_', '-')}", str(value)]
    return shlex.join(words)


def _say_what_was_bought(session: Session, answer: Answer, *, again: bool) -> None:
    """Tell of a purchase; ``again``: its key was used before, by another call of the command."""
    order = answer.value
    copies = "1 copy" if order.get("quantity") == 1 else f"{order.get('quantity')} copies"
    bought = f"{copies} of “{order.get('title')}” for {order.get('total')} {order.get('currency')}"
    if again:
        session.say(f"This key has bought {bought}, and buys nothing more.")
        session.say(f"How it stands now: bookstore orders show {order.get('id')}")
    else:
        session.say(f"Purchased {bought}.")
        session.say(f"To give it back: bookstore orders cancel {order.get('id')}")
