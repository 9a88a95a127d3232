"""The protocol holds whatever happens in whatever order; each planted bug is found."""

from __future__ import annotations

import os

import pytest

from tests.model.search import search
from tests.model.world import Bug, Process, World, new_world

BUY = Process("buy", 0)
RIVAL = Process("buy", 1)
RESOLVER = Process("resolve", 0)
CANCEL = Process("cancel", 0)

WORLDS = {
    "two drivers, the resolver, a restock and a delete": new_world(
        *(BUY, BUY, RESOLVER), stock=1, orders=1, staff=("restock", "delete"), faults=1
    ),
    "sold out, a late copy and a restock": new_world(
        *(BUY, RESOLVER), stock=0, orders=1, staff=("restock",), faults=3
    ),
    "the last copy, two customers": new_world(
        *(BUY, RIVAL, RESOLVER, Process("resolve", 1)),
        stock=1,
        orders=2,
        faults=1,
    ),
    "cancelled twice": new_world(
        *(BUY, CANCEL, CANCEL, RESOLVER), stock=1, orders=1, staff=("delete",), faults=1
    ),
    "cancelled under three faults": new_world(
        *(BUY, CANCEL, RESOLVER), stock=1, orders=1, faults=3
    ),
    "one key, two requests": new_world(
        *(BUY, Process("buy", 0, quantity=2), RESOLVER),
        stock=2,
        orders=1,
        staff=("restock",),
        faults=1,
    ),
}

DEEP = {
    "sold out, a late copy, a restock and a delete": new_world(
        *(BUY, RESOLVER), stock=0, orders=1, staff=("restock", "delete"), faults=3
    ),
    "the last copy, two customers, a delete": new_world(
        *(BUY, RIVAL, RESOLVER, Process("resolve", 1)),
        stock=1,
        orders=2,
        staff=("delete",),
        faults=1,
    ),
    "two drivers, the resolver, staff, two faults": new_world(
        *(BUY, BUY, RESOLVER), stock=1, orders=1, staff=("restock", "delete"), faults=2
    ),
    "the last copy, a cancelling, two faults": new_world(
        *(BUY, CANCEL, RIVAL, RESOLVER, Process("resolve", 1)), stock=1, orders=2, faults=1
    ),
}

FOUND_IN = {
    Bug.NO_RECOVERY: ("cancelled under three faults", "I5"),
    Bug.REFUSAL_UNRECORDED: ("sold out, a late copy and a restock", "I7"),
    Bug.NO_DEDUPLICATION: ("one key, two requests", "I3"),
    Bug.DELETED_SOLD: ("two drivers, the resolver, a restock and a delete", "I10"),
    Bug.FAILED_ON_TIMEOUT: ("cancelled under three faults", "I7"),
    Bug.TWO_TRANSACTIONS: ("one key, two requests", "I8"),
    Bug.ANSWER_BEFORE_COMMIT: ("one key, two requests", "I6"),
    Bug.ANY_STATE_DECIDED: ("cancelled twice", "I3"),
    Bug.RETURN_FIRST: ("cancelled under three faults", "I3"),
    Bug.RETURNED_TWICE: ("cancelled twice", "I3"),
    Bug.BLIND_VOID: ("two drivers, the resolver, a restock and a delete", "I3"),
    Bug.ORDER_LAST: ("sold out, a late copy and a restock", "I7"),
    Bug.VERSION_KEPT: ("the last copy, two customers", "I8"),
}


@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)
def test_every_interleaving(world: World) -> None:
    """In each end of each order of steps and faults, all invariants hold."""
    found = search(world)
    assert not found.violations, str(found)
    assert found.ends > 10
    assert found.worlds > 1000


@pytest.mark.skipif("MODEL_DEEP" not in os.environ, reason="takes minutes; set MODEL_DEEP")
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("world", DEEP.values(), ids=DEEP)
def test_every_interleaving_of_more(world: World) -> None:
    """The same in larger worlds."""
    found = search(world)
    assert not found.violations, str(found)
    assert found.worlds > 100_000


@pytest.mark.parametrize("bug", Bug, ids=lambda bug: bug.name.lower())
def test_a_planted_bug_is_found(bug: Bug) -> None:
    """Without any one of its rules the protocol breaks, and the way there can be read."""
    name, invariant = FOUND_IN[bug]
    found = search(WORLDS[name], bug)
    assert invariant in found.invariants, f"{name}: {found}"
    assert found.way


def test_the_way_is_the_one_that_was_gone() -> None:
    """A violation names the steps that lead to it, from the beginning on."""
    found = search(new_world(BUY, RESOLVER, stock=1, orders=1, faults=1), Bug.FAILED_ON_TIMEOUT)
    assert found.way == (
        "buy 0 begins",
        "buy 0 asks",
        "lost: 0's sell of order 0 at version 1",
    )
