"""Tables for a terminal, drawn by rich; only imported when one is drawn.

Texts go in as plain text, so that markup in a title is printed as it is, and with every
character visible that would act on the terminal.
"""

from __future__ import annotations

import os
import re
import sys
from io import TextIOWrapper
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bookstore_cli.output import cell
from bookstore_cli.terminal import visible

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_MONEY = frozenset({"price", "unit_price", "total"})
_UNBROKEN = frozenset({"at", "id", "kind", "live", "ready", "server", "state", "url"})
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?Z\Z")
_ENDLESS = 100_000
_NARROWEST = 8
"""In how many characters a text that is broken into lines can still be read."""
_SHORT_NAMES = {
    "book_id": "book",
    "quantity": "copies",
    "version_after": "version",
    "stock_after": "stock",
}


def draw_table(
    columns: Sequence[str], rows: Sequence[Mapping[str, Any]], color: str = "auto"
) -> None:
    """Print one line, or more where texts are long, for each row; a block where no line fits."""
    console = _console(color)
    drawn, edge = rows, True
    if "at" in columns and _whole_width(console, _table(columns, rows)) > console.width:
        drawn, edge = [{**row, "at": _whole_seconds(row.get("at"))} for row in rows], False
    edge = edge and _fits(console, columns, drawn, edge=True)
    if _fits(console, columns, drawn, edge=edge):
        console.print(_table(columns, drawn, edge=edge))
    else:
        draw_things(columns, rows, color)


def _fits(
    console: Console, columns: Sequence[str], rows: Sequence[Mapping[str, Any]], *, edge: bool
) -> bool:
    """Say whether the columns that are never broken leave room for the others."""
    unbroken = [name for name in columns if _is_unbroken(name, rows)]
    others = len(columns) - len(unbroken)
    room = console.width - _whole_width(console, _table(unbroken, rows, edge=edge))
    return room >= others * (_NARROWEST + 1)


def _whole_width(console: Console, table: Table) -> int:
    return console.measure(table, options=console.options.update(width=_ENDLESS)).maximum


def _table(
    columns: Sequence[str], rows: Sequence[Mapping[str, Any]], *, edge: bool = True
) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=edge)
    for name in columns:
        table.add_column(
            Text(_SHORT_NAMES.get(name, visible(name.replace("_", " ")))),
            justify="right" if _is_number(name, rows) else "left",
            no_wrap=_is_unbroken(name, rows),
            overflow="fold",
        )
    for row in rows:
        table.add_row(*(_text(row.get(name)) for name in columns))
    return table


def _whole_seconds(value: object) -> object:
    """Return a time without what the text beside it needs the room for; it is in UTC."""
    return value[:19] + "Z" if isinstance(value, str) and _TIME.match(value) else value


def draw_things(
    columns: Sequence[str], things: Sequence[Mapping[str, Any]], color: str = "auto"
) -> None:
    """Print each thing as a block of names and values."""
    console = _console(color)
    for number, thing in enumerate(things):
        if number:
            console.print()
        table = Table(box=None, show_header=False, pad_edge=False)
        table.add_column(style="bold", no_wrap=True)
        table.add_column(overflow="fold")
        for name in columns:
            if thing.get(name) is not None:
                table.add_row(Text(name.replace("_", " ")), _text(thing[name]))
        console.print(table)


def _is_unbroken(name: str, rows: Sequence[Mapping[str, Any]]) -> bool:
    return name in _UNBROKEN or _is_number(name, rows)


def _is_number(name: str, rows: Sequence[Mapping[str, Any]]) -> bool:
    values = [row[name] for row in rows if row.get(name) is not None]
    whole = all(isinstance(value, int) and not isinstance(value, bool) for value in values)
    return name in _MONEY or (bool(values) and whole)


def _text(value: object) -> Text:
    if isinstance(value, list):
        separator = "\n" if any(isinstance(item, dict) for item in value) else "; "
        return Text(separator.join(visible(cell(item)) for item in value))
    return Text(visible(cell(value)))


def _console(color: str) -> Console:
    if isinstance(sys.stdout, TextIOWrapper):
        # What the terminal's encoding has not is shown as Python writes it.
        sys.stdout.reconfigure(errors="backslashreplace")
    if color == "always":
        return Console(force_terminal=True, color_system="standard", highlight=False)
    if color == "never":
        return Console(color_system=None, highlight=False)
    return Console(no_color=bool(os.environ.get("NO_COLOR")), highlight=False)
