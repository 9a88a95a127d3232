"""TLS: what a server shows, what the command and the other servers trust."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import socket
import ssl
import subprocess
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from servers import settings
from servers.access import tls
from servers.settings import SettingsError
from servers.web import room
from servers.web.serving import serving
from tests.support.services import PATIENCE_S, make_app
from tests.support.serving import served_shop, start_server
from tests.support.shop import open_shop, run_command

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.auth.conftest import Certificate
    from tests.support.shop import Shop


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, elsewhere: Certificate) -> Iterator[Shop]:
    """A shop on every address of the machine, with a certificate of another name."""
    with open_shop(
        tmp_path_factory.mktemp("tls") / "shop",
        host="0.0.0.0",
        tls_cert=str(elsewhere.cert),
        tls_key=str(elsewhere.key),
    ) as opened:
        yield opened


def test_the_frontend_alone_speaks_tls(shop: Shop) -> None:
    """Under `up` the frontend is reached by https; the servers behind it stay on loopback."""
    schemes = {name: urlsplit(url).scheme for name, url in shop.urls.items()}
    assert schemes == {"frontend": "https", "catalog": "http", "order": "http"}
    assert urlsplit(shop.urls["catalog"]).hostname == "127.0.0.1"


def test_the_command_trusts_the_shop_in_its_folder(shop: Shop) -> None:
    """On the shop's own machine nothing has to be named, not even for purchases and staff."""
    assert shop.command("buy", "2").returncode == 0
    assert shop.command("orders", "list").returncode == 0
    assert shop.command("status").returncode == 0


def test_a_long_file_goes_over_tls(shop: Shop, tmp_path: Path) -> None:
    """An import arrives whole; one that is refused at once is told so, not just cut off."""
    row = {"title": "T", "authors": ["A"], "price": "1.00", "stock": 1, "topics": ["x" * 200]}
    file = tmp_path / "books.ndjson"
    file.write_text(f"{json.dumps(row)}\n" * 2000)
    done = shop.command("books", "import", str(file), "--json", check=True)
    assert json.loads(done.stdout)["added"] == 2000
    stranger = tmp_path / "admin.token"
    stranger.write_text("f" * 64 + "\n")
    stranger.chmod(0o600)
    file.write_text(f"{json.dumps(row)}\n" * 40_000)
    done = shop.command("books", "import", str(file), "--token-file", str(stranger))
    assert done.returncode == 4, done.stderr


def test_a_stranger_is_not_trusted(shop: Shop, local: Certificate) -> None:
    """By its URL alone the shop is a stranger, whose certificate somebody must vouch for."""
    url = shop.urls["frontend"]
    for more in ((), ("--ca-file", str(local.cert))):
        done = run_command("info", "2", "--url", url, "--timeout", "3", *more)
        assert done.returncode == 9
        assert "certificate is not trusted" in done.stderr


def test_the_name_must_be_right(shop: Shop, elsewhere: Certificate) -> None:
    """A certificate whose authority is known is refused under another name."""
    done = run_command(
        *("info", "2", "--url", shop.urls["frontend"], "--timeout", "3"),
        *("--ca-file", str(elsewhere.cert)),
    )
    assert done.returncode == 9
    assert "certificate is not trusted" in done.stderr


def test_another_certificate_at_the_same_address_is_refused(
    shop: Shop, tmp_path: Path, local: Certificate
) -> None:
    """The note in the folder vouches for one certificate, and for no other."""
    (tmp_path / "shop").mkdir()
    note = (shop.data / "shop.json").read_text()
    other = note.replace(str(shop.data.parent), str(tmp_path)).replace(
        _certificate_in(note), str(local.cert)
    )
    (tmp_path / "shop" / "shop.json").write_text(other)
    done = run_command("--data", str(tmp_path / "shop"), "info", "2", "--timeout", "3")
    assert done.returncode == 9
    assert "certificate is not trusted" in done.stderr


def _certificate_in(note: str) -> str:
    return note.partition('"certificate": "')[2].partition('"')[0]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_present_versions_are_spoken(shop: Shop, version: ssl.TLSVersion) -> None:
    """TLS 1.2 and 1.3 are both spoken."""
    context = _unverified(version)
    with contextlib.closing(_connection(shop, context)) as connection:
        connection.request("GET", "/info/2")
        assert connection.getresponse().status == 200


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated:DeprecationWarning")
def test_old_versions_are_refused(shop: Shop) -> None:
    """On a client that knows nothing later than TLS 1.1 the server hangs up."""
    context = _unverified(ssl.TLSVersion.TLSv1_1)
    context.set_ciphers("ALL:@SECLEVEL=0")  # So that it is not the client who refuses.
    with contextlib.closing(_connection(shop, context)) as connection:
        with pytest.raises(ssl.SSLError) as refused:
            connection.connect()
        # The server's word, or its silence; had the client refused it would have said so itself.
        told = str(refused.value.reason)
        assert "ALERT_PROTOCOL_VERSION" in told or "UNEXPECTED_EOF" in told


def _unverified(version: ssl.TLSVersion) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version
    return context


def _connection(shop: Shop, context: ssl.SSLContext) -> http.client.HTTPSConnection:
    port = urlsplit(shop.urls["frontend"]).port
    return http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=20)


def test_plain_http_gets_nothing(shop: Shop) -> None:
    """A request in the clear is not answered, and the server goes on."""
    url = urlsplit(shop.urls["frontend"])
    with socket.create_connection(("127.0.0.1", url.port or 0), timeout=20) as plain:
        plain.sendall(b"GET /info/2 HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200 OK" not in plain.recv(4096)
    assert shop.command("info", "2").returncode == 0
    assert "Traceback" not in shop.log


def greet(address: tuple[str, int], certificate: Certificate, first: bytes) -> socket.socket:
    """Shake hands and send; return the connection as it is beneath TLS."""
    line = socket.create_connection(address, timeout=PATIENCE_S)
    context = ssl.create_default_context(cafile=str(certificate.cert))
    secured = context.wrap_socket(line, server_hostname="127.0.0.1")
    secured.sendall(first)
    return socket.socket(fileno=secured.detach())


@pytest.mark.parametrize(("most", "first"), [(0, b""), (1, b"nonsense\r\n\r\n")])
async def test_whoever_does_not_end_tls(
    local: Certificate, monkeypatch: pytest.MonkeyPatch, most: int, first: bytes
) -> None:
    """After its last answer a client has a moment to hang up, whatever it owes to TLS."""
    monkeypatch.setattr(room, "SPARE_CONNECTIONS", 0)
    monkeypatch.setattr(room, "HANG_UP_S", 0.05)
    ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ours.load_cert_chain(local.cert, local.key)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        async with (
            asyncio.timeout(PATIENCE_S),
            serving(make_app(()), listening, shutdown_s=1.0, max_connections=most, tls=ours),
        ):
            line = await asyncio.to_thread(greet, listening.getsockname(), local, first)
            line.setblocking(False)
            with line, contextlib.suppress(ConnectionError):
                while await asyncio.get_running_loop().sock_recv(line, 1000):
                    pass


def test_hops_verify_by_the_ca_file(tmp_path: Path, local: Certificate) -> None:
    """Servers that call each other over https work with a ca_file, and not without."""
    data = tmp_path / "shop"
    speaking = {"tls_cert": str(local.cert), "tls_key": str(local.key)}
    with served_shop(data) as served:
        catalog = served.start("catalog", **speaking)
        assert catalog.url.startswith("https://127.0.0.1:")
        order = served.start(
            "order", "--catalog-url", catalog.url, ca_file=str(local.cert), **speaking
        )
        behind = ("--catalog-url", catalog.url, "--order-url", order.url)
        frontend = served.start("frontend", *behind, ca_file=str(local.cert), **speaking)
        done = run_command("buy", "2", "--url", frontend.url, "--ca-file", str(local.cert))
        assert done.returncode == 0, done.stderr
        blind = start_server("frontend", data, *behind)
        served.servers["blind"] = blind
        done = run_command("info", "2", "--url", blind.url, "--timeout", "3")
        assert done.returncode == 9, done.stdout
        assert "is not trusted" in run_command("status", "--url", blind.url).stdout


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
def test_a_key_that_others_can_read_is_refused(
    tmp_path: Path, local: Certificate, mode: int
) -> None:
    """The sentence says how to close it."""
    key = tmp_path / "key.pem"
    key.write_bytes(local.key.read_bytes())
    key.chmod(mode)
    given = settings.load({"tls_cert": local.cert, "tls_key": key}, {})
    with pytest.raises(SettingsError, match=f"chmod 600 {key}"):
        tls.server_context(given)


def test_a_key_of_another_certificate_is_refused(
    local: Certificate, elsewhere: Certificate
) -> None:
    """The sentence names both files."""
    given = settings.load({"tls_cert": local.cert, "tls_key": elsewhere.key}, {})
    with pytest.raises(SettingsError, match="cannot be used together"):
        tls.server_context(given)


def test_files_that_are_not_there(tmp_path: Path, local: Certificate) -> None:
    """A missing certificate, key or ca_file is told with its name."""
    missing = tmp_path / "no.pem"
    for cert, key in ((missing, local.key), (local.cert, missing)):
        given = settings.load({"tls_cert": cert, "tls_key": key}, {})
        with pytest.raises(SettingsError, match=r"no\.pem"):
            tls.server_context(given)
    with pytest.raises(SettingsError, match=r"no\.pem"):
        tls.client_context(settings.load({"ca_file": missing}, {}))


def test_an_encrypted_key_is_refused(tmp_path: Path, local: Certificate) -> None:
    """Nobody is there to type a passphrase when a server starts again."""
    key = tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "ec", "-aes256", "-in", local.key, "-out", key, "-passout", "pass:x"],
        check=True,
        capture_output=True,
    )
    key.chmod(0o600)
    given = settings.load({"tls_cert": local.cert, "tls_key": key}, {})
    with pytest.raises(SettingsError, match="passphrase"):
        tls.server_context(given)
