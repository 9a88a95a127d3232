"""What makes the code readable: small files and functions, sentences on everything."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.repo.modules import Module, modules

PRODUCT = modules("servers") + modules("bookstore_cli")
EVERYTHING = PRODUCT + modules("tests")
MAX_LINES = 300
MAX_FUNCTION_LINES = 60
WIRING = Path("servers/main.py")
"""Knows every part and so grows with each; it has more room than others."""


def named(module: Module) -> str:
    """Return the name of a module, for the names of tests."""
    return module.name


@pytest.mark.parametrize("module", PRODUCT, ids=named)
def test_files_are_small(module: Module) -> None:
    """A file can be read in one go."""
    room = MAX_LINES + 50 if module.path.match(str(WIRING)) else MAX_LINES
    assert len(module.text.splitlines()) <= room


@pytest.mark.parametrize("module", PRODUCT, ids=named)
def test_functions_are_small(module: Module) -> None:
    """A function fits on a screen."""
    for function in module.functions():
        lines = (function.end_lineno or 0) - function.lineno + 1
        assert lines <= MAX_FUNCTION_LINES, function.name


@pytest.mark.parametrize("module", EVERYTHING, ids=named)
def test_a_module_says_what_it_is(module: Module) -> None:
    """Each module begins with a sentence about what lives in it."""
    first = (ast.get_docstring(module.tree) or "").partition("\n\n")[0]
    assert re.match(r"\S.*[.:](\s*::)?$", first, re.DOTALL), first


@pytest.mark.parametrize(
    "module",
    [module for module in modules("tests") if module.path.name.startswith("test_")],
    ids=named,
)
def test_a_test_states_its_claim(module: Module) -> None:
    """Each test has a sentence that says what is true, and its name is its own."""
    names = []
    for function in module.functions():
        if not function.name.startswith("test_"):
            continue
        names.append(function.name)
        claim = ast.get_docstring(function) or ""
        assert re.match(r"\S.*[.]$", claim, re.DOTALL), function.name
        assert claim[0].isupper() or not claim[0].isalpha(), function.name
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("module", PRODUCT, ids=named)
def test_nothing_is_left_undone(module: Module) -> None:
    """There are no stubs and no notes to do something later."""
    assert not re.search(r"\b(TODO|FIXME|XXX|HACK|NotImplementedError)\b", module.text)
