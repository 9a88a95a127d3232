"""The command line reference: the help page of every command, in one document.

Lives here: making ``docs/cli.md``. ``make docs`` writes it; a test compares it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bookstore_cli.main import make_cli

if TYPE_CHECKING:
    from collections.abc import Iterator

REFERENCE = Path(__file__).resolve().parents[2] / "docs" / "cli.md"
WIDTH = 78
"""What click leaves of a terminal of 80 columns."""

_HEAD = """\
# The command `bookstore`

Every command, as `--help` shows it on a terminal of 80 columns. This page is made by
`make docs` and not edited by hand.

What the exit codes mean, and what a script may rely on, stands in the
[README](../README.md#exit-codes).
"""


def reference() -> str:
    """Return the whole document."""
    pages = [_page(context) for context in _contexts(make_cli(), "bookstore", None)]
    return "\n".join([_HEAD, *pages])


def _contexts(
    command: click.Command, name: str, parent: click.Context | None
) -> Iterator[click.Context]:
    """Yield the context of a command and of the commands under it, each in its place."""
    settings = {**command.context_settings, "terminal_width": WIDTH}
    context = click.Context(command, parent=parent, info_name=name, **settings)
    yield context
    if isinstance(command, click.Group):
        for each in command.list_commands(context):
            under = command.get_command(context, each)
            assert under is not None
            yield from _contexts(under, each, context)


def _page(context: click.Context) -> str:
    help_page = "\n".join(line.rstrip() for line in context.get_help().splitlines())
    return f"## {context.command_path}\n\n```text\n{help_page}\n```\n"


if __name__ == "__main__":
    REFERENCE.write_text(reference(), encoding="utf-8")
