"""Every request of the catalogue gets its own clear problem, and changes nothing."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from servers.domain.errors import BY_CODE
from tests.inputs.case import ADMIN, PLACES, Case
from tests.inputs.cases import all_cases
from tests.inputs.searches import ODD_TITLE, answered
from tests.support.books import last_number
from tests.support.raw import http_request, send_raw
from tests.support.shop import open_shop, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.shop import Reply, Shop


@dataclass
class Besieged:
    """A shop that is sent nonsense, with a book it sells and one it does not sell any more."""

    shop: Shop
    book: int
    gone: int
    request_ids: list[str] = field(default_factory=list)
    before: tuple[object, ...] = ()

    def send(self, case: Case) -> Reply:
        """Send a case with its places filled in."""
        values = (self.book, self.gone, self.shop.token(), self.shop.token("service"))
        raw = case.raw
        for place, value in zip(PLACES, values, strict=True):
            raw = _filled(raw, place.encode(), str(value).encode())
        return send_raw(self.shop.urls[case.server], raw)

    def state(self) -> tuple[object, ...]:
        """Return all that could have changed."""
        shelf = self.shop.request("GET", "/books?tombstones=1", server="catalog", admin=True)
        orders = self.shop.request("GET", "/orders", admin=True)
        return last_number(self.shop), shelf.body, orders.body


def _filled(raw: bytes, place: bytes, value: bytes) -> bytes:
    # A Content-Length was counted before; no place stands in a body.
    head, blank, body = raw.partition(b"\r\n\r\n")
    assert place not in body
    return head.replace(place, value) + blank + body


@pytest.fixture(scope="module")
def besieged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Besieged]:
    """One shop for all cases: what one of them breaks, the next will find broken."""
    with open_shop(tmp_path_factory.mktemp("inputs") / "shop") as shop:
        book, gone = shop.add_book(5, ODD_TITLE), shop.add_book(5, ODD_TITLE)
        deleted = shop.request("DELETE", f"/books/{gone}", headers={"If-Match": "*"}, admin=True)
        assert deleted.status == 204
        besieged = Besieged(shop, book, gone)
        besieged.before = besieged.state()
        yield besieged


def _logged(shop: Shop) -> dict[str, list[str]]:
    """Return which servers have logged a request, by its id."""
    found: dict[str, list[str]] = defaultdict(list)
    for line in shop.log.splitlines():
        server, _, text = line.partition("| ")
        if text.startswith("{"):
            found[json.loads(text).get("request_id", "")].append(server)
    return found


@pytest.mark.parametrize("case", all_cases(), ids=lambda case: case.name)
def test_what_is_wrong_is_refused(besieged: Besieged, case: Case) -> None:
    """The answer is problem+json with the status and code for it, and nothing has changed."""
    said = besieged.send(case)
    assert (said.status, said.headers.get("content-type")) == (
        case.status,
        "application/problem+json",
    ), said.body
    problem = said.json
    assert (problem["code"], problem["status"]) == (case.code, case.status)
    assert BY_CODE[problem["code"]].status == case.status
    assert problem["type"] == f"/problems/{case.code}"
    assert problem["title"]
    assert re.fullmatch(r"[ -~…“”]+", problem["detail"]), "a sentence that any terminal can show"
    assert b"script>" not in said.body, "what was sent is not repeated"
    if case.status == 405:
        assert "OPTIONS" in said.headers["allow"]
    if case.status == 401:
        assert said.headers["www-authenticate"].startswith("Bearer")
    assert besieged.state() == besieged.before
    besieged.request_ids.append(said.headers["x-request-id"])


def test_each_refusal_leaves_one_line_in_the_log(besieged: Besieged) -> None:
    """One access line per refused request, no traceback, no token; and the shop still sells."""
    shop = besieged.shop
    ids = besieged.request_ids
    assert len(set(ids)) == len(ids)
    wait_until(lambda: set(ids) <= set(_logged(shop)), what="a line for each")
    logged = _logged(shop)
    for request_id in ids:
        # Where the frontend passed a request on, the other server has a line of its own.
        servers = logged[request_id]
        assert len(servers) == len(set(servers)) in {1, 2}
    log = shop.log
    assert log.isascii()
    assert log.replace("\n", "").isprintable()
    assert "Traceback" not in log
    assert shop.token() not in log
    assert shop.token("service") not in log
    assert shop.request("POST", f"/purchase/{besieged.book}").status == 201


def test_what_looks_odd_and_is_right_is_answered(besieged: Besieged) -> None:
    """Escapes, wildcards and slashes in a topic, a form type without a body, HTTP/1.0."""
    url = besieged.shop.urls["frontend"]
    for path in (
        "/search/a%2Fb",
        "/search/100%25",
        "/search/_%2A%22'",
        "/search/%C3%A9%20x",
        "/topics",
    ):
        assert send_raw(url, http_request("GET", path)).status == 200, path
    for path in (f"/info/{besieged.book}", "/livez"):
        raw = http_request("GET", path, ["Connection: close"]).replace(b"HTTP/1.1", b"HTTP/1.0")
        assert send_raw(url, raw).status == 200, path
    for host in ("http://shop", "HTTP://SHOP", "http://shop:80"):
        target = f"{host}/info/{besieged.book}"
        assert send_raw(url, http_request("GET", target)).status == 200, target
    form = ["Content-Type: application/x-www-form-urlencoded", "Content-Length: 0"]
    said = send_raw(url, http_request("POST", f"/purchase/{besieged.book}", form))
    assert said.status == 201


@pytest.mark.parametrize(
    ("case", "found"), answered(), ids=lambda value: getattr(value, "name", None)
)
def test_what_is_searched_for_is_words(besieged: Besieged, case: Case, *, found: bool) -> None:
    """Quotes, wildcards, operators and columns mean nothing to a search but their words."""
    said = besieged.send(case)
    assert said.status == 200, said.body
    ids = [each["id"] for each in said.json]
    assert (besieged.book in ids, besieged.gone in ids) == (found, False)


@pytest.mark.parametrize("kind", ["application/json", "Application/JSON", "application/json;x=y"])
@pytest.mark.parametrize("charset", ["", ";charset=utf-8", '; Charset="UTF-8"'])
def test_how_json_may_be_called(besieged: Besieged, kind: str, charset: str) -> None:
    """In any case, with UTF-8 named or not; what else a type says does not matter."""
    headers = [f"Content-Type: {kind}{charset}"]
    raw = http_request("POST", f"/purchase/{besieged.gone}", headers, '{"quantity": 1}')
    said = send_raw(besieged.shop.urls["frontend"], raw)
    assert (said.status, said.json["code"]) == (410, "book_deleted")


@pytest.mark.parametrize("size", [1, 100_000])
@pytest.mark.parametrize(
    ("server", "method", "path", "status"),
    [
        ("frontend", "GET", "/info/{book}", 200),
        ("frontend", "GET", "/livez", 200),
        ("frontend", "DELETE", "/books/{gone}", 410),
        ("catalog", "GET", "/topics", 200),
        ("catalog", "DELETE", "/books/{gone}", 410),
        ("order", "GET", "/orders", 200),
    ],
)
def test_a_body_that_nobody_asked_for_is_passed_over(
    besieged: Besieged, server: str, method: str, path: str, status: int, size: int
) -> None:
    """A GET or DELETE is answered for what it names, and its body is never taken for a request."""
    smuggled = b"GET /topics HTTP/1.1\r\nHost: shop\r\n\r\n" + b"x" * size
    headers = [ADMIN, "If-Match: *", "Content-Type: text/plain", "Connection: close"]
    said = besieged.send(Case("", http_request(method, path, headers, smuggled), 0, "", server))
    assert said.status == status


def test_options_name_what_a_path_answers(besieged: Besieged) -> None:
    """OPTIONS is 204 with `Allow`."""
    url = besieged.shop.urls["frontend"]
    said = send_raw(url, http_request("OPTIONS", f"/books/{besieged.book}"))
    assert said.status == 204
    assert said.headers["allow"] == "DELETE, GET, HEAD, OPTIONS, PATCH, PUT"


@pytest.mark.parametrize("given", ["x" * 65, "a b", "a\\b", "a<b>", '"', "é"])
def test_an_odd_request_id_is_replaced(besieged: Besieged, given: str) -> None:
    """A request id that could harm a log gets another in its place."""
    raw = http_request("GET", "/livez", [f"X-Request-Id: {given}"])
    said = send_raw(besieged.shop.urls["frontend"], raw)
    assert said.status == 200
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,64}", said.headers["x-request-id"])


def test_a_bad_item_of_a_batch_spoils_nothing(besieged: Besieged) -> None:
    """Between servers each item is answered by itself: the good as good, the bad as bad."""
    shop = besieged.shop
    token = {"Authorization": f"Bearer {shop.token('service')}"}
    items = [{"book_id": besieged.book}, {"book_id": 0}, {"book_id": "1"}, {}, 7, {"book_id": 999}]
    said = shop.request("POST", "/books/batch", items, token, server="catalog")
    assert [each["status"] for each in said.json] == [200, 400, 400, 400, 400, 404]
    order = {"order_id": "0" * 32, "book_id": besieged.book, "quantity": 10**6}
    items = [
        order,
        {**order, "quantity": 0},
        {**order, "order_id": "x"},
        {**order, "max_price": "1"},
    ]
    said = shop.request("POST", "/orders/batch", items, token, server="order")
    assert [each["status"] for each in said.json] == [409, 400, 400, 400]
