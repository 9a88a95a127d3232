"""Prices: decimal strings outside, whole minor units (cents) inside, never a float."""

from __future__ import annotations

import re

from servers.domain.errors import InvalidRequest
from servers.domain.limits import MAX_PRICE_MINOR

PRICE_PATTERN = r"^((0|[1-9][0-9]{0,8})\.[0-9]{2}|1000000000\.00)$"
"""A decimal string with two places, no sign, no leading zero, not above the highest price.

Written as JSON Schema has it (ECMA 262), so that documents can show it.
"""

_PRICE = re.compile(PRICE_PATTERN)


def parse_price(text: str, field: str = "price") -> int:
    """Return the minor units of a decimal string: ``"25.00"`` is 2500.

    Raises `InvalidRequest`, naming ``field``, for anything but two places or for a
    price above `MAX_PRICE_MINOR`.
    """
    if _PRICE.fullmatch(text):
        price_minor = int(text[:-3]) * 100 + int(text[-2:])
        if price_minor <= MAX_PRICE_MINOR:
            return price_minor
    detail = (
        f"`{field}` must be a decimal string with two places from 0.00 to "
        f"{format_price(MAX_PRICE_MINOR)}, for example 25.00."
    )
    raise InvalidRequest(detail, field=field)


def format_price(price_minor: int) -> str:
    """Return minor units as a decimal string: 2500 is ``"25.00"``."""
    return f"{price_minor // 100}.{price_minor % 100:02d}"
