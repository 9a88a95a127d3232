"""Linearizability by version witness is the real one: a checker that tries all orders agrees."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.checker.history import Kind, Operation
from tests.checker.linear import out_of_order

VERSIONS = 3


def linearizable(operations: list[Operation]) -> bool:
    """Return whether some order of all operations is right, by trying each."""
    return any(_right(order) for order in permutations(operations))


def _right(order: tuple[Operation, ...]) -> bool:
    version = 0
    for place, operation in enumerate(order):
        if any(later.ended_s < operation.began_s for later in order[place + 1 :]):
            return False
        if operation.kind is Kind.EFFECT:
            version += 1
        if operation.version != version:
            return False
    return True


@st.composite
def histories(draw: st.DrawFn) -> list[Operation]:
    """All changes of a book, and some reads, at any times."""
    moments = st.integers(0, 12)

    def operation(kind: Kind, version: int) -> Operation:
        began_s, ended_s = sorted((draw(moments), draw(moments)))
        return Operation(began_s, ended_s, kind, 1, version)

    effects = [operation(Kind.EFFECT, version) for version in range(1, VERSIONS + 1)]
    reads = draw(st.lists(st.integers(0, VERSIONS), max_size=3))
    return [*effects, *[operation(Kind.READ, version) for version in reads]]


@given(histories())
@settings(max_examples=600, deadline=None)
def test_as_if_all_orders_were_tried(operations: list[Operation]) -> None:
    """A history is found wrong if and only if no order of its operations is right."""
    found = list(out_of_order(operations, {}))
    assert (not found) == linearizable(operations), found


@pytest.mark.parametrize(
    ("operation", "invariant"),
    [
        (Operation(5, 6, Kind.READ, 1, 1), "I9"),
        (Operation(0.5, 1.5, Kind.READ, 1, 2), "I9"),
        (Operation(9, 9, Kind.EFFECT, 1, 2), "I8"),
        (Operation(9, 9, Kind.EFFECT, 1, 1), "I13"),
        (Operation(2, 2.5, Kind.GONE, 1), "I9"),
        (Operation(9, 9, Kind.READ, 1, 0), "I9"),
    ],
    ids=[
        "a stale read",
        "a read of what is to come",
        "twice made",
        "an id again",
        "gone",
        "not yet",
    ],
)
def test_one_wrong_operation(operation: Operation, invariant: str) -> None:
    """Versions 1, 2 and 3 are made one after the other, 3 is the delete; one more does not fit."""
    right = [
        Operation(0, 1, Kind.EFFECT, 1, 1),
        Operation(2, 3, Kind.EFFECT, 1, 2),
        Operation(2.5, 4, Kind.READ, 1, 2),
        Operation(7, 8, Kind.EFFECT, 1, 3),
        Operation(7.5, 9, Kind.GONE, 1),
    ]
    assert list(out_of_order(right, {1: 3})) == []
    found = list(out_of_order([*right, operation], {1: 3}))
    assert found[0].invariant == invariant, found


def test_a_delete_that_never_was() -> None:
    """Whoever is told that a living book is deleted is told wrong."""
    gone = Operation(0, 1, Kind.GONE, 1)
    assert [each.invariant for each in out_of_order([gone], {})] == ["I10"]
