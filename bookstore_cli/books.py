"""What staff do with books: add, edit, restock, delete, and read the ledger."""

from __future__ import annotations

import sys
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from bookstore_cli import params
from bookstore_cli.commands import Late, ShopGroup, done_anyway, if_interrupted
from bookstore_cli.session import pass_session
from bookstore_cli.shop import BOOK, chosen_limit, list_pages
from bookstore_cli.terminal import tell, visible
from servers.domain.errors import OutcomeUnknown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bookstore_cli.session import Session

DECLINED = 3
_UNSURE = "The change may or may not have been made."
LEDGER = (
    *("number", "kind", "book_id", "at", "change", "version_after", "stock_after", "title"),
    *("unit_price", "order_id", "quantity", "asked_version", "asked_max_price", "reason"),
    *("version_seen", "stock_seen", "fingerprint"),
)
LEDGER_SHOWN = ("number", "at", "kind", "change", "version_after", "stock_after", "reason")


@click.group(
    cls=ShopGroup,
    examples=("bookstore books restock 4 +5", "bookstore books edit 7 --price 19.50"),
    late={
        "import": Late(
            "bookstore_cli.importing:import_books",
            "Add books from a file, or from standard input where FILE is -.",
        )
    },
)
def books() -> None:
    """Add, edit, restock and delete books; for staff."""


@books.command(
    "add",
    examples=(
        "bookstore books add 'Emma' --author 'Jane Austen' --topic novels --price 9.50 --stock 3",
        "bookstore books add 'Leviathan' --author 'Thomas Hobbes' --price 12 --stock 1 --json",
    ),
)
@click.argument("title", type=params.TEXT)
@click.option(
    "--author", "authors", type=params.TEXT, multiple=True, required=True, help="Once or more."
)
@click.option("--topic", "topics", type=params.TEXT, multiple=True, help="Any number of times.")
@click.option("--price", type=params.PRICE, required=True, help="The price of a copy.")
@click.option("--stock", type=params.STOCK, required=True, help="How many copies there are.")
@click.option("--isbn", type=params.TEXT, help="10 or 13 digits.")
@click.option("--key", type=params.KEY, help="The idempotency key of an earlier try, or your own.")
@pass_session
def add(
    session: Session, /, title: str, key: str | None, isbn: str | None, **fields: object
) -> None:
    """Add a book."""
    from bookstore_cli import wire

    key = key or uuid.uuid4().hex
    book = {"title": title, **fields, **({"isbn": isbn} if isbn else {})}
    with naming(key):
        answer = session.client(admin=True).call(wire.add(book, key))
    book_id = answer.value.get("id")
    with done_anyway(f"Book {book_id} was added, once for --key {key}.", idempotency_key=key):
        session.output.thing(BOOK, answer)
    session.say(f"Book {book_id} was added.")


@books.command(
    "edit",
    examples=(
        "bookstore books edit 7 --price 19.50",
        "bookstore books edit 3 --topic 'undergraduate school' --topic comedy",
    ),
)
@click.argument("book_id", metavar="ID", type=params.BOOK_ID)
@click.option("--title", type=params.TEXT, help="The new title.")
@click.option("--author", "authors", type=params.TEXT, multiple=True, help="All authors.")
@click.option("--topic", "topics", type=params.TEXT, multiple=True, help="All topics.")
@click.option("--price", type=params.PRICE, help="The new price of a copy.")
@click.option("--isbn", help="The new ISBN; '' for none.")
@pass_session
def edit(session: Session, /, book_id: int, isbn: str | None, **fields: object) -> None:
    """Edit a book; what is not named stays.

    The edit holds for the book as it is now. If somebody changes it at this very moment,
    the edit is refused (exit 7) and nothing is changed.
    """
    from bookstore_cli import wire

    named = {name: value for name, value in fields.items() if value}
    if isbn is not None:
        named["isbn"] = isbn or None
    if not named:
        raise click.UsageError("Name what to edit: --title, --author, --topic, --price or --isbn.")
    client = session.client(admin=True)
    version = client.version_of(book_id)
    with if_interrupted(_UNSURE, look_with=f"bookstore info {book_id}"):
        answer = client.call(wire.edit(book_id, named, version))
    done = f"Book {book_id} was edited."
    with done_anyway(done):
        session.output.thing(BOOK, answer)
    session.say(done)


@books.command(
    "restock",
    context_settings={"ignore_unknown_options": True},
    examples=(
        "bookstore books restock 4 +5 --reason 'a parcel came'",
        "bookstore books restock 5 --count 12",
    ),
)
@click.argument("book_id", metavar="ID", type=params.BOOK_ID)
@click.argument("change", metavar="[CHANGE]", type=params.CHANGE, required=False)
@click.option("--count", type=params.STOCK, help="How many copies were counted on the shelf.")
@click.option("--reason", type=params.TEXT, default="restock", show_default=True, help="Why.")
@click.option("--version", type=params.VERSION, help="Only if the book has this version.")
@click.option("--key", type=params.KEY, help="The idempotency key of an earlier try, or your own.")
@pass_session
def restock(  # noqa: PLR0913  # one parameter for each thing that may be typed
    session: Session,
    /,
    *,
    book_id: int,
    change: int | None,
    count: int | None,
    reason: str,
    version: int | None,
    key: str | None,
) -> None:
    """Change a book's stock by CHANGE, like +5 or -2, or set it to what was counted.

    A count holds for the book as it is now: it is refused (exit 7) if the book changes
    at this very moment.
    """
    from bookstore_cli import wire

    if (change is None) == (count is None):
        raise click.UsageError("Give either a CHANGE like +5 or -2, or --count N.")
    key = key or uuid.uuid4().hex
    client = session.client(admin=True)
    wish: dict[str, object] = {"change": change, "reason": reason}
    if count is not None:
        wish = {"count": count, "reason": reason}
        version = version or client.version_of(book_id)
    with naming(key):
        answer = client.call(wire.restock(book_id, wish, version, key))
    done = f"The stock of book {book_id} was changed, once for --key {key}."
    with done_anyway(done, idempotency_key=key):
        session.output.thing(BOOK, answer)
    session.say(f"Book {book_id} has a stock of {answer.value.get('stock')}.")


@books.command(
    "delete",
    examples=("bookstore books delete 40 --yes", "bookstore books delete 39 --yes -q"),
)
@click.argument("book_id", metavar="ID", type=params.BOOK_ID)
@click.option("--version", type=params.VERSION, help="Only if the book has this version.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@pass_session
def delete(session: Session, book_id: int, version: int | None, yes: bool) -> int:
    """Delete a book; its id never comes back.

    On a terminal it asks first; a no is exit 3.
    """
    from bookstore_cli import wire

    client = session.client(admin=True)
    if not yes and sys.stdin is not None and sys.stdin.isatty():
        book = client.get(f"/books/{book_id}").value
        if not _agreed(f"Delete book {book_id}, “{book.get('title')}”, for good?"):
            session.say("Nothing was deleted.")
            return DECLINED
        client.restart()
    with if_interrupted(_UNSURE, look_with=f"bookstore info {book_id}"):
        client.call(wire.delete(book_id, version))
    session.say(f"Book {book_id} was deleted.")
    return 0


@books.command(
    "ledger",
    examples=("bookstore books ledger 2", "bookstore books ledger 2 -o ndjson"),
)
@click.argument("book_id", metavar="ID", type=params.BOOK_ID)
@click.option("--limit", type=params.LIMIT, help="At most so many rows; 50 if none.")
@click.option("--all", "everything", is_flag=True, help="All rows.")
@pass_session
def ledger(session: Session, book_id: int, limit: int | None, everything: bool) -> None:
    """Show what happened to a book, newest first."""
    most = chosen_limit(limit, everything=everything)
    list_pages(
        session,
        f"/books/{book_id}/ledger",
        LEDGER,
        most,
        shown=lambda rows: (LEDGER_SHOWN, rows),
        admin=True,
    )


def _agreed(question: str) -> bool:
    """Ask on the terminal; anything but y or yes, and the end of the input, is a no."""
    tell(visible(question) + " [y/N] ", nl=False)
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


@contextmanager
def naming(key: str) -> Iterator[None]:
    """Name the idempotency key where the outcome of a change stays unknown."""
    how = {"idempotency_key": key, "repeat_with": f"the same command with --key {key}"}
    try:
        with if_interrupted(_UNSURE, **how):
            yield
    except OutcomeUnknown as error:
        raise OutcomeUnknown(error.detail, **{**error.members, **how}) from error
