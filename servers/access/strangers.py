"""How often each client may ask the frontend, as an operator has set it or as is prudent.

Catalog and order have no strangers: who has no token is refused there before anything is done.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from servers.access.exposure import behind_proxy, is_open
from servers.web.rates import ClientRates

if TYPE_CHECKING:
    from servers.settings import Settings

PUBLIC_RATE_LIMIT: Final = 100
"""Requests a second that each client may make of a shop that strangers can reach."""

_BURST_S: Final = 2
"""So many seconds of the rate may come at once, unless a setting says otherwise."""


def rates_of(settings: Settings) -> ClientRates | None:
    """Return what limits the rate of each client, or None where nothing does.

    Unless the setting says it, clients of a shop that only this machine can reach are not
    limited.
    """
    per_s = settings.rate_limit
    if per_s is None:
        per_s = PUBLIC_RATE_LIMIT if is_open(settings.host) or behind_proxy(settings) else 0
    if per_s == 0:
        return None
    proxies = settings.trusted_proxy
    networks = proxies.networks if proxies is not None else ()
    return ClientRates(per_s, settings.rate_burst or _BURST_S * per_s, networks, time.monotonic)
