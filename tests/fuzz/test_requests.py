"""Requests put together by chance, sent as raw bytes to the three servers of a running shop."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servers.domain.errors import BY_CODE
from tests.fuzz.effort import tries
from tests.fuzz.texts import anything, digits, json_values
from tests.support.raw import http_request, send_raw
from tests.support.shop import open_shop

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.shop import Shop

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "get", "X" * 40]
ROUTES = {
    "frontend": ["/search/{}", "/info/{}", "/books/{}", "/orders/{}", "/orders", "/topics", "/{}"],
    "catalog": ["/books/{}", "/books/{}/ledger", "/sales/{}", "/ledger", "/books/batch", "/{}"],
    "order": ["/orders/{}", "/orders/{}/kept", "/orders", "/orders/restore", "/orders/batch"],
}
HEADERS = [
    "If-Match",
    "If-None-Match",
    "X-Deadline-Ms",
    "X-Request-Id",
    "Idempotency-Key",
    "Accept",
]
HEADERS += ["Authorization", "Content-Type", "Content-Encoding", "Expect", "Cookie", "Range"]
segments = st.sampled_from(
    ["1", "0", "..", "%2e%2e", "%2F", "%00", "x" * 300, "0" * 32, "<script>"]
)
query = st.sampled_from(["", "?", "?limit=1", "?limit=0", "?cursor=x", "?x=1", "?%ff", "?limit=1&"])
value = st.sampled_from(['"1"', "*", "application/json", "gzip", "100-continue", "k" * 20, "50"])


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """One shop for all examples."""
    with open_shop(tmp_path_factory.mktemp("fuzz") / "shop") as shop:
        yield shop


def _line(text: str) -> str:
    """Return what may stand in a header line, as far as the line's end goes."""
    return text.encode("utf-8", "surrogatepass").decode("latin-1").translate({10: 46, 13: 46})


@given(st.data())
@tries(400)
def test_every_request_is_answered_and_no_answer_is_a_bug(shop: Shop, data: st.DataObject) -> None:
    """A status below 500, a problem of the shop where it is one, nothing sent is said again."""
    server = data.draw(st.sampled_from(sorted(ROUTES)))
    method = data.draw(st.sampled_from(METHODS))
    path = data.draw(st.sampled_from(ROUTES[server])).format(
        data.draw(segments | digits | anything)
    )
    names = data.draw(st.lists(st.sampled_from(HEADERS), max_size=4))
    headers = [f"{name}: {_line(data.draw(value | digits | anything))}" for name in names]
    if data.draw(st.booleans()):
        headers.append(f"Authorization: Bearer {shop.token('service')}")
    body = data.draw(st.none() | st.binary() | json_values.map(lambda it: json.dumps(it).encode()))
    raw = http_request(method, _line(path) + data.draw(query), headers, body)
    said = send_raw(shop.urls[server], raw, head=method == "HEAD")
    assert 200 <= said.status < 500, (raw, said)
    assert b"<script>" not in said.body
    if said.status >= 400 and method != "HEAD":
        problem = said.json
        assert said.headers["content-type"] == "application/problem+json"
        assert BY_CODE[problem["code"]].status == problem["status"] == said.status


def test_the_shop_is_as_it_was(shop: Shop) -> None:
    """After all of them nothing was sold, the log is whole, and the shop sells."""
    assert shop.request("GET", "/orders", admin=True).json == []
    assert "Traceback" not in shop.log
    for line in shop.log.splitlines():
        text = line.partition("| ")[2]
        assert not text.startswith("{") or json.loads(text)
    assert shop.request("POST", "/purchase/1").status == 201
