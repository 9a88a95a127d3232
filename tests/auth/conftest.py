"""Certificates made for one test run, by the openssl of this machine."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Certificate:
    """A certificate that signed itself, and its key."""

    cert: Path
    key: Path


def certificate(folder: Path, name: str, *names: str, days: int = 2) -> Certificate:
    """Make a certificate for some names, such as ``DNS:shop.example``, that holds some days."""
    made = Certificate(folder / f"{name}.pem", folder / f"{name}.key")
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", str(days), "-subj", f"/CN={name}", "-addext"),
            *(f"subjectAltName={','.join(names)}", "-keyout", str(made.key)),
            *("-out", str(made.cert)),
        ],
        check=True,
        capture_output=True,
        timeout=60,
    )
    made.key.chmod(0o600)
    return made


@pytest.fixture(scope="session")
def local(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """A certificate that is good for 127.0.0.1."""
    return certificate(tmp_path_factory.mktemp("local"), "local", "IP:127.0.0.1")


@pytest.fixture(scope="session")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """A certificate of another name."""
    return certificate(tmp_path_factory.mktemp("elsewhere"), "shop", "DNS:shop.example")
