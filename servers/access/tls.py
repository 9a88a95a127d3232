"""TLS, from the settings: what a server shows, and whom it trusts when it calls another.

Lives here: contexts and the checks of certificate and key. Which server needs TLS is decided
in ``servers.access.exposure``.
"""

from __future__ import annotations

import os
import ssl
import stat
from typing import TYPE_CHECKING

from servers.settings import SettingsError

if TYPE_CHECKING:
    from pathlib import Path

    from servers.settings import Settings

_WRITABLE = stat.S_IWGRP | stat.S_IWOTH


def server_context(settings: Settings) -> ssl.SSLContext | None:
    """Return how a server speaks TLS (1.2 or later); None where it has no certificate.

    Raises `SettingsError` if certificate and key cannot be used, or others can read the key.
    """
    cert, key = settings.tls_cert, settings.tls_key
    if cert is None or key is None:
        return None
    _must_be_private(key)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(cert, key, password=_no_password)
    except ssl.SSLError as error:
        raise SettingsError(
            f"The certificate {cert} and the key {key} cannot be used together"
            f" ({error.reason or 'not PEM'}). Both must be PEM, and the key the one that the"
            " certificate was made for."
        ) from error
    except OSError as error:
        raise SettingsError(
            f"The certificate {cert} or the key {key} cannot be read: {error.strerror}."
        ) from error
    return context


def client_context(settings: Settings) -> ssl.SSLContext:
    """Return how a server checks another's certificate: by ``ca_file``, else by the system's.

    Raises `SettingsError` if the file has no certificates.
    """
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if settings.ca_file is not None:
        try:
            context.load_verify_locations(settings.ca_file)
        except OSError as error:  # An SSLError is one too, and has no strerror worth telling.
            why = "it has no PEM certificates" if isinstance(error, ssl.SSLError) else error
            raise SettingsError(f"ca_file: {settings.ca_file} cannot be used: {why}.") from error
    return context


def _must_be_private(key: Path) -> None:
    """Raise `SettingsError` if others than its owner, or root's own group, can use the key."""
    try:
        found = key.stat()
    except OSError as error:
        raise SettingsError(f"The key {key} cannot be read: {error.strerror}.") from error
    mode = stat.S_IMODE(found.st_mode)
    # A key of root's may be read by a group, as Debian keeps them (ssl-cert); see PostgreSQL.
    allowed = 0o640 if found.st_uid == 0 and os.geteuid() != 0 else 0o600
    if mode & 0o077 & ~allowed or mode & _WRITABLE:
        raise SettingsError(
            f"The key {key} is open to other users of this machine (mode {mode:04o}). Close it"
            f" with: chmod 600 {key}"
        )


def _no_password() -> str:
    """Refuse keys that are encrypted: nobody is there to type when a server starts again."""
    raise SettingsError("tls_key: the key is encrypted. Give one without a passphrase.")
