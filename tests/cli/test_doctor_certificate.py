"""`doctor`, on certificates that hold, that end soon, that are over, and that fit no key."""

from __future__ import annotations

import json
import subprocess
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from bookstore_cli.doctor import certificate as examination
from tests.auth.conftest import Certificate, certificate

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.conftest import Bookstore

DAY_S = 86_400.0
HOLDS_DAYS = 90
AUTHORITY = """
[ca]
default_ca = it
[it]
database = index
new_certs_dir = .
rand_serial = yes
default_md = sha256
policy = any
[any]
commonName = supplied
"""
"""What `openssl ca` needs to be told; of its commands this alone makes what is over already."""


def openssl(folder: Path, *words: str | Path) -> None:
    """Run openssl in a folder."""
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True, timeout=60)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """A certificate that was made just now."""
    folder = tmp_path_factory.mktemp("certificate")
    return certificate(folder, "shop", "DNS:shop.example", days=HOLDS_DAYS)


@pytest.fixture
def examined(
    bookstore: Bookstore, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Certificate], dict[str, str]]:
    """Have a shop with a certificate examined, and return what is said of that."""

    def call(given: Certificate) -> dict[str, str]:
        monkeypatch.setenv("BOOKSTORE_PORT", "0")
        monkeypatch.setenv("BOOKSTORE_TLS_CERT", str(given.cert))
        monkeypatch.setenv("BOOKSTORE_TLS_KEY", str(given.key))
        ran = bookstore("doctor", "--json")
        rows = json.loads(ran.out)
        found: list[dict[str, str]] = [each for each in rows if each["check"] == "certificate"]
        assert len(found) == 1
        assert ran.code == (8 if "fail" in {each["state"] for each in rows} else 0)
        return found[0]

    return call


@pytest.mark.parametrize(
    ("day", "state", "told"),
    [
        (-1.0, "fail", "is not valid before "),
        (0.5, "ok", "fits its key, and ends in 89 days, at "),
        (68.5, "ok", "ends in 21 days, at "),
        (69.5, "warn", "ends in 20 days, at "),
        (88.5, "warn", "ends in 1 day, at "),
        (89.5, "warn", "ends within a day, at "),
        (90.5, "fail", " ended at "),
    ],
)
def test_days_of_a_certificate(
    examined: Callable[[Certificate], dict[str, str]],
    made: Certificate,
    monkeypatch: pytest.MonkeyPatch,
    *,
    day: float,
    state: str,
    told: str,
) -> None:
    """It is well while it holds, to be looked at from 21 days before its end, else wrong."""
    made_at_s = made.cert.stat().st_mtime
    on_that_day = SimpleNamespace(time=lambda: made_at_s + day * DAY_S)
    monkeypatch.setattr(examination, "time", on_that_day)
    finding = examined(made)
    assert finding["state"] == state
    assert told in finding["found"]
    assert ("renewed certificate" in finding["advice"]) == (state != "ok")


def test_a_certificate_that_is_over(
    examined: Callable[[Certificate], dict[str, str]], made: Certificate, tmp_path: Path
) -> None:
    """By the real clock too its end can be told, though no client accepts it any more."""
    (tmp_path / "ca.cnf").write_text(AUTHORITY)
    (tmp_path / "index").touch()
    over = Certificate(tmp_path / "over.pem", made.key)
    openssl(tmp_path, "req", "-new", "-key", made.key, "-subj", "/CN=shop", "-out", "asked.csr")
    openssl(
        *(tmp_path, "ca", "-config", "ca.cnf", "-batch", "-notext", "-selfsign"),
        *("-keyfile", made.key, "-in", "asked.csr", "-out", over.cert),
        *("-startdate", "20200101000000Z", "-enddate", "20200201000000Z"),
    )
    finding = examined(over)
    assert finding["state"] == "fail"
    assert finding["found"] == f"{over.cert} ended at 2020-02-01T00:00:00.000Z"


def test_a_key_of_another_certificate(
    examined: Callable[[Certificate], dict[str, str]], made: Certificate, tmp_path: Path
) -> None:
    """The sentence names both files and says which key it should be."""
    other = certificate(tmp_path, "other", "DNS:shop.example")
    finding = examined(Certificate(made.cert, other.key))
    assert finding["state"] == "fail"
    assert str(made.cert) in finding["found"]
    assert str(other.key) in finding["found"]
    assert "the one that the certificate was made for" in finding["found"]


def test_a_certificate_for_something_else(
    examined: Callable[[Certificate], dict[str, str]], made: Certificate, tmp_path: Path
) -> None:
    """One that clients refuse, such as a client's own, is wrong, with what they would say."""
    (tmp_path / "extensions").write_text("extendedKeyUsage = clientAuth\n")
    clients = Certificate(tmp_path / "client.pem", made.key)
    openssl(
        *(tmp_path, "x509", "-in", made.cert, "-signkey", made.key, "-clrext", "-days", "90"),
        *("-extfile", "extensions", "-out", clients.cert),
    )
    finding = examined(clients)
    assert finding["state"] == "fail"
    assert "purpose" in finding["found"]


def test_no_certificate(bookstore: Bookstore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where none is set nothing is said of one."""
    monkeypatch.setenv("BOOKSTORE_PORT", "0")
    rows = json.loads(bookstore("doctor", "--json").out)
    assert "certificate" not in {each["check"] for each in rows}
