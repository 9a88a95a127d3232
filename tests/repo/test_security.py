"""What the project is made of: locked with hashes, and no rule of security left out unsaid."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.markdown import ROOT, document

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SECURITY = re.compile(r"\bS[0-9]{3}\b")


def _python_files() -> Iterator[Path]:
    for package in ("servers", "bookstore_cli", "tests", "benchmarks"):
        yield from sorted((ROOT / package).rglob("*.py"))


@pytest.mark.parametrize("name", ["runtime", "dev"])
def test_every_dependency_is_locked_with_its_hashes(name: str) -> None:
    """Each package stands with one version and the hashes of its files; `make` insists on them."""
    text = document(f"requirements/{name}.txt").replace("\\\n", " ")
    locked = [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]
    assert locked
    for line in locked:
        assert re.match(r"[a-z0-9._-]+(\[[a-z,]+\])?==[^ ]+ ", line), line
        assert re.search(r"--hash=sha256:[0-9a-f]{64}\b", line), line
    assert "--require-hashes" in document("Makefile")


def test_the_rules_of_security_are_on() -> None:
    """All of ruff's rules are selected, so its S rules are; none is ignored without a reason."""
    text = document("pyproject.toml")
    lint: dict[str, Any] = tomllib.loads(text)["tool"]["ruff"]["lint"]
    assert lint["select"] == ["ALL"]
    ignored = [
        *lint["ignore"],
        *(code for codes in lint["per-file-ignores"].values() for code in codes),
    ]
    assert "S" not in ignored
    for code in ignored:
        if code.startswith("S"):
            assert re.search(rf'"{code}",  # .{{10,}}', text), code


def test_every_exception_has_its_reason() -> None:
    """A line that is excused from a rule says why, behind the rule or before it."""
    marks = 0
    for path in _python_files():
        lines = path.read_text().splitlines()
        for number, line in enumerate(lines):
            rules = re.search(r"# noqa: ([A-Z0-9, ]+)(.*)$", line)
            if rules is None or not _SECURITY.search(rules[1]):
                continue
            marks += 1
            before = lines[number - 1].strip() if number else ""
            assert len(rules[2].strip(" #-")) > 5 or before.startswith("#"), f"{path}:{number + 1}"
    assert marks > 0
