"""The shop with a story, told once and copied for every test."""

from __future__ import annotations

import asyncio
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.audit.keepers import tell_the_story

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def told_story(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a stopped shop that no test may change."""
    folder = tmp_path_factory.mktemp("story")
    asyncio.run(tell_the_story(folder))
    return folder


@pytest.fixture
def story(told_story: Path, tmp_path: Path) -> Path:
    """The folder of a stopped shop in which everything has happened once."""
    folder = tmp_path / "shop"
    shutil.copytree(told_story, folder)
    return folder
