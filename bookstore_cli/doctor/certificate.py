"""The frontend's door: who can reach it, and the certificate that it shows there.

Lives here: what is said of a certificate and its key before a client meets them. What TLS a
server speaks lives in ``servers.access.tls``; whom the command trusts, in ``trust``.
"""

from __future__ import annotations

import ssl
import time
from typing import TYPE_CHECKING, Any, Final

from bookstore_cli.doctor.finding import FAIL, OK, WARN, Finding
from bookstore_cli.trust import Trust
from servers.domain.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bookstore_cli.doctor.finding import Patient

DAY_S: Final = 86_400
RENEW_BEFORE_DAYS: Final = 21
"""From here on a certificate that ends is to be looked at."""

_REFUSED = "The servers refuse to start like this."
_RENEW = "Put a renewed certificate and its key in place, then start the shop again."
_WHATEVER_THE_TIME = ssl.VerifyFlags(0x200000)
"""OpenSSL's X509_V_FLAG_NO_CHECK_TIME, which Python has no name for: see X509_VERIFY_PARAM(3)."""
_FLIGHTS = 4
"""More often than this neither side of a handshake has to speak (RFC 5246 §7.3, RFC 8446 §2)."""


def door(patient: Patient) -> Iterator[Finding]:
    """Look at who can reach the frontend, and whom the servers trust."""
    from servers.access import exposure, tls
    from servers.settings import SettingsError

    given = patient.settings
    try:
        exposure.must_be_guarded(given)
        if given.ca_file is not None:
            tls.client_context(given)
    except SettingsError as error:
        yield Finding(FAIL, "door", str(error), _REFUSED)
        return
    if not exposure.is_open(given.host):
        yield Finding(OK, "door", f"{given.host} is this machine alone")
    elif given.tls_cert is not None:
        yield Finding(OK, "door", f"{given.host} is reached by https")
    elif exposure.behind_proxy(given):
        yield Finding(OK, "door", f"{given.host} is reached through a reverse proxy")
    else:
        advice = "Set tls_cert and tls_key, unless the network is yours alone."
        yield Finding(WARN, "door", f"{given.host} is open and insecure is set", advice)


def certificate(patient: Patient) -> Iterator[Finding]:
    """Look at the certificate, if there is one: its key, and from when until when it holds."""
    from servers.access import tls
    from servers.settings import SettingsError

    path = patient.settings.tls_cert
    try:
        server = tls.server_context(patient.settings)
    except SettingsError as error:
        yield Finding(FAIL, "certificate", str(error), _REFUSED)
        return
    if server is None or path is None:
        return
    try:
        shown = _shown(server, Trust(certificate=str(path)).context())
    except InvalidRequest as error:
        yield Finding(FAIL, "certificate", error.detail, "Name one with tls_cert that is PEM.")
    except ssl.SSLError as error:
        why = str(getattr(error, "verify_message", "") or error.reason).rstrip(".")
        told = f"clients refuse {path}: {why}"
        yield Finding(FAIL, "certificate", told, "Get one that is made for a server.")
    else:
        yield _held_against_the_clock(path, shown)


def _held_against_the_clock(path: Path, shown: dict[str, Any]) -> Finding:
    """Tell from when until when a certificate holds, and whether that is now."""
    from servers.domain.times import rfc3339

    begins_s = ssl.cert_time_to_seconds(shown["notBefore"])
    ends_s = ssl.cert_time_to_seconds(shown["notAfter"])
    now_s = time.time()
    begins, ends = rfc3339(begins_s * 1000), rfc3339(ends_s * 1000)
    if now_s < begins_s:
        advice = f"Clients refuse it until then. Is this machine's clock right? If so: {_RENEW}"
        return Finding(FAIL, "certificate", f"{path} is not valid before {begins}", advice)
    if now_s > ends_s:
        told = f"{path} ended at {ends}"
        return Finding(FAIL, "certificate", told, f"Clients refuse it. {_RENEW}")
    days = int((ends_s - now_s) // DAY_S)
    left = "within a day" if days == 0 else "in 1 day" if days == 1 else f"in {days} days"
    told = f"{path} fits its key, and ends {left}, at {ends}"
    if ends_s - now_s <= RENEW_BEFORE_DAYS * DAY_S:
        return Finding(WARN, "certificate", told, f"Renew it before that. {_RENEW}")
    return Finding(OK, "certificate", told)


def _shown(server: ssl.SSLContext, client: ssl.SSLContext) -> dict[str, Any]:
    """Return what a client that trusts a server learns of its certificate, whatever the time is.

    The two shake hands in memory: this module has no other way to read a certificate.
    Raises `ssl.SSLError` if they do not come together.
    """
    client.verify_flags |= _WHATEVER_THE_TIME
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    asking = client.wrap_bio(to_client, to_server)
    answering = server.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(_FLIGHTS):
        for side in (asking, answering):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return dict(asking.getpeercert() or {})
