"""Values are compared by what they are, and never changed."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from servers.domain.book import Book
from servers.domain.sale import Purchase

BOOK = Book(3, "Xen", ("A",), None, ("t",), 1000, 5, 7, 0)

ASSIGNED = """
from servers.domain.sale import Purchase
purchase = Purchase("a" * 32, 4)
purchase.quantity = 2
print(purchase.quantity)
"""


def test_values_are_compared_by_their_fields() -> None:
    """Two that say the same are the same, also as keys; a changed copy is another one."""
    one, same = Purchase("a" * 32, 4), Purchase("a" * 32, 4, request_id="another way here")
    assert one == same
    assert {one: 1}[same] == 1
    assert replace(one, quantity=2) != one
    assert hash(replace(BOOK)) == hash(BOOK)


def test_a_value_has_no_other_fields() -> None:
    """A field that was misspelled is not silently a new one."""
    # What is frozen for real stumbles over its slots first: github.com/python/cpython/issues/90562
    with pytest.raises((AttributeError, TypeError)):
        setattr(replace(BOOK), "stok", 5)  # noqa: B010  # the type checker refuses it otherwise


if TYPE_CHECKING:
    # The type checker refuses this, and would refuse the comment if it did not.
    BOOK.stock = 0  # type: ignore[misc]


@pytest.mark.parametrize(("options", "code"), [((), 0), (("-X", "dev"), 1)])
def test_a_value_is_frozen_for_those_who_look_for_faults(
    options: tuple[str, ...], code: int
) -> None:
    """An assignment that got past the type checker is found by ``python -X dev``."""
    done = subprocess.run(
        [sys.executable, *options, "-c", ASSIGNED], capture_output=True, text=True, check=False
    )
    assert done.returncode == code
    assert ("FrozenInstanceError" in done.stderr) == bool(code)
