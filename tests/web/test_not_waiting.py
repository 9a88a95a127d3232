"""A server that cannot be reached is not waited for: what needs it is refused at once."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.support.serving import served_shop
from tests.support.shop import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.serving import ServedShop

AT_ONCE_S = 0.5
"""Far less than a call may take, and than a request has."""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedShop]:
    """Three servers, each a process that can be stopped by itself."""
    with served_shop(tmp_path_factory.mktemp("waiting") / "shop") as shop:
        shop.start_all()
        yield shop


@pytest.mark.parametrize(
    ("server", "method", "path"),
    [
        ("catalog", "GET", "/info/1"),
        ("catalog", "GET", "/search/travel"),
        ("catalog", "GET", "/topics"),
        ("order", "GET", f"/orders/{'0' * 32}"),
        ("order", "POST", f"/orders/{'0' * 32}/cancel"),
        ("order", "POST", "/purchase/1"),
    ],
)
def test_a_frozen_server_is_not_waited_for(
    served: ServedShop, server: str, method: str, path: str
) -> None:
    """Once it is known to hang, requests are 503 at once; when it goes on, so do they."""
    shop = served.shop

    def ready() -> bool:
        return shop.request("GET", "/readyz").status == 200

    def known_to_hang() -> bool:
        said = shop.request("GET", "/readyz")
        return said.status == 503 and "did not answer in time" in said.json["not_ready"].get(
            server, ""
        )

    wait_until(ready, what="the frontend is ready")
    with served.servers[server].frozen():
        wait_until(known_to_hang, what="the frontend knows")
        started_s = time.monotonic()
        said = shop.request(method, path)
        spent_s = time.monotonic() - started_s
        assert (said.status, said.json["code"]) == (503, "unavailable")
        assert said.headers["retry-after"] == "1"
        assert spent_s < AT_ONCE_S
    wait_until(ready, what="the frontend is ready again")
    assert shop.request(method, path).status in {200, 201, 202, 404}


def test_ready_is_answered_while_another_hangs(served: ServedShop, tmp_path: Path) -> None:
    """The frontend's health routes do not wait for anybody."""
    del tmp_path
    shop = served.shop
    with served.servers["catalog"].frozen():
        for path, status in (("/livez", {200}), ("/readyz", {200, 503}), ("/metrics", {200})):
            started_s = time.monotonic()
            assert shop.request("GET", path).status in status
            assert time.monotonic() - started_s < AT_ONCE_S
