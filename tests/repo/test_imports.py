"""Who may import whom, and what a module may do when it is imported."""

from __future__ import annotations

import ast
import re
import sys
from typing import TYPE_CHECKING

import pytest

from tests.repo.modules import Module, modules

if TYPE_CHECKING:
    from collections.abc import Iterator

ALLOWED = {
    "servers.domain": ["servers.domain"],
    "servers.storage": ["apsw", "servers.storage"],
    "servers.web": [
        *("aiohttp", "yarl", "msgspec", "prometheus_client", "servers.web"),
        *("servers.domain.errors", "servers.domain.limits", "servers.domain.text"),
        *("servers.domain.times", "servers.domain.protocols"),
    ],
    "servers.frontend": ["msgspec", "servers.domain", "servers.web", "servers.frontend"],
}
"""What each package may import besides the standard library."""

RULES = ["servers.domain", "servers.storage.database", "servers.storage.full_text"]
WIRE = ["servers.domain", "servers.web", "msgspec"]
OF_A_SERVICE = {
    "store": RULES,
    "service": RULES,
    "handlers": WIRE,
    "descriptions": WIRE,
    "examples": WIRE,
    "client": WIRE,
    "gateway": WIRE,
    "wire": ["servers.domain", "msgspec"],
    "mapping": ["servers.domain", "msgspec"],
    "finding": WIRE,
    "rows": WIRE,
}
"""What the files of catalog and order may import by their names; others keep to the rules."""

COMMAND_LINE = ["click", "rich", "platformdirs", "bookstore_cli", "servers.domain.errors"]

CALLS_AT_IMPORT = {
    *("TypeVar", "ParamSpec", "frozenset", "MappingProxyType", "len", "re.compile", "attrgetter"),
    *("datetime", "timedelta", "logging.getLogger", "Meta", "msgspec.Raw"),
    *("msgspec.json.Encoder", "msgspec.json.Decoder", "json.JSONDecoder"),
}
"""What the servers' modules may call when they are imported: it makes values, and no more."""

SQL = re.compile(
    r"\b(SELECT\s.+\sFROM|INSERT\s+INTO|UPDATE\s+\w+\s+SET|DELETE\s+FROM|CREATE\s+TABLE)\b",
    re.DOTALL,
)
HTTP = ("aiohttp", "http.client", "urllib.request")


def within(name: str, allowed: list[str]) -> bool:
    """Say whether a module is one of these or inside one."""
    top = name.partition(".")[0]
    if top in sys.stdlib_module_names:
        return True
    return any(name == each or name.startswith(f"{each}.") for each in allowed)


def foreign(package: str, allowed: list[str]) -> Iterator[str]:
    """Yield the imports of a package that it may not make."""
    for module in modules(package.replace(".", "/")):
        for each in module.imports():
            if not within(each.name, allowed):
                yield f"{module.name}:{each.line} imports {each.name}"


@pytest.mark.parametrize("package", ALLOWED)
def test_a_package_imports_what_it_may(package: str) -> None:
    """A package knows those below it and none beside or above it."""
    assert list(foreign(package, ALLOWED[package])) == []


@pytest.mark.parametrize("package", ["servers.catalog", "servers.order"])
def test_a_service_keeps_storage_and_http_apart(package: str) -> None:
    """Rules and SQL know no HTTP, routes and clients no storage, and no service the other."""
    wrong = []
    for module in modules(package.replace(".", "/")):
        file = module.path.stem
        allowed = [package, *OF_A_SERVICE.get(file, RULES)]
        wrong += [
            f"{module.name}:{each.line} imports {each.name}"
            for each in module.imports()
            if not within(each.name, allowed)
        ]
    assert wrong == []


@pytest.mark.parametrize("package", ["servers.catalog", "servers.order"])
def test_routes_do_not_reach_behind_their_service(package: str) -> None:
    """Handlers and clients use the protocol, never the service, its selling or its SQL."""
    behind = {f"{package}.{name}" for name in ("service", "store", "selling", "seller")}
    for file in ("handlers", "client", "gateway", "wire", "mapping"):
        module = Module(modules(package.replace(".", "/"))[0].path.with_name(f"{file}.py"))
        assert not {each.name for each in module.imports()} & behind


def test_nobody_imports_main() -> None:
    """What wires everything is started by the command line, and known to no server."""
    importers = {
        module.name
        for package in ("servers", "bookstore_cli")
        for module in modules(package)
        for each in module.imports()
        if each.name == "servers.main"
    }
    assert importers == {"bookstore_cli.running"}


def test_the_supervisor_is_light() -> None:
    """The process that keeps the servers running has nothing in it that could fail with them."""
    heavy = ["aiohttp", "apsw", "msgspec", "servers.web", "servers.storage", "servers.main"]
    for name in ("supervisor", "child", "shop_file"):
        module = next(each for each in modules("servers") if each.name == f"servers.{name}")
        assert not [each for each in module.imports() if within_any(each.name, heavy)]


def within_any(name: str, packages: list[str]) -> bool:
    """Say whether a module is in one of these packages; the standard library is in none."""
    return any(name == each or name.startswith(f"{each}.") for each in packages)


def test_the_command_line_imports_servers_late() -> None:
    """One-shot commands never load the servers: of these the modules know the errors alone."""
    wrong = [
        f"{module.name}:{each.line} imports {each.name}"
        for module in modules("bookstore_cli")
        if not module.name.startswith("bookstore_cli.demo.")
        for each in module.imports()
        if not each.late
        and not within(each.name, COMMAND_LINE)
        and not _for_types(module, each.line)
    ]
    assert wrong == []


def _for_types(module: Module, line: int) -> bool:
    """Say whether a line stands in an ``if TYPE_CHECKING`` block."""
    return any(
        isinstance(node, ast.If)
        and ast.unparse(node.test) == "TYPE_CHECKING"
        and node.lineno <= line <= (node.end_lineno or 0)
        for node in ast.walk(module.tree)
    )


def test_the_rules_never_wait() -> None:
    """In the domain only the protocols have ``async def``."""
    waiting = {
        module.name
        for module in modules("servers/domain")
        if any(isinstance(each, ast.AsyncFunctionDef) for each in module.functions())
    }
    assert waiting == {"servers.domain.protocols"}


def test_sql_lives_in_stores() -> None:
    """SQL stands in the stores and in the storage, nowhere else."""
    wrong = []
    for module in modules("servers") + modules("bookstore_cli"):
        if module.path.name.endswith("store.py") or module.name.startswith("servers.storage."):
            continue
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found = SQL.search(node.value)
                if found and node.value.isascii() and not _is_docstring(module, node):
                    wrong.append(f"{module.name}:{node.lineno} {found[0][:40]}")
    assert wrong == []


def _is_docstring(module: Module, constant: ast.Constant) -> bool:
    return any(
        isinstance(node, ast.Expr) and node.value is constant for node in ast.walk(module.tree)
    )


def test_http_lives_in_web() -> None:
    """Of the servers only the web package talks HTTP itself."""
    wrong = [
        f"{module.name}:{each.line} imports {each.name}"
        for module in modules("servers")
        if not module.name.startswith("servers.web")
        for each in module.imports()
        if within_any(each.name, list(HTTP))
    ]
    assert wrong == []


@pytest.mark.parametrize("module", modules("servers"), ids=lambda module: module.name)
def test_no_work_at_import(module: Module) -> None:
    """Importing a server's module defines things; it opens, starts and asks nothing."""
    wrong = []
    for node in module.tree.body:
        if isinstance(node, (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        if isinstance(node, ast.ClassDef):
            continue
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        assert isinstance(node, (ast.Assign, ast.AnnAssign, ast.Expr)), ast.unparse(node)[:60]
        lambdas = {
            sub for each in ast.walk(node) if isinstance(each, ast.Lambda) for sub in ast.walk(each)
        }
        wrong += [
            f"line {node.lineno}: {ast.unparse(call)[:60]}"
            for call in ast.walk(node)
            if isinstance(call, ast.Call) and call not in lambdas and not _harmless(module, call)
        ]
    assert wrong == []


def _harmless(module: Module, call: ast.Call) -> bool:
    name = ast.unparse(call.func)
    if name in CALLS_AT_IMPORT or name.rpartition(".")[2] in {"split", "join"}:
        return True
    # The table of errors by code is made of classes that stand in the same file.
    return (module.name, name) == ("servers.domain.errors", "leaves")
