"""The sample catalogue that an empty shop opens with.

Lives here: reading it. The books themselves are in ``sample_catalogue.json``; putting them
on sale is the catalog's business.
"""

from __future__ import annotations

import json
from importlib import resources
from typing import Any


def load() -> list[dict[str, Any]]:
    """Return the books in the order of their ids, counted from 1.

    Each is ``{id, title, authors, isbn, topics, price, stock}``: ``authors`` and ``topics``
    are lists of strings, ``isbn`` may be None, ``price`` is a decimal string.
    """
    text = resources.files("servers").joinpath("sample_catalogue.json").read_text(encoding="utf-8")
    books: list[dict[str, Any]] = json.loads(text)
    return books
