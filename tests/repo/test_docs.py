"""The documents: what they name is there, and what they say is absent is absent."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.repo.cli_reference import REFERENCE
from tests.support.markdown import ROOT, document, links, section, table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DOCUMENTS = ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "SECURITY.md"]
DOCUMENTS += ["docs/cli.md", "docs/security.md"]
ARCHITECTURE = document("ARCHITECTURE.md")
PACKAGES = ("servers", "bookstore_cli")


def _sources() -> Iterator[Path]:
    for package in PACKAGES:
        yield from sorted((ROOT / package).rglob("*.py"))


def test_the_command_line_reference_is_up_to_date() -> None:
    """`docs/cli.md` is what `make docs` writes now, in a process of its own as there."""
    # Click keeps parts of a help page with the command, so other tests would show in it.
    program = "from tests.repo.cli_reference import reference; print(reference(), end='')"
    made = subprocess.run(
        [sys.executable, "-X", "utf8", "-c", program],
        capture_output=True,
        encoding="utf-8",
        check=True,
        cwd=ROOT,
    )
    assert REFERENCE.read_text(encoding="utf-8") == made.stdout, "run: make docs"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_somewhere(name: str) -> None:
    """Every link to a file of the project finds it, and every anchor its heading."""
    for target in links(document(name)):
        if target.startswith("https://"):
            continue
        path, _, anchor = target.partition("#")
        found = (ROOT / name).parent / path if path else ROOT / name
        assert found.exists(), target
        headings = re.findall(r"^#+ +(.+)$", found.read_text(), re.MULTILINE) if anchor else []
        assert not anchor or anchor in {_anchor(heading) for heading in headings}, target


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def _code_map() -> dict[str, list[str]]:
    """Return the files that the code map names, by folder."""
    folders = re.split(r"^### `([\w/]+)/`$", ARCHITECTURE, flags=re.MULTILINE)
    texts = (text.partition("\n## ")[0] for text in folders[2::2])
    return {
        folder: re.findall(r"^- `([\w.]+)`: ", text, re.MULTILINE)
        for folder, text in zip(folders[1::2], texts, strict=True)
    }


def test_the_code_map_is_whole() -> None:
    """Every module stands in the map, once, and nothing else does."""
    named = [f"{folder}/{name}" for folder, names in _code_map().items() for name in names]
    there = [str(path.relative_to(ROOT)) for path in _sources() if path.name != "__init__.py"]
    assert sorted(named) == sorted(there)


@pytest.mark.parametrize("name", ["ARCHITECTURE.md", "docs/security.md"])
def test_the_tests_that_are_named_are_there(name: str) -> None:
    """Each test that an invariant is said to be kept by, or a threat to be met by, exists."""
    named = re.findall(r"`([\w/]+/test_\w+\.py)(?:::(test_\w+))?`", document(name))
    assert len(named) > 30
    for file, test in named:
        path = ROOT / "tests" / file
        assert path.exists(), file
        tree = ast.parse(path.read_text())
        functions = {
            node.name
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        }
        assert not test or test in functions, f"{file}::{test}"


def test_every_invariant_names_a_test() -> None:
    """I1 to I15 are listed in order, each with a test; so is all that is absent."""
    rows = table(section(ARCHITECTURE, "Invariants"))
    assert [row[0] for row in rows] == [f"I{number}" for number in range(1, 16)]
    for row in (*rows, *table(section(ARCHITECTURE, "What is absent"))):
        assert "test_" in row[-1], row


def test_every_threat_names_a_test() -> None:
    """Each row says who tries what, what stops them, and which test shows it."""
    security = document("docs/security.md")
    for title in ("What comes in", "Who comes in", "Too much of it", "What goes out"):
        rows = table(section(security, title))
        assert len(rows) > 5
        for row in rows:
            assert len(row) == 4
            assert "test_" in row[-1], row


def test_entry_points_are_there() -> None:
    """Every path in backticks that names a file or folder of the project leads to it."""
    named = re.findall(r"`((?:servers|bookstore_cli|tests|demos|docs)/[\w/.]*)`", ARCHITECTURE)
    assert named
    for path in named:
        assert (ROOT / path).exists(), path
    for row in table(section(ARCHITECTURE, "Entry points")):
        *functions, path = re.findall(r"`([^`]+)`", row[1].partition(", then")[0])
        text = (ROOT / path).read_text()
        for function in functions:
            assert re.search(rf"(def|class) {function}\b", text), f"{function} in {path}"


def test_the_ledger_is_only_appended_to() -> None:
    """No statement changes or removes an entry of the ledger."""
    for path in _sources():
        text = path.read_text()
        assert not re.search(r"(UPDATE|DELETE\s+FROM|REPLACE\s+INTO)\s+ledger\b", text), path


def test_hops_only_get_and_post() -> None:
    """Between the servers every change is a POST, which no client library sends again by itself."""
    asked = re.compile(r"(?:\.call\(|\.ask\(|_passed\(\s*\w+,)\s*\"(\w+)\"")
    methods = {method for path in _sources() for method in asked.findall(path.read_text())}
    assert methods == {"GET", "POST"}


def test_every_change_is_told() -> None:
    """The change log has a section for the version that is installed, and one for what comes."""
    changes = document("CHANGELOG.md")
    version = re.search(r'^version = "(.+)"$', document("pyproject.toml"), re.MULTILINE)
    assert version is not None
    assert re.findall(r"^## \[(.+)\]", changes, re.MULTILINE)[:2] == ["Unreleased", version[1]]
