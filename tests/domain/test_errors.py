"""The tree of refusals: as it is drawn, with its codes, over the wire and back."""

from __future__ import annotations

import json
import re

import pytest

from servers.domain import errors
from servers.domain.errors import BY_CODE, Internal, OutOfStock, ShopError, error_of, leaves
from servers.web.answers import problem

LEAVES = list(leaves())

STATUS_AND_EXIT = {
    "invalid_request": (400, 8),
    "unauthorized": (401, 4),
    "forbidden": (403, 4),
    "not_found": (404, 5),
    "book_not_found": (404, 5),
    "order_not_found": (404, 5),
    "book_deleted": (410, 5),
    "method_not_allowed": (405, 1),
    "out_of_stock": (409, 6),
    "version_conflict": (409, 7),
    "price_changed": (409, 7),
    "purchase_expired": (409, 7),
    "not_cancellable": (409, 7),
    "isbn_exists": (409, 7),
    "stock_limit": (409, 7),
    "stale_version": (412, 7),
    "key_reused": (422, 7),
    "body_too_large": (413, 8),
    "uri_too_long": (414, 8),
    "unsupported_media_type": (415, 8),
    "version_required": (428, 8),
    "request_timeout": (408, 9),
    "rate_limited": (429, 9),
    "head_too_large": (431, 8),
    "http_version": (505, 8),
    "internal": (500, 1),
    "ledger_behind": (409, 9),
    "unavailable": (503, 9),
    "overloaded": (503, 9),
    "outcome_unknown": (504, 10),
}


def test_every_code_has_its_status_and_exit() -> None:
    """Each code goes with the status and the exit code that callers rely on."""
    assert {leaf.code: (leaf.status, leaf.exit_code) for leaf in LEAVES} == STATUS_AND_EXIT


def test_codes_are_unique() -> None:
    """No two errors share a code, and each can be found by its own."""
    assert len({leaf.code for leaf in LEAVES}) == len(LEAVES)
    assert {leaf.code: leaf for leaf in LEAVES} == BY_CODE


def test_the_tree_is_as_drawn() -> None:
    """The tree in the docstring is the tree of the classes, with the same facts."""
    drawn: list[tuple[int, str, str, int, int]] = []
    for line in (errors.__doc__ or "").splitlines():
        found = re.match(r"([ │├└─]*)([A-Z]\w+)(?: +(\w+) +(\d+)  exit (\d+))?\s*$", line)
        if found and ("─" in found[1] or found[2] == "ShopError"):
            facts = (found[3] or "", int(found[4] or 0), int(found[5] or 0))
            drawn.append((len(found[1]) // 4 - 1, found[2], *facts))

    def walk(kind: type[ShopError], depth: int) -> list[tuple[int, str, str, int, int]]:
        facts = (kind.code, kind.status, kind.exit_code) if kind.code else ("", 0, 0)
        below = [row for child in kind.__subclasses__() for row in walk(child, depth + 1)]
        return [(depth, kind.__name__, *facts), *below]

    assert drawn == walk(ShopError, 0)


@pytest.mark.parametrize("leaf", LEAVES, ids=lambda leaf: leaf.code)
def test_over_the_wire_and_back(leaf: type[ShopError]) -> None:
    """An error that is written as problem+json is read as the same error."""
    error = leaf("What, why and what next.", available=3, current={"version": 7})
    said = problem(error)
    fields = json.loads(bytes(said.body))
    assert said.status == leaf.status
    assert fields["type"] == f"/problems/{leaf.code}"
    assert (fields["title"], fields["status"]) == (leaf.title, leaf.status)
    back = error_of(fields)
    assert type(back) is leaf
    assert (back.detail, back.members) == (error.detail, error.members)


@pytest.mark.parametrize(
    "problem_object", [{}, {"code": "of_tomorrow"}, {"code": None}, {"code": ["x"]}]
)
def test_an_unknown_code_is_internal(problem_object: dict[str, object]) -> None:
    """What a newer server may say is not taken for something else."""
    assert type(error_of(problem_object)) is Internal


def test_an_error_is_its_sentence() -> None:
    """Printed, an error is what a person should read; a program finds the members."""
    error = OutOfStock("Book 1 is sold out.", available=0)
    assert str(error) == "Book 1 is sold out."
    assert error.members == {"available": 0}
