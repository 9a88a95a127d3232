"""How often one client may ask, and which client that is behind a proxy."""

from __future__ import annotations

from ipaddress import ip_network
from typing import TYPE_CHECKING

import pytest

from servers.access.strangers import PUBLIC_RATE_LIMIT, rates_of
from servers.settings import load
from servers.web.rates import ClientRates, Proxies
from tests.support.services import ADMIN_TOKEN, SERVICE_TOKEN, make_app
from tests.web.conftest import served

if TYPE_CHECKING:
    from tests.web.conftest import Echo

PROXIES = (ip_network("127.0.0.1"), ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


class Hands:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Hands:
    """A clock that stands still."""
    return Hands()


def test_a_burst_and_then_the_rate(clock: Hands) -> None:
    """A client may ask in a burst, then as often as the rate says, and saves up to a burst."""
    rates = ClientRates(10, 3, (), clock)
    assert [rates.take("a") for _ in range(5)] == [True, True, True, False, False]
    clock.now_s += 0.1001
    assert [rates.take("a") for _ in range(2)] == [True, False]
    clock.now_s += 3600
    assert [rates.take("a") for _ in range(4)] == [True, True, True, False]


def test_each_client_has_its_own(clock: Hands) -> None:
    """One that asks too often takes nothing from another."""
    rates = ClientRates(1, 1, (), clock)
    assert [rates.take("a"), rates.take("a"), rates.take("b")] == [True, False, True]


def test_the_table_is_bounded(clock: Hands) -> None:
    """Of more clients than it has room for the one not heard of longest is forgotten."""
    rates = ClientRates(1, 1, (), clock, max_clients=3)
    for client in "abc":
        rates.take(client)
    assert not rates.take("a")
    rates.take("d")
    assert len(rates) == 3
    assert not rates.take("a"), "it has asked since"
    assert rates.take("b"), "it was forgotten"
    for number in range(1000):
        rates.take(f"{number}")
    assert len(rates) == 3


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("192.0.2.1", [], "192.0.2.1"),
        ("192.0.2.1", ["198.51.100.7"], "192.0.2.1"),
        ("127.0.0.1", [], "127.0.0.1"),
        ("127.0.0.1", ["198.51.100.7"], "198.51.100.7"),
        ("::ffff:127.0.0.1", ["198.51.100.7"], "198.51.100.7"),
        ("127.0.0.1", ["6.6.6.6, 198.51.100.7"], "198.51.100.7"),
        ("127.0.0.1", ["6.6.6.6, 198.51.100.7, 10.1.1.1"], "198.51.100.7"),
        ("127.0.0.1", ["6.6.6.6", "198.51.100.7", "10.1.1.1"], "198.51.100.7"),
        ("127.0.0.1", ["198.51.100.7:4711"], "198.51.100.7"),
        ("127.0.0.1", ["[2001:db8:1:2:3::4]:4711"], "2001:db8:1:2::/64"),
        ("127.0.0.1", ["2001:db8:1:2:9::9"], "2001:db8:1:2::/64"),
        ("127.0.0.1", ["10.2.2.2, 10.1.1.1"], "10.2.2.2"),
        ("127.0.0.1", ["unknown, 10.1.1.1"], "10.1.1.1"),
        ("127.0.0.1", ["6.6.6.6, <script>"], "127.0.0.1"),
        ("127.0.0.1", [","], "127.0.0.1"),
        ("127.0.0.1", ["6.6.6.6,"], "127.0.0.1"),
        ("127.0.0.1", ["999.1.1.1"], "127.0.0.1"),
        ("fd00::1", ["198.51.100.7"], "198.51.100.7"),
        ("fe80::1%eth0", ["198.51.100.7"], "fe80::/64"),
        ("2001:db8:1:2:3::4", [], "2001:db8:1:2::/64"),
        ("", ["198.51.100.7"], ""),
    ],
)
def test_the_client_behind_proxies(peer: str, forwarded: list[str], client: str) -> None:
    """It is the last address that no declared proxy has; who is no proxy is not believed."""
    assert Proxies(PROXIES).client(peer, forwarded) == client


async def test_too_many_requests(echo: Echo, clock: Hands) -> None:
    """The one too many is 429 with Retry-After, also where there is nothing; health goes on."""
    rates = ClientRates(1, 3, (), clock)
    async with served(make_app(echo.routes(), rates=rates)) as (web, _):
        for path, status in (("/show", 200), ("/nothing", 404), ("/staff", 401)):
            assert (await web.ask("GET", path)).status == status
        for path in ("/show", "/nothing", "/staff"):
            said = await web.ask("GET", path)
            assert (said.status, said.code) == (429, "rate_limited")
            assert said.headers["Retry-After"] == "1"
        assert (await web.ask("GET", "/livez")).status == 200
        assert echo.handled == 2
        clock.now_s += 1
        assert (await web.ask("GET", "/show")).status == 200


@pytest.mark.parametrize(
    ("token", "status"), [(ADMIN_TOKEN, 200), (SERVICE_TOKEN, 429), ("0" * 64, 429)]
)
async def test_staff_are_not_limited(echo: Echo, clock: Hands, token: str, status: int) -> None:
    """Who has the admin token may go on; another token does not help."""
    rates = ClientRates(1, 1, (), clock)
    async with served(make_app(echo.routes(), rates=rates)) as (web, _):
        assert (await web.ask("GET", "/show")).status == 200
        assert (await web.ask("GET", "/show", token=token)).status == status


async def test_clients_of_a_proxy(echo: Echo, clock: Hands) -> None:
    """Behind a declared proxy each client has its own rate; else all that is said is in vain."""
    for proxies, statuses in ((PROXIES, [200, 200, 429]), ((), [200, 429, 429])):
        rates = ClientRates(1, 1, proxies, clock)
        async with served(make_app(echo.routes(), rates=rates)) as (web, _):
            said = [
                (await web.ask("GET", "/show", headers={"X-Forwarded-For": client})).status
                for client in ("192.0.2.1", "192.0.2.2", "192.0.2.1")
            ]
        assert said == statuses


@pytest.mark.parametrize(
    ("given", "per_s"),
    [
        ({}, None),
        ({"host": "localhost"}, None),
        ({"host": "0.0.0.0"}, PUBLIC_RATE_LIMIT),
        ({"host": "::"}, PUBLIC_RATE_LIMIT),
        ({"trusted_proxy": "127.0.0.1"}, PUBLIC_RATE_LIMIT),
        ({"host": "0.0.0.0", "rate_limit": 0}, None),
        ({"rate_limit": 7}, 7),
    ],
)
def test_when_clients_are_limited(given: dict[str, object], per_s: int | None) -> None:
    """On loopback nobody is, unless it is asked for; where strangers can come all are."""
    rates = rates_of(load(given, {}))
    assert (rates.per_s if rates is not None else None) == per_s


def test_the_burst() -> None:
    """Two seconds of the rate may come at once, or as much as the setting says."""
    for given, burst in (({"rate_limit": 5}, 10), ({"rate_limit": 5, "rate_burst": 2}, 2)):
        rates = rates_of(load(given, {}))
        assert rates is not None
        assert [rates.take("a") for _ in range(burst + 1)] == [True] * burst + [False]
