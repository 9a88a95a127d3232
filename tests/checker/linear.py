"""Linearizability by version witness: one pass over a book's operations, sorted by version.

Every change of a book makes the next version of it, and every answer names the version that it
made or saw. So there is one order in which everything can have happened: that of the versions,
each read behind the change that it saw. All that remains to ask is whether real time agrees:
nothing may have ended before something began that stands earlier in that order.
"""

from __future__ import annotations

from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING

from servers.domain.accounts import Violation
from tests.checker.history import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tests.checker.history import Operation

_NEVER = float("-inf")


def out_of_order(
    operations: Iterable[Operation], deleted_at: Mapping[int, int]
) -> Iterator[Violation]:
    """Yield what contradicts real time; ``deleted_at`` has the versions of the tombstones."""
    by_book = sorted(operations, key=attrgetter("book_id", "version"))
    for book_id, group in groupby(by_book, key=attrgetter("book_id")):
        yield from _of_book(book_id, list(group), deleted_at.get(book_id))


def _of_book(
    book_id: int, operations: list[Operation], deleted_at: int | None
) -> Iterator[Violation]:
    subject = f"book {book_id}"
    made_s: dict[int, float] = {}
    gone: list[Operation] = []
    latest_s = _NEVER
    for version, group in groupby(operations, key=attrgetter("version")):
        same = list(group)
        for each in same:
            if each.kind is Kind.EFFECT:
                if version in made_s:
                    invariant = "I13" if version == 1 else "I8"
                    yield Violation(invariant, subject, f"version {version} was made twice")
                made_s[version] = each.began_s
        began_s = made_s.get(version, _NEVER)
        for each in same:
            if each.kind is Kind.GONE:
                gone.append(each)
            elif each.ended_s < latest_s:
                yield Violation(
                    "I9",
                    subject,
                    f"{_words(each)} was answered before a lower version was asked for or made",
                )
            elif each.ended_s < began_s:
                finding = f"{_words(each)} was answered before that version was asked for"
                yield Violation("I9", subject, finding)
        asked_s = [each.began_s for each in same if each.kind is not Kind.GONE]
        latest_s = max([latest_s, *asked_s])
    yield from _gone(subject, gone, deleted_at, made_s)


def _gone(
    subject: str, gone: list[Operation], deleted_at: int | None, made_s: Mapping[int, float]
) -> Iterator[Violation]:
    """Yield who was told of a delete before it was asked for, or of one that never was."""
    for each in gone:
        if deleted_at is None:
            finding = f"a client was told at {each.ended_s:.3f} s that it is deleted, it never was"
            yield Violation("I10", subject, finding)
        elif each.ended_s < made_s.get(deleted_at, _NEVER):
            finding = f"a client was told at {each.ended_s:.3f} s that it is deleted, too early"
            yield Violation("I9", subject, finding)


def _words(operation: Operation) -> str:
    """Return an operation as people read it, for example ``read of version 3 (0.100-0.200 s)``."""
    what = "making" if operation.kind is Kind.EFFECT else "read"
    when = f"{operation.began_s:.6f}-{operation.ended_s:.6f} s"
    return f"the {what} of version {operation.version} ({when})"
