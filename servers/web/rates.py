"""How often one client may ask: a token bucket for each address, in a table of bounded size.

Behind a reverse proxy every connection comes from the proxy. What it says of its client in
``X-Forwarded-For`` is believed if the proxy was declared, and only as far as declared proxies
wrote it: the client is the last address in it that is none of theirs.
"""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import TYPE_CHECKING

from servers.web.limits import MAX_CLIENTS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from servers.web.request import Request

    Address = ipaddress.IPv4Address | ipaddress.IPv6Address
    Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_ROUNDING_S = 1e-6
"""What sums of a clock's seconds may be off by."""

_IPV6_CLIENT_BITS = 64
"""What one customer of a provider gets of IPv6 at least, so it counts as one client."""


class ClientRates:
    """A bucket of ``burst`` requests for each client that fills up by ``per_s`` a second."""

    def __init__(
        self,
        per_s: float,
        burst: int,
        proxies: Sequence[Network],
        clock: Callable[[], float],
        max_clients: int = MAX_CLIENTS,
    ) -> None:
        self.per_s = per_s
        self._cost_s = 1 / per_s
        self._burst_s = burst / per_s
        self._proxies = Proxies(proxies)
        self._clock = clock
        self._max_clients = max_clients
        # Not the buckets themselves but when each is full again: a number says it all, and
        # one in the past says that the client need not be known. The last to ask is last.
        self._full_at_s: dict[str, float] = {}

    def __len__(self) -> int:
        """Return how many clients are known."""
        return len(self._full_at_s)

    def admit(self, raw: Request) -> bool:
        """Count a request, and return whether its client may make it now."""
        forwarded = raw.headers.getall("X-Forwarded-For", ()) if self._proxies else ()
        return self.take(self._proxies.client(raw.remote, forwarded))

    def take(self, client: str) -> bool:
        """Take one request out of a client's bucket; False where it is empty."""
        now_s = self._clock()
        before_s = max(self._full_at_s.pop(client, now_s), now_s)
        full_at_s = before_s + self._cost_s
        enough = full_at_s - now_s <= self._burst_s + _ROUNDING_S
        self._full_at_s[client] = full_at_s if enough else before_s
        if len(self._full_at_s) > self._max_clients:
            del self._full_at_s[next(iter(self._full_at_s))]
        return enough


class Proxies:
    """The declared reverse proxies; false if there are none."""

    def __init__(self, networks: Sequence[Network]) -> None:
        self._networks = tuple(networks)
        # Parsing an address costs more than the rest, and the same ones come again and again.
        self._known = lru_cache(maxsize=MAX_CLIENTS)(self._look_at)

    def __bool__(self) -> bool:
        return bool(self._networks)

    def client(self, peer: str, forwarded: Sequence[str]) -> str:
        """Return the client of a connection from ``peer``: an address, or the net of one.

        ``forwarded`` are the values of X-Forwarded-For. What is no address in it ends the
        chain: behind it stands nothing that a declared proxy has written.
        """
        client, trusted = self._known(peer)
        hops = [hop.strip() for value in forwarded for hop in value.split(",")]
        while trusted and hops:
            said = self._known(_without_port(hops.pop()))
            if not said[0]:
                break
            client, trusted = said
        return client

    def _look_at(self, text: str) -> tuple[str, bool]:
        """Return the client that an address stands for, "" for no address, and if it is a proxy."""
        try:
            address: Address = ipaddress.ip_address(text.partition("%")[0])
        except ValueError:
            return "", False
        if isinstance(address, ipaddress.IPv6Address):
            address = address.ipv4_mapped or address
        trusted = any(address in network for network in self._networks)
        if isinstance(address, ipaddress.IPv6Address):
            net = ipaddress.IPv6Network((address, _IPV6_CLIENT_BITS), strict=False)
            return str(net), trusted
        return str(address), trusted


def _without_port(hop: str) -> str:
    """Return an address without the port and the brackets that some proxies add."""
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop
