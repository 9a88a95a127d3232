"""The kinds of value a setting can have, and the words for what each allows.

Lives here: types and their limits. Which setting is of which kind stands in `servers.settings`.
"""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta


class NetworkList:
    """Addresses and networks, as they were written and as they are meant; at least one."""

    def __init__(self, text: str) -> None:
        self.networks = tuple(ip_network(part.strip()) for part in text.split(","))
        self._text = text

    def __str__(self) -> str:
        return self._text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NetworkList) and self.networks == other.networks

    def __hash__(self) -> int:
        return hash(self.networks)


# What a description says completes the sentence "… is not ….".
Port = Annotated[
    int,
    Meta(ge=0, le=65535, description="a port: a whole number from 0 to 65535, 0 for a free one"),
]
Host = Annotated[
    str, Meta(pattern=r"^[^\s/]{1,255}\Z", description="a host name or an address to listen on")
]
Url = Annotated[
    str,
    Meta(
        pattern=r"^https?://[^\s/?#@]{1,255}\Z",
        description="a URL of scheme, host and port alone, such as http://127.0.0.1:8001",
    ),
]
Currency = Annotated[
    str,
    Meta(pattern=r"^[A-Z]{3}\Z", description="three capital letters of ISO 4217, such as USD"),
]
Flag = Annotated[bool, Meta(description="true or false")]
Seconds = Annotated[
    float, Meta(ge=0.001, le=3600, description="a number of seconds from 0.001 to 3600")
]
Count = Annotated[int, Meta(ge=1, le=1_000_000, description="a whole number from 1 to 1000000")]
Rate = Annotated[
    int,
    Meta(
        ge=0, le=1_000_000, description="a whole number a second up to 1000000, or 0 for no limit"
    ),
]
Proxies = Annotated[
    NetworkList,
    Meta(description="addresses or networks with commas between, such as 127.0.0.1,10.0.0.0/8"),
]
Fd = Annotated[
    int, Meta(ge=0, le=1_048_576, description="the number of an open file, inherited at start")
]
Token = Annotated[
    str, Meta(pattern=r"^[0-9a-f]{64}\Z", description="64 hexadecimal digits in small letters")
]
Level = Annotated[
    Literal["debug", "info", "warning", "error"],
    Meta(description="one of debug, info, warning and error"),
]
File = Annotated[Path, Meta(description="a path")]
Text = Annotated[str, Meta(max_length=64, description="a text of at most 64 characters")]


def convert(value: object, kind: object, *, lax: bool) -> object:
    """Return ``value`` as ``kind``; ``lax`` takes text for numbers and flags too.

    Raises ValueError with what is allowed, to complete the sentence "… is not …".
    """
    try:
        return msgspec.convert(value, kind, strict=not lax, dec_hook=_made)
    except msgspec.ValidationError:
        raise ValueError(_allowed(kind)) from None


def _made(kind: type, value: object) -> object:
    """Make what is no JSON type out of text. Raises TypeError and ValueError."""
    if kind is Path and isinstance(value, str | Path) and str(value) and "\0" not in str(value):
        return Path(value)
    if kind is NetworkList and isinstance(value, str):
        return NetworkList(value)
    raise TypeError("not what the setting takes")


def _allowed(kind: object) -> str:
    """Return what a type's description says is allowed."""
    for part in (kind, *getattr(kind, "__args__", ())):
        for mark in getattr(part, "__metadata__", ()):
            if isinstance(mark, Meta) and mark.description:
                return mark.description
    raise AssertionError(f"{kind} has no description")
