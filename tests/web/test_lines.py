"""Lines of a stream: the same however it was cut, counted right, and never kept beyond a limit."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from servers.web.lines import Line, LineSplitter

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST = 8
PIECES = st.sampled_from([b"\n", b"\r\n", b"\r", b" ", b"a", b"b" * MOST, b"\x00", b"\xff"])
BODIES = st.lists(PIECES | st.binary(max_size=MOST + 3), max_size=30).map(b"".join)


def split(parts: Iterable[bytes], most: int = MOST) -> list[Line]:
    """Return the lines of a stream that comes in these parts."""
    splitter = LineSplitter(most)
    fed = [line for part in parts for line in splitter.feed(part)]
    return [*fed, *splitter.end()]


def expected(body: bytes) -> list[Line]:
    """Return the lines of a body that is there as a whole."""
    lines = enumerate(body.split(b"\n"), 1)
    bare = [(number, line.removesuffix(b"\r")) for number, line in lines]
    return [
        Line(number, line if len(line) <= MOST else None)
        for number, line in bare
        if line.strip(b" \t\r") or len(line) > MOST
    ]


@given(BODIES, st.lists(st.integers(0, 300)))
def test_any_cut_gives_the_same_lines(body: bytes, cuts: list[int]) -> None:
    """Lines and their numbers depend on the bytes alone, not on the parts that they come in."""
    places = sorted({0, len(body), *[cut for cut in cuts if cut <= len(body)]})
    parts = [body[begin:end] for begin, end in itertools.pairwise(places)]
    assert split(parts) == expected(body)


@given(BODIES)
def test_byte_by_byte(body: bytes) -> None:
    """A stream of single bytes has the same lines as well."""
    assert split(body[place : place + 1] for place in range(len(body))) == expected(body)


def test_line_ends() -> None:
    """LF, CR and LF, or nothing at the very end; blank lines count, and nothing else."""
    assert split([b"a\r\n\n \t\r\nb\n"]) == [Line(1, b"a"), Line(4, b"b")]
    assert split([b"a\rb\n\nc"]) == [Line(1, b"a\rb"), Line(3, b"c")]
    assert split([b"a\r", b"\n", b"b\r"]) == [Line(1, b"a"), Line(2, b"b")]
    assert split([]) == split([b"", b"\n"]) == []


def test_a_line_may_be_as_long_as_the_limit() -> None:
    """The end of a line is no part of it; one byte more is too long, and so told once."""
    line = b"x" * MOST
    assert split([line + b"\r\n" + line]) == [Line(1, line), Line(2, line)]
    assert split([line + b"y\r\n", b"z"]) == [Line(1, None), Line(2, b"z")]


def test_a_line_without_end_is_not_kept() -> None:
    """However much comes of a line, no more is kept than tells that it is too long."""
    splitter = LineSplitter(MOST)
    for _ in range(1000):
        assert list(splitter.feed(b"x" * 1000)) == []
        assert len(splitter._begun) <= MOST + 2
    assert list(splitter.feed(b"\nnext\n")) == [Line(1, None), Line(2, b"next")]
