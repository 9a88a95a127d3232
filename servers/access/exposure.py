"""Who can reach a server, and what it needs before strangers may.

Lives here: the rule that a server on an open address has TLS, a declared reverse proxy, or an
operator who said that it needs neither; and that the servers' token goes to other machines by
TLS alone. That a server has tokens goes without saying: they are made when they are missing.
"""

from __future__ import annotations

import ipaddress
import socket
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from servers.settings import SettingsError

if TYPE_CHECKING:
    from servers.settings import Settings

_ASKED: Final = {
    "catalog": (),
    "order": ("catalog_url",),
    "frontend": ("catalog_url", "order_url"),
}
"""The settings that name whom each server asks."""


def must_be_guarded(settings: Settings) -> None:
    """Raise `SettingsError` if others could listen in on what is sent to this server."""
    if settings.tls_cert is not None or settings.insecure or behind_proxy(settings):
        return
    if not is_open(settings.host):
        return
    raise SettingsError(
        f"The address {settings.host} can be reached from other machines, and orders and"
        " tokens would travel there in the clear. Give the server a certificate with"
        " --tls-cert and --tls-key, name the reverse proxy before it in the setting"
        " trusted_proxy, or say --insecure if the network is yours alone."
    )


def must_be_private(name: str, settings: Settings) -> None:
    """Raise `SettingsError` if others could listen in on what this server sends to another."""
    for url in _ASKED[name]:
        _must_be_private(getattr(settings, url), settings)


def _must_be_private(url: str, settings: Settings) -> None:
    asked = urlsplit(url)
    if asked.scheme == "https" or settings.insecure:
        return
    found = _addresses(asked.hostname or "")
    if found and all(map(_is_loopback, found)):
        return
    raise SettingsError(
        f"The server at {url} is on another machine, and orders and the servers' token would"
        " travel there in the clear. Give it a certificate and name it by https://, or say"
        " --insecure if the network is yours alone."
    )


def behind_proxy(settings: Settings) -> bool:
    """Tell whether a reverse proxy is declared, which then is what has the certificate."""
    return bool(settings.trusted_proxy)


def is_open(host: str) -> bool:
    """Tell whether other machines can reach a server that listens on ``host``.

    A name that means several addresses is open if one of them is. One that means none is
    not: nothing can listen there, and whoever tries says why.
    """
    return not all(map(_is_loopback, _addresses(host)))


def _addresses(host: str) -> list[str]:
    """Return what a name or an address means here; nothing where it means nothing."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError):
        return []
    return [str(address[0]) for *_, address in found]


def _is_loopback(address: str) -> bool:
    ip = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(ip, "ipv4_mapped", None)
    return (mapped or ip).is_loopback
