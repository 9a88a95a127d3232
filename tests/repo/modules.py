"""The modules of the project as text: what they import and what they do when imported."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Import:
    """One imported module; ``late`` where it is imported inside a function."""

    name: str
    line: int
    late: bool


@dataclass(frozen=True)
class Module:
    """A file of Python."""

    path: Path

    @property
    def name(self) -> str:
        """The dotted name of the module."""
        parts = self.path.relative_to(ROOT).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @cached_property
    def text(self) -> str:
        """The source."""
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def tree(self) -> ast.Module:
        """The source, parsed."""
        return ast.parse(self.text)

    def imports(self) -> Iterator[Import]:
        """Yield every module that is imported, for types alone as well."""
        inside = {
            node
            for function in ast.walk(self.tree)
            if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef))
            for node in ast.walk(function)
        }
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    yield Import(alias.name, node.lineno, node in inside)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{self.path} imports relatively"
                for alias in node.names:
                    name = f"{node.module}.{alias.name}"
                    is_module = self._is_module(name)
                    yield Import(
                        name if is_module else node.module or "", node.lineno, node in inside
                    )

    def functions(self) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
        """Yield every function and method."""
        for node in ast.walk(self.tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                yield node

    @staticmethod
    def _is_module(name: str) -> bool:
        path = ROOT.joinpath(*name.split("."))
        return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


def modules(package: str) -> list[Module]:
    """Return the modules of a package, those of its packages too."""
    return [Module(path) for path in sorted((ROOT / package).rglob("*.py"))]
