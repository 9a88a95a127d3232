"""The group `bookstore`, and the one place where errors become sentences and exit codes.

=====  =================================================================
exit   means
=====  =================================================================
0      done; also replayed, also nothing found by a search
1      a bug, or a server's; or the output cannot be written
2      usage, also a malformed id
3      declined at a prompt
4      not allowed
5      not found, or deleted
6      out of stock
7      conflict: version, price, key, state
8      data refused, or an audit found a violation
9      unreachable, or in use by another; nothing happened
10     outcome unknown: repeat with the printed key
130    interrupted
=====  =================================================================
"""

from __future__ import annotations

import errno
import os
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import click

from bookstore_cli.commands import Interrupted, Late, ShopGroup, global_options
from bookstore_cli.session import Session
from bookstore_cli.terminal import tell, visible
from servers.domain.errors import Internal, ShopError, problem_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from servers.domain.errors import OutcomeUnknown

INTERRUPTED = 130
NO_OUTCOME = (9, 10)
BEHIND = ("catalog", "order")

LATE = {
    "search": Late("bookstore_cli.shop:search", "Find books by topic or by words."),
    "info": Late("bookstore_cli.shop:info", "Show books by id."),
    "buy": Late("bookstore_cli.shop:buy", "Purchase copies of a book."),
    "topics": Late(
        "bookstore_cli.shop:topics", "List the topics, each with the number of its books."
    ),
    "orders": Late("bookstore_cli.orders:orders", "List, show and cancel orders."),
    "books": Late("bookstore_cli.books:books", "Add, edit, restock and delete books; for staff."),
    "up": Late("bookstore_cli.running:up", "Run the whole shop until Ctrl-C."),
    "serve": Late(
        "bookstore_cli.running:serve",
        "Run one server in the foreground, as systemd and containers want it.",
    ),
    "status": Late(
        "bookstore_cli.running:status",
        "Say of each server whether it is live and ready; exit 9 if one is not.",
    ),
    "token": Late(
        "bookstore_cli.tokens:token", "Make, list and revoke the tokens of staff and servers."
    ),
    "doctor": Late(
        "bookstore_cli.doctor:doctor", "Say what is wrong with this installation, and what to do."
    ),
    "audit": Late("bookstore_cli.audit:audit", "Prove that stock, ledger and orders agree."),
    "reconcile": Late(
        "bookstore_cli.reconcile:reconcile", "Rebuild orders from the ledger, and missing sales."
    ),
    "db": Late("bookstore_cli.db:db", "Back up, restore and check the shop's databases."),
    "demo": Late("bookstore_cli.demo:demo", "Tour the shop, and see two races that sink others."),
}


class OutputClosed(Exception):  # no error: whoever read has read enough
    """Whoever read our output went away, as `head` does."""


@contextmanager
def _may_end_early() -> Iterator[None]:
    """Tell Ctrl-C, a reader who went away and a device that is full from a bug of ours."""
    try:
        yield
    except KeyboardInterrupt as error:
        # Click would print an empty line, also where a program reads it.
        raise Interrupted from error
    except BrokenPipeError as error:
        raise OutputClosed from error
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        from bookstore_cli.output import cannot_be_written

        raise cannot_be_written(error) from error


class Root(ShopGroup):
    """The group of all commands; it alone knows what Ctrl-C and a closed pipe mean."""

    def make_context(self, *args: Any, **options: Any) -> click.Context:
        """Understand what was typed. Raises `Interrupted`, and `OutputClosed` of `--help`."""
        with _may_end_early():
            return super().make_context(*args, **options)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command. Raises `Interrupted` and `OutputClosed` besides its own errors."""
        with _may_end_early():
            return super().invoke(ctx)


def make_cli() -> Root:
    """Return the whole command line; commands are imported when they are asked for."""
    version = click.Option(
        ["--version"],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_print_version,
        help="Print the version.",
    )
    return Root(
        "bookstore",
        late=LATE,
        params=[*global_options(), version],
        help="A bookstore whose purchases are right.",
        examples=("bookstore search 'distributed systems'", "bookstore buy 2"),
        context_settings={"help_option_names": ["-h", "--help"]},
    )


def main() -> None:
    """Run the command line of this process."""
    if sys.stdin is None:
        # Whatever is opened first would be taken for standard input, also when it is closed.
        os.open(os.devnull, os.O_RDONLY)
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code; every error ends here."""
    session = Session()
    try:
        result = make_cli().main(
            list(arguments), prog_name="bookstore", standalone_mode=False, obj=session
        )
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  # every error ends here
        return _ended(session, error)
    finally:
        session.close()
    return result if isinstance(result, int) else 0


def _ended(session: Session, error: BaseException) -> int:
    """Say what ended a command early; return its exit code."""
    match error:
        case Interrupted():
            _tell_interrupted(session, error.unknown)
            code = INTERRUPTED
        case click.Abort() | KeyboardInterrupt():
            code = INTERRUPTED
        case OutputClosed():
            # Python would complain once more when it flushes what nobody reads.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            code = 0
        case click.ClickException():
            _show_usage(error)
            code = error.exit_code
        case ExceptionGroup():
            code = _report(session, [_named(each) for each in error.exceptions])
        case _:
            code = _report(session, [_named(error)])
    return code


def _report(session: Session, errors: Sequence[ShopError]) -> int:
    """Print errors, as sentences or as problem objects; return the exit code of the first."""
    _name_who_is_missing(session, errors[0])
    for error in errors:
        if session.machine_reads_errors:
            _tell_problem(error)
            continue
        label = _coloured(session, "Error:")
        # `_coloured` has seen to it that there are colours only where they are wanted.
        tell(f"{label} {visible(session.told(error))}", color=True)
        for line in _below(error):
            tell(visible(line))
    return errors[0].exit_code


def _tell_interrupted(session: Session, unknown: OutcomeUnknown | None) -> None:
    """Say what Ctrl-C left unknown, if anything; nobody is asked about it any more."""
    if not session.machine_reads_errors:
        tell()  # The terminal has printed ^C.
    if unknown is None:
        return
    if session.machine_reads_errors:
        _tell_problem(unknown)
        return
    for line in (unknown.detail, *_below(unknown)):
        tell(visible(line))


def _tell_problem(error: ShopError) -> None:
    import json

    tell(json.dumps(problem_of(error)))


def _name_who_is_missing(session: Session, error: ShopError) -> None:
    """Note in an error that says of no outcome which server is not ready, where it names none."""
    if error.exit_code not in NO_OUTCOME or any(
        f"{name} server" in error.detail for name in BEHIND
    ):
        return
    with suppress(ShopError, KeyboardInterrupt):
        wrong = session.not_ready()
        if wrong:
            error.members["not_ready"] = wrong


def _below(error: ShopError) -> Iterator[str]:
    """Yield the lines that stand below an error's sentence."""
    wrong = error.members.get("not_ready")
    if isinstance(wrong, dict):
        yield from (f"{server} is not ready: {why}" for server, why in wrong.items())
    for name in ("look_with", "repeat_with"):
        command = error.members.get(name)
        if command:
            yield f"{name.replace('_', ' ')}: {command}"


def _show_usage(error: click.ClickException) -> None:
    """Print what was wrong with the command line; what was typed is made harmless."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return
    context = error.ctx if isinstance(error, click.UsageError) else None
    if context is not None:
        tell(context.get_usage())
        tell(f"Try '{context.command_path} --help' for help.\n")
    # A choice that is missing is told on several lines.
    for number, line in enumerate(error.format_message().splitlines()):
        tell(f"{'' if number else 'Error: '}{visible(line.expandtabs(4))}")


def _print_version(ctx: click.Context, _param: click.Parameter, wanted: bool) -> None:
    if not wanted or ctx.resilient_parsing:
        return
    from importlib.metadata import PackageNotFoundError, version

    try:
        click.echo(f"bookstore {version('bookstore')}")
    except PackageNotFoundError:
        click.echo("bookstore (not installed: run from its sources)")
    ctx.exit()


def _named(error: BaseException) -> ShopError:
    """Return an error of the shop as it is, and any other as the bug that it shows."""
    if isinstance(error, ShopError):
        return error
    if sys.flags.dev_mode:
        raise error
    return Internal(
        f"This is a bug in the command ({type(error).__name__}: {error}). Set PYTHONDEVMODE=1 and "
        "repeat it to see where it is; please report that."
    )


def _coloured(session: Session, label: str) -> str:
    color = session.option("color", "auto")
    on_terminal = sys.stderr is not None and sys.stderr.isatty()
    dumb = os.environ.get("TERM") == "dumb"
    bare = bool(os.environ.get("NO_COLOR")) or dumb or not on_terminal
    plain = color == "never" or (color == "auto" and bare)
    return label if plain else f"\x1b[31m{label}\x1b[0m"
