"""Shops that these tests may kill."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.shop import open_shop

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.shop import Shop


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    """A running shop of this test's own."""
    with open_shop(tmp_path / "shop", sample="false") as opened:
        yield opened
