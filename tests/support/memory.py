"""A folder in memory, where there is one: for files of which nobody asks that they last."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_IN_MEMORY = "/dev/shm"  # noqa: S108  # a folder with a random name is made in it


@contextmanager
def folder_in_memory() -> Iterator[Path]:
    """Make a folder while the block runs; writing to it waits for no disk."""
    where = _IN_MEMORY if os.access(_IN_MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=where) as folder:
        yield Path(folder)
