"""A stopped shop with a story in it, and the command that keeps it."""

from __future__ import annotations

from tests.audit.conftest import told_story
from tests.cli.conftest import bookstore, folder, story

__all__ = ["bookstore", "folder", "story", "told_story"]
