"""The machine below the shop: programs and their versions, and the disk."""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from bookstore_cli.doctor.finding import FAIL, OK, WARN, Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bookstore_cli.doctor.finding import Patient

LOWEST_PYTHON = (3, 11)
LOWEST_SQLITE = "3.51.3"
LITTLE_FREE_BYTES = 1024**3
NO_FREE_BYTES = 32 * 1024**2
SLOW_SYNC_S = 0.5

_REQUIRED = re.compile(r"([A-Za-z0-9._-]+)\s*>=\s*([0-9][0-9.]*)\s*(;.*)?")
_INSTALL = "Install what the project has locked: make, or pip install -r requirements/runtime.txt"


def versions() -> Iterator[Finding]:
    """Look at Python, at each package and at SQLite."""
    found = ".".join(str(part) for part in sys.version_info[:3])
    wanted = ".".join(str(part) for part in LOWEST_PYTHON)
    good = sys.version_info[:2] >= LOWEST_PYTHON
    yield _version("python", found, wanted, OK if good else FAIL, f"Use Python {wanted} or later.")
    for name, lowest, optional in required_packages():
        try:
            found = metadata.version(name)
        except metadata.PackageNotFoundError:
            state = WARN if optional else FAIL
            yield Finding(state, name, "is not installed", _INSTALL)
            continue
        old = number(found) < number(lowest)
        yield _version(name, found, lowest, FAIL if old else OK, _INSTALL)
    yield from _sqlite()


def _sqlite() -> Iterator[Finding]:
    try:
        import apsw
    except ImportError as error:
        yield Finding(FAIL, "sqlite", f"cannot be loaded: {error}", _INSTALL)
        return
    found = apsw.sqlite_lib_version()
    old = number(found) < number(LOWEST_SQLITE)
    advice = "Older ones can corrupt a database (the WAL-reset bug). Install a newer apsw."
    yield _version("sqlite", found, LOWEST_SQLITE, FAIL if old else OK, advice)


def _version(name: str, found: str, lowest: str, state: str, advice: str) -> Finding:
    told = f"{found}, at least {lowest} is needed"
    return Finding(state, name, told, "" if state == OK else advice)


def required_packages() -> Iterator[tuple[str, str, bool]]:
    """Yield name, lowest version and whether it can be done without, of each package."""
    for line in _requirements():
        match = _REQUIRED.match(line)
        if match and "extra ==" not in line:
            name, lowest, condition = match.groups()
            yield name, lowest, condition is not None


def _requirements() -> list[str]:
    try:
        return metadata.requires("bookstore") or []
    except metadata.PackageNotFoundError:
        import tomllib

        # Run from its sources, without being installed.
        project = Path(__file__).resolve().parents[2] / "pyproject.toml"
        if not project.exists():
            return []
        return list(tomllib.loads(project.read_text("utf-8"))["project"]["dependencies"])


def number(version: str) -> tuple[int, ...]:
    """Return the leading numbers of a version, to be compared."""
    return tuple(int(part) for part in re.findall(r"\d+", version.partition("+")[0])[:3])


def disk(patient: Patient) -> Iterator[Finding]:
    """Look at the room that is left, and whether a file can be written durably."""
    folder = patient.folder
    if not folder.is_dir():
        return
    free_bytes = shutil.disk_usage(folder).free
    state = FAIL if free_bytes < NO_FREE_BYTES else WARN if free_bytes < LITTLE_FREE_BYTES else OK
    advice = "" if state == OK else "Make room: without it the shop refuses purchases."
    yield Finding(state, "disk space", f"{free_bytes // 1024**2} MiB free", advice)
    try:
        took_s = sync_s(folder)
    except OSError as error:
        yield Finding(
            FAIL,
            "disk writing",
            f"{folder} cannot be written to: {error.strerror}",
            "Let the shop's user own the folder, on a local disk that can be written to.",
        )
        return
    slow = took_s > SLOW_SYNC_S
    advice = "Each commit waits as long. Use a faster disk." if slow else ""
    told = f"written durably in {took_s * 1000:.1f} ms"
    yield Finding(WARN if slow else OK, "disk writing", told, advice)


def sync_s(folder: Path) -> float:
    """Return how many seconds a durable write takes. Raises OSError.

    The file has no name where the system can do that, and is gone when this returns.
    """
    with tempfile.TemporaryFile(dir=folder) as file:
        begun_s = time.monotonic()
        file.write(bytes(4096))
        file.flush()
        os.fsync(file.fileno())
        return time.monotonic() - begun_s
