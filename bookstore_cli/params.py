"""What may be typed: the types of arguments and options.

Only the form is judged here, so that a malformed id is a mistake of usage (exit 2).
Whether a book exists, or a price is too high, is for the shop to say.
"""

from __future__ import annotations

import math
import os
import re
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_ID = 2**63 - 1
MAX_QUANTITY = 10**6
MAX_STOCK = 10**9
MAX_TIMEOUT_S = 3600.0

_NUMBER = re.compile(r"(0|[1-9][0-9]{0,18})\Z")
_CHANGE = re.compile(r"[+-][1-9][0-9]{0,9}\Z")
_MONEY = re.compile(r"(0|[1-9][0-9]{0,11})(\.[0-9]{1,2})?\Z")
_ORDER = re.compile(r"[0-9a-f]{32}\Z")
_TOKEN_ID = re.compile(r"[0-9a-f]{8}\Z")
_KEY = re.compile(r'("[!#-~][ !#-~]{14,253}[!#-~]"|[!#-~][ -~]{14,253}[!#-~])\Z')
_TOKEN_FREE_URL = "a URL like http://127.0.0.1:8000, without user, query or fragment"  # noqa: S105  # a text


class Typed(click.ParamType):  # type: ignore[type-arg]  # generic only since click 8.3
    """A type made of one function: text in, value out, ValueError where the form is wrong.

    ``wanted`` completes the sentence "… is not …".
    """

    def __init__(self, name: str, wanted: str, convert: Callable[[str], object]) -> None:
        self.name = name
        self._wanted = wanted
        self._convert = convert

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> object:
        """Return the value of a text; a value that is no text has been converted before."""
        if not isinstance(value, str):
            return value
        try:
            return self._convert(value)
        except ValueError:
            self.fail(f"{value!a} is not {self._wanted}.", param, ctx)


def _whole(lowest: int, highest: int) -> Callable[[str], int]:
    """Return a reader of whole numbers in ASCII digits, without sign or leading zero."""

    def read(text: str) -> int:
        # `int` alone would also take blanks, signs, `1_000` and the digits of other scripts.
        if _NUMBER.match(text) and lowest <= int(text) <= highest:
            return int(text)
        raise ValueError

    return read


def _matching(pattern: re.Pattern[str]) -> Callable[[str], str]:
    def read(text: str) -> str:
        if pattern.match(text):
            return text
        raise ValueError

    return read


def padded_price(text: str) -> str:
    """Return a price as the wire wants it: ``19.5`` and ``19`` get their two places."""
    if not _MONEY.match(text):
        raise ValueError
    units, _, cents = text.partition(".")
    return f"{units}.{cents:0<2}"


def _change(text: str) -> int:
    if text.startswith("-") and not text[1:2].isdigit():
        # This argument takes what looks like an option, so that `-2` can be typed at all.
        raise click.NoSuchOption(text)
    if not _CHANGE.match(text) or abs(int(text)) > MAX_STOCK:
        raise ValueError
    return int(text)


def _text(text: str) -> str:
    text.encode()  # UnicodeEncodeError is a ValueError: the argument was no UTF-8.
    if not text.strip():
        raise ValueError
    return text


def _seconds(text: str) -> float:
    seconds = float(text)
    if math.isfinite(seconds) and 0 < seconds <= MAX_TIMEOUT_S:
        return seconds
    raise ValueError


def _url(text: str) -> str:
    from bookstore_cli.connection import parse_url

    parse_url(text)
    return text


class _Path(click.Path):
    """A path; a text that is empty, as of a variable that is not set, is none."""

    def convert(
        self,
        value: str | os.PathLike[str],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> str | bytes | os.PathLike[str]:
        """Return the path; where it must name a file, ``~`` is somebody's home."""
        if value == "":
            self.fail(f"'' is not a {'path' if self.file_okay else 'folder'}.", param, ctx)
        if self.exists:
            value = os.path.expanduser(value)  # noqa: PTH111  # Path's raises for an unknown home
        return super().convert(value, param, ctx)


PATH = _Path()
FILE = _Path(exists=True, dir_okay=False)
FOLDER = _Path(file_okay=False)
BOOK_ID = Typed("id", f"a book id: digits, from 1 to {MAX_ID}, no leading zero", _whole(1, MAX_ID))
ORDER_ID = Typed("id", "an order id: 32 hexadecimal digits, lower case", _matching(_ORDER))
TOKEN_ID = Typed("id", "the id of a token: 8 hexadecimal digits", _matching(_TOKEN_ID))
VERSION = Typed("version", "a version: a whole number, 1 or more", _whole(1, MAX_ID))
QUANTITY = Typed(
    "quantity", f"a number of copies from 1 to {MAX_QUANTITY}", _whole(1, MAX_QUANTITY)
)
STOCK = Typed("stock", f"a number of copies from 0 to {MAX_STOCK}", _whole(0, MAX_STOCK))
LIMIT = Typed("limit", "a whole number, 1 or more", _whole(1, MAX_ID))
CHANGE = Typed("change", "a change of the stock like +5 or -2 (or use --count 5)", _change)
PRICE = Typed("price", "a price like 25.00", padded_price)
KEY = Typed("key", "an idempotency key: 16 to 255 printable ASCII characters", _matching(_KEY))
TEXT = Typed("text", "a text with something to see in it, in UTF-8", _text)
SECONDS = Typed("seconds", f"a time in seconds, above 0, at most {MAX_TIMEOUT_S:.0f}", _seconds)
URL = Typed("url", _TOKEN_FREE_URL, _url)
PORT = Typed("port", "a port from 0 (any free one) to 65535", _whole(0, 65535))
FIRST_PORT = Typed(
    "port",
    "a port from 0 (any free ones) to 65533: catalog and order take the next two",
    _whole(0, 65533),
)
