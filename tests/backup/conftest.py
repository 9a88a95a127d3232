"""A stopped shop with a story in it, and the command that keeps it."""

from __future__ import annotations

import asyncio
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.audit.keepers import tell_the_story
from tests.cli.conftest import bookstore, folder

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["bookstore", "folder"]


@pytest.fixture(scope="module")
def told_story(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stopped shop that no test may change."""
    told = tmp_path_factory.mktemp("story")
    asyncio.run(tell_the_story(told))
    return told


@pytest.fixture
def story(told_story: Path, folder: Path) -> Path:
    """The command's folder, with a stopped shop in it."""
    shutil.copytree(told_story, folder, dirs_exist_ok=True)
    return folder
