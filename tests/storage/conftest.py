"""An open database for the tests of the storage."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.storage.shelf import open_shelf

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from servers.storage.sqlite import SqliteDatabase


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[SqliteDatabase]:
    """An empty shelf."""
    database = await open_shelf(tmp_path)
    yield database
    await database.close()
