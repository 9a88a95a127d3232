"""Values: what the domain is made of, and what never changes once it is made.

``@value`` is ``@dataclass(frozen=True, slots=True)`` to readers and to the type checker, which
refuses an assignment. While the program runs nobody watches: a frozen dataclass sets each field
by a call of its own, so that it takes three to five times as long to make, and some ten are made
for every purchase. Under ``python -X dev`` they are frozen for real.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def value(cls: type[T]) -> type[T]:
    """Return the class as one of values: compared and hashed by its fields, and without others."""
    frozen = sys.flags.dev_mode
    # Python sees no reason to hash what is not frozen; the type checker has seen to that.
    return dataclass(slots=True, frozen=frozen, unsafe_hash=not frozen)(cls)
