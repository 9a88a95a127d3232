"""Where a server may listen without TLS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from servers import settings
from servers.access import exposure
from servers.settings import SettingsError
from tests.support.shop import run_command

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("host", "opened"),
    [
        ("127.0.0.1", False),
        ("127.1.2.3", False),
        ("localhost", False),
        ("::1", False),
        ("::ffff:127.0.0.1", False),
        ("0.0.0.0", True),
        ("::", True),
        ("10.0.0.1", True),
        ("192.168.1.1", True),
        ("fe80::1", True),
        ("::ffff:10.0.0.1", True),
        ("0", True),
    ],
)
def test_which_addresses_are_open(host: str, opened: bool) -> None:
    """All but loopback can be reached by others."""
    assert exposure.is_open(host) is opened


def test_a_name_of_nothing_is_told_by_whoever_listens() -> None:
    """A host that does not exist is not called open: nothing can listen there."""
    assert not exposure.is_open("no.such.host.invalid")


@pytest.mark.parametrize(
    "given",
    [
        {"tls_cert": "/c.pem", "tls_key": "/k.pem"},
        {"insecure": True},
        {"host": "127.0.0.1"},
    ],
)
def test_what_makes_an_open_address_right(given: dict[str, Any]) -> None:
    """TLS or the operator's word; on loopback nothing is needed."""
    exposure.must_be_guarded(settings.load({"host": "0.0.0.0", **given}, {}))


def test_a_declared_proxy_makes_it_right() -> None:
    """Behind a reverse proxy that was named the proxy has the certificate."""
    given = settings.load({"host": "0.0.0.0"}, {"BOOKSTORE_TRUSTED_PROXY": "10.0.0.1"})
    exposure.must_be_guarded(given)
    assert exposure.behind_proxy(given)


def test_an_open_address_alone_is_refused() -> None:
    """The sentence names the three ways out."""
    with pytest.raises(SettingsError) as refused:
        exposure.must_be_guarded(settings.load({"host": "0.0.0.0"}, {}))
    for way in ("--tls-cert", "trusted_proxy", "--insecure"):
        assert way in str(refused.value)


@pytest.mark.parametrize(
    "words",
    [("up",), ("serve", "frontend"), ("serve", "catalog"), ("serve", "order")],
    ids=" ".join,
)
def test_no_server_starts_open(tmp_path: Path, words: tuple[str, ...]) -> None:
    """`up` and each `serve` exit 8 with a sentence, and nothing has listened."""
    done = run_command("--data", str(tmp_path / "shop"), *words, "--port", "0", "--host", "0.0.0.0")
    assert done.returncode == 8, done.stderr
    assert "can be reached from other machines" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("url", "private"),
    [
        ("http://127.0.0.1:8001", True),
        ("http://localhost:8001", True),
        ("http://[::1]:8001", True),
        ("https://10.0.0.5:8001", True),
        ("http://10.0.0.5:8001", False),
        ("http://[fe80::1]:8001", False),
        ("http://no.such.host.invalid:8001", False),
    ],
)
def test_what_is_sent_elsewhere_goes_by_https(url: str, private: bool) -> None:
    """The token of the servers leaves the machine encrypted, or by its operator's word."""
    exposure.must_be_private("order", settings.load({"insecure": True, "catalog_url": url}, {}))
    exposure.must_be_private("catalog", settings.load({"catalog_url": url}, {}))
    for name, setting in (
        ("order", "catalog_url"),
        ("frontend", "catalog_url"),
        ("frontend", "order_url"),
    ):
        given = settings.load({setting: url}, {})
        if private:
            exposure.must_be_private(name, given)
        else:
            with pytest.raises(SettingsError, match=r"https://.*--insecure") as refused:
                exposure.must_be_private(name, given)
            assert url in str(refused.value)


@pytest.mark.parametrize("words", [("order",), ("frontend",)], ids=" ".join)
def test_no_server_tells_its_token_in_the_clear(tmp_path: Path, words: tuple[str, ...]) -> None:
    """`serve` exits 8 with a sentence before it listens, or asks anybody."""
    asked = ("--catalog-url", "http://10.255.255.1:8001", "--port", "0")
    done = run_command("--data", str(tmp_path / "shop"), "serve", *words, *asked)
    assert done.returncode == 8, done.stderr
    assert "http://10.255.255.1:8001 is on another machine" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("one", ["tls_cert", "tls_key"])
def test_half_of_tls_is_none(one: str) -> None:
    """Certificate and key come together."""
    with pytest.raises(SettingsError, match="TLS needs both"):
        settings.load({one: "/x.pem"}, {})
