"""How the commands are built: examples in the help, global options anywhere, late loading.

The commands themselves live in one file per family; ``main`` names them.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from bookstore_cli import params
from bookstore_cli.session import Session
from servers.domain.errors import Internal, OutcomeUnknown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

FORMATS = ("table", "tsv", "csv", "json", "ndjson")
_EVERYWHERE = "The global options (see `bookstore --help`) may stand here as well."


class Interrupted(Exception):  # what happened, not an error of ours
    """Ctrl-C ended a command; ``unknown`` says of what the outcome is not known, if of anything."""

    def __init__(self, unknown: OutcomeUnknown | None = None) -> None:
        super().__init__()
        self.unknown = unknown


@contextmanager
def if_interrupted(what: str, **members: str) -> Iterator[None]:
    """Raise `Interrupted` where Ctrl-C ends the wait for an answer.

    ``what`` says what is unknown; ``members`` what to do about it, as in an `OutcomeUnknown`.
    """
    try:
        yield
    except KeyboardInterrupt as error:
        raise Interrupted(OutcomeUnknown(what, **members)) from error


@contextmanager
def done_anyway(done: str, **members: str) -> Iterator[None]:
    """Say what was done, where its data cannot be written."""
    try:
        yield
    except Internal as error:
        raise Internal(f"{error.detail} {done}", **members) from error


@dataclass(frozen=True, slots=True)
class Late:
    """A command that is imported when it is asked for: ``module:name`` and its one line of help."""

    source: str
    short_help: str

    def load(self) -> click.Command:
        """Import the command."""
        from importlib import import_module

        module, _, name = self.source.partition(":")
        command = getattr(import_module(module), name)
        if not isinstance(command, click.Command):
            raise TypeError(self.source)
        return command


class ShopCommand(click.Command):
    """A command whose help ends with examples that work on a fresh shop as printed."""

    def __init__(self, *args: Any, examples: Sequence[str] = (), **options: Any) -> None:
        super().__init__(*args, **options)
        self.examples = tuple(examples)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples, one a line."""
        super().format_epilog(ctx, formatter)
        _write_examples(ctx, formatter, self.examples)


class ShopGroup(click.Group):
    """A group of commands, some of them imported only when they are asked for."""

    command_class = ShopCommand

    def __init__(
        self,
        *args: Any,
        examples: Sequence[str] = (),
        late: Mapping[str, Late] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(*args, **options)
        self.examples = tuple(examples)
        self.late = dict(late or {})

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, those that come late first."""
        return list(dict.fromkeys([*self.late, *super().list_commands(ctx)]))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command that takes the global options too, or None."""
        if cmd_name in self.late and cmd_name not in self.commands:
            self.add_command(self.late[cmd_name].load(), cmd_name)
        command = super().get_command(ctx, cmd_name)
        if command is not None:
            _take_global_options(command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one line per command, importing none of those that come late."""
        rows = [
            (name, self.late[name].short_help)
            if name in self.late
            else (name, self.commands[name].get_short_help_str(60))
            for name in self.list_commands(ctx)
        ]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples, one a line."""
        super().format_epilog(ctx, formatter)
        _write_examples(ctx, formatter, self.examples)


ShopGroup.group_class = ShopGroup


def global_options(*, hidden: bool = False) -> list[click.Option]:
    """Return the options that every command takes; those of the environment are read once."""

    def option(*names: str, env: str | None = None, **settings: Any) -> click.Option:
        variable = None if hidden else env
        return click.Option(
            names,
            envvar=variable,
            show_envvar=True,
            expose_value=False,
            callback=_remember,
            hidden=hidden,
            **settings,
        )

    return [
        option(
            "--data",
            env="BOOKSTORE_DATA",
            type=params.FOLDER,
            help="The shop's folder: databases, tokens, URLs.",
        ),
        option("--url", env="BOOKSTORE_URL", type=params.URL, help="Where the frontend is."),
        option(
            "--token-file",
            env="BOOKSTORE_TOKEN_FILE",
            type=params.PATH,
            help="The file with the admin token.",
        ),
        option(
            "--ca-file",
            env="BOOKSTORE_CA_FILE",
            type=params.PATH,
            help="Whose certificates to trust where the shop speaks https.",
        ),
        option(
            "-o",
            "--output",
            env="BOOKSTORE_OUTPUT",
            type=click.Choice(FORMATS),
            help="The form of the data: a table on a terminal, else tsv.",
        ),
        option("--json", is_flag=True, default=None, help="The same as --output json."),
        option(
            "--timeout",
            env="BOOKSTORE_TIMEOUT",
            type=params.SECONDS,
            metavar="SECONDS",
            help="How long to wait and to try again; 10 unless named.",
        ),
        option("-q", "--quiet", is_flag=True, default=None, help="No hints, only data and errors."),
        option(
            "--color",
            env="BOOKSTORE_COLOR",
            type=click.Choice(("auto", "always", "never")),
            help="Colours in tables and errors; NO_COLOR turns them off as well.",
        ),
    ]


def _remember(ctx: click.Context, param: click.Parameter, value: object) -> None:
    source = ctx.get_parameter_source(param.name or "")
    if value is None or source not in {ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT}:
        return
    session = ctx.ensure_object(Session)
    typed = source is ParameterSource.COMMANDLINE
    if param.name == "json":
        session.remember("output", "json", typed=typed)
    else:
        session.remember(param.name or "", value, typed=typed)


def _take_global_options(command: click.Command) -> None:
    """Let a command, and the commands under it, take the global options after its name too."""
    known = {name for param in command.params for name in param.opts}
    command.params.extend(
        option for option in global_options(hidden=True) if not known.intersection(option.opts)
    )
    if isinstance(command, click.Group) and not isinstance(command, ShopGroup):
        for child in command.commands.values():
            _take_global_options(child)


def _write_examples(
    ctx: click.Context, formatter: click.HelpFormatter, examples: Sequence[str]
) -> None:
    if examples:
        lines = "".join(f"  $ {example}\n" for example in examples)
        formatter.write(f"\nExamples:\n{lines}")
    if ctx.parent is not None:
        formatter.write(f"\n{_EVERYWHERE}\n")
