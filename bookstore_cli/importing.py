"""What staff do with many books at once: import them from a file."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import click

from bookstore_cli import params
from bookstore_cli.books import naming
from bookstore_cli.commands import ShopCommand, done_anyway
from bookstore_cli.session import pass_session
from bookstore_cli.terminal import tell, visible
from servers.domain.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bookstore_cli.client import Client
    from bookstore_cli.rows import RowFile
    from bookstore_cli.session import Session

TOLD = ("read", "added", "replayed", "refused", "problems_left_off")
KINDS = {".csv": "csv", ".ndjson": "ndjson", ".jsonl": "ndjson"}
MAX_TRIES = 10
"""How often an import may break off before no more time is given to repeat it."""


@click.command(
    cls=ShopCommand,
    examples=(
        "bookstore books import books.ndjson",
        "bookstore books import - --format csv < books.csv",
    ),
)
@click.argument(
    "file", metavar="FILE", type=click.Path(exists=True, dir_okay=False, allow_dash=True)
)
@click.option(
    "--format",
    "kind",
    type=click.Choice(["ndjson", "csv"]),
    help="What FILE is; by its ending if not named, NDJSON on standard input.",
)
@click.option("--key", type=params.KEY, help="The idempotency key of an earlier try, or your own.")
@pass_session
def import_books(session: Session, file: str, kind: str | None, key: str | None) -> int:
    """Add books from a file, or from standard input where FILE is -.

    NDJSON has a JSON object a line: title, authors, price, stock, and if there are any
    topics and isbn. CSV has what `bookstore info ID... -o csv` prints; id, currency, version
    and updated_at are passed over.

    A row that is refused is told of with its line, and the others go in (exit 8). With the
    same key the same file adds nothing twice, so what broke off can be repeated. A file is
    repeated by itself when the connection is lost. There is no time limit for the whole;
    --timeout is for silence.
    """
    from bookstore_cli import wire
    from bookstore_cli.rows import open_rows

    kind = kind or _kind_of(file)
    known, key = key is not None, key or uuid.uuid4().hex
    with open_rows(file, kind) as rows:
        client = session.client(admin=True)
        if not known:
            session.announce(f"Should it break off, repeat it with --key {key}.")
        parts = _Parts(client, rows)
        with naming(key):
            answer = client.call(wire.import_books(parts, key, once=not rows.again))
    told: dict[str, Any] = answer.value
    summary = _summary(told)
    with done_anyway(summary, idempotency_key=key):
        session.output.thing(TOLD, answer)
    if not session.machine_reads_errors:
        for line in _refusals(told):
            tell(visible(line))
    session.say(summary)
    return InvalidRequest.exit_code if told.get("refused") else 0


class _Parts:
    """The body of an import, made anew for each try; each part that goes out buys new time."""

    def __init__(self, client: Client, rows: RowFile) -> None:
        self._client = client
        self._rows = rows
        self._tries = 0

    def __call__(self) -> Iterator[bytes]:
        self._tries += 1
        for part in self._rows.parts():
            if self._tries <= MAX_TRIES:
                self._client.deadline.restart()
            yield part


def _kind_of(file: str) -> str:
    if file == "-":
        return "ndjson"
    for ending, kind in KINDS.items():
        if file.lower().endswith(ending):
            return kind
    raise click.UsageError(f"Say what {file} is: --format ndjson or --format csv.")


def _summary(told: dict[str, Any]) -> str:
    added, before, refused = (told.get(name) for name in ("added", "replayed", "refused"))
    parts = ["1 book was added" if added == 1 else f"{added} books were added"]
    if before:
        parts.append("1 was in already" if before == 1 else f"{before} were in already")
    if refused:
        parts.append(f"{refused} refused")
    return ", ".join(parts) + "."


def _refusals(told: dict[str, Any]) -> Iterator[str]:
    problems = told.get("problems")
    for problem in problems if isinstance(problems, list) else ():
        if isinstance(problem, dict):
            yield f"line {problem.get('line')}: {problem.get('detail')}"
    if told.get("problems_left_off"):
        yield f"{told['problems_left_off']} more were refused."
