"""Running shops for the command line: one to look at, and three servers to be taken away."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.serving import ServedShop, served_shop
from tests.support.shop import open_shop, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.shop import Shop


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A running shop with the sample catalogue, shared by the tests of a module."""
    with open_shop(tmp_path_factory.mktemp("live") / "shop") as opened:
        yield opened


@pytest.fixture(scope="module")
def three_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedShop]:
    """Three servers that nobody starts again by himself."""
    with served_shop(tmp_path_factory.mktemp("served") / "shop") as served:
        yield served


@pytest.fixture
def servers(three_servers: ServedShop) -> ServedShop:
    """All three of them, running: what the test before has taken away is back."""
    three_servers.start_all()
    shop = three_servers.shop
    for server in shop.urls:
        wait_until(
            lambda server=server: shop.request("GET", "/readyz", server=server).status == 200
        )
    return three_servers
