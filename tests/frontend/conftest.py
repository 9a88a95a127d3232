"""The three servers in this process, as they are wired for customers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.services import open_servers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.support.services import Web


@pytest.fixture
async def web(tmp_path: Path) -> AsyncIterator[Web]:
    """An empty shop."""
    async with open_servers(tmp_path) as client:
        yield client
