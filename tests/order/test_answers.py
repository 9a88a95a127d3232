"""What the order server answers over HTTP: one final body per purchase, for ever."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING, Any

import pytest

from servers.domain.protocols import Placement
from servers.order.client import OrderClient
from servers.order.handlers import OrderHandlers
from servers.order.mapping import OrderMapping
from servers.web.hop import open_hop
from tests.order.unreliable import Fault
from tests.support.services import (
    PATIENCE_S,
    SERVICE_TOKEN,
    Web,
    add_book,
    asking,
    listening,
    make_app,
    purchase,
    wait_until,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from servers.domain.errors import ShopError
    from servers.domain.sale import Purchase
    from servers.order.service import OrderService
    from tests.order.conftest import OpenOrders
    from tests.order.unreliable import UnreliableCatalog


@contextlib.asynccontextmanager
async def over_http(service: OrderService) -> AsyncIterator[Web]:
    """Put a service behind its routes on a socket, and yield a client with the service token."""
    app = make_app(OrderHandlers(service, OrderMapping("USD")).routes())
    async with listening(app) as url, asking(order=url) as web:
        yield web


@pytest.fixture
async def web(orders: OrderService) -> AsyncIterator[Web]:
    """The order server over HTTP."""
    async with over_http(orders) as client:
        yield client


async def ask(web: Web, method: str, path: str, body: object = None) -> Any:
    """Ask the order server as another server does."""
    return await web.ask(method, path, body, server="order", token=SERVICE_TOKEN)


async def place(web: Web, *purchases: Purchase) -> list[tuple[int, str, dict[str, str]]]:
    """Place a batch, and return status, body and headers of each answer."""
    items = [
        {"order_id": sale.order_id, "book_id": sale.book_id, "quantity": sale.quantity}
        for sale in purchases
    ]
    said = await ask(web, "POST", "/orders/batch", items)
    assert said.status == 200
    found = json.loads(said.body)
    # The bodies as they came, byte for byte: they are cut out and not made anew.
    decoder, text, bodies = json.JSONDecoder(), said.body.decode(), []
    at = text.find('"body":')
    while at >= 0:
        begin = at + len('"body":')
        _, end = decoder.raw_decode(text, begin)
        bodies.append(text[begin:end])
        at = text.find('"body":', end)
    return [
        (each["status"], body, each.get("headers", {}))
        for each, body in zip(found, bodies, strict=True)
    ]


async def settled(web: Web, sale: Purchase) -> tuple[int, str, dict[str, str]]:
    """Ask for a purchase until it has its end."""
    while True:
        ((status, body, headers),) = await place(web, sale)
        if status != 202:
            return status, body, headers


async def test_a_confirmed_purchase(web: Web, catalog: UnreliableCatalog) -> None:
    """The first final answer is 201 with the order and where it is, every later one 200."""
    sale = purchase(await add_book(catalog, title="Xen", stock=10), quantity=2)
    ((status, body, headers),) = await place(web, sale)
    assert (status, headers) == (201, {"Location": f"/orders/{sale.order_id}"})
    fields = json.loads(body)
    assert fields.pop("decided_at").endswith("Z")
    assert fields == {
        "id": sale.order_id,
        "state": "confirmed",
        "book_id": sale.book_id,
        "title": "Xen",
        "quantity": 2,
        "unit_price": "10.00",
        "total": "20.00",
        "currency": "USD",
        "version_after": 2,
        "stock_after": 8,
    }
    for _ in range(2):
        assert await place(web, sale) == [
            (200, body, {**headers, "Idempotency-Replayed": "true"}),
        ]


async def test_a_refused_purchase(web: Web, catalog: UnreliableCatalog) -> None:
    """A refusal is the same problem each time, marked as replayed from the second on."""
    sale = purchase(await add_book(catalog, stock=1), quantity=2)
    ((status, body, headers),) = await place(web, sale)
    assert (status, headers) == (409, {})
    assert json.loads(body)["available"] == 1
    assert await place(web, sale) == [(409, body, {"Idempotency-Replayed": "true"})]


async def test_the_same_bytes_for_ever(open_orders: OpenOrders, catalog: UnreliableCatalog) -> None:
    """A purchase's final body never changes: not after cancelling, edits or a restart."""
    sold = purchase(await add_book(catalog, stock=1))
    refused = purchase(sold.book_id)
    async with open_orders() as orders, over_http(orders) as web:
        first = [body for _, body, _ in await place(web, sold, refused)]
        cancelled = await ask(web, "POST", f"/orders/{sold.order_id}/cancel")
        assert (cancelled.status, cancelled.json["state"]) == (200, "cancelled")
        again = [body for _, body, _ in await place(web, sold, refused)]
    await catalog.delete(sold.book_id, None)
    async with open_orders() as orders, over_http(orders) as web:
        restarted = [body for _, body, _ in await place(web, sold, refused)]
        shown = await ask(web, "GET", f"/orders/{sold.order_id}")
    assert first == again == restarted
    assert json.loads(first[0])["state"] == "confirmed"
    assert shown.json["state"] == "cancelled"


async def test_the_same_bytes_after_the_rows_are_lost(
    open_orders: OpenOrders, catalog: UnreliableCatalog
) -> None:
    """An order that is rebuilt from the ledger answers its purchase as before."""
    sold = purchase(await add_book(catalog, stock=1))
    refused = purchase(sold.book_id)
    async with open_orders() as orders, over_http(orders) as web:
        first = [body for _, body, _ in await place(web, sold, refused)]
        await orders._database.write(lambda tx: tx.execute("DELETE FROM orders"))
        assert (await orders.restore(0, 100)).changed == 2
        rebuilt = await place(web, sold, refused)
    assert [body for _, body, _ in rebuilt] == first
    assert [status for status, _, _ in rebuilt] == [200, 409]


async def test_one_201_for_all_who_join(web: Web, catalog: UnreliableCatalog) -> None:
    """Of all who ask at once exactly one gets 201, and all get the same bytes."""
    catalog.faults.extend([Fault.REPLY_LOST, Fault.REFUSED])
    sale = purchase(await add_book(catalog, stock=10))
    answers = await asyncio.gather(*[settled(web, sale) for _ in range(16)])
    assert sorted(status for status, _, _ in answers) == [200] * 15 + [201]
    assert len({body for _, body, _ in answers}) == 1


async def test_a_pending_purchase(web: Web, catalog: UnreliableCatalog) -> None:
    """What is not decided in time is 202, with where to look and when to ask again."""
    catalog.always = Fault.REFUSED
    sale = purchase(await add_book(catalog), quantity=3)
    ((status, body, headers),) = await place(web, sale)
    assert (status, headers) == (
        202,
        {"Location": f"/orders/{sale.order_id}", "Retry-After": "1"},
    )
    pending = {"id": sale.order_id, "state": "pending", "book_id": sale.book_id, "quantity": 3}
    assert json.loads(body) == pending
    shown = await ask(web, "GET", f"/orders/{sale.order_id}")
    assert (shown.status, shown.json["state"]) == (200, "pending")
    cancelling = await web.ask(
        "POST",
        f"/orders/{sale.order_id}/cancel",
        headers={"X-Deadline-Ms": "50"},
        server="order",
        token=SERVICE_TOKEN,
    )
    assert (cancelling.status, cancelling.json) == (202, pending)


async def test_a_slow_purchase_holds_up_nobody(web: Web, catalog: UnreliableCatalog) -> None:
    """In a batch with a purchase that is stuck the others get their answers."""
    stuck = purchase(await add_book(catalog))
    catalog.always = Fault.REFUSED
    ((status, _, _),) = await place(web, stuck)
    catalog.always = Fault.NONE
    catalog.faults.append(Fault.REFUSED)
    answers = await place(web, purchase(await add_book(catalog)), stuck, purchase(99))
    assert status == 202
    assert {status for status, _, _ in answers} <= {201, 202, 404}


async def test_a_bad_item_spoils_nothing(web: Web, catalog: UnreliableCatalog) -> None:
    """An item that is not well formed is refused by itself; the others are placed."""
    good = purchase(await add_book(catalog))
    item = {"order_id": good.order_id, "book_id": good.book_id, "quantity": 1}
    bad: list[object] = [
        {**item, "order_id": "X" * 32},
        {**item, "book_id": 0},
        {**item, "quantity": 0},
        {**item, "quantity": 1.5},
        {**item, "quantity": True},
        {**item, "max_price": "1.5"},
        {"order_id": good.order_id},
        "item",
        None,
    ]
    said = await ask(web, "POST", "/orders/batch", [*bad, item])
    assert [each["status"] for each in said.json] == [400] * len(bad) + [201]
    assert {each["body"]["code"] for each in said.json[:-1]} == {"invalid_request"}


@pytest.mark.parametrize("body", [b"", b"{", b"{}", b"null", b'"x"', b"[1", b"\xff"])
async def test_a_bad_batch(web: Web, body: bytes) -> None:
    """What is no array of items is refused as a whole."""
    said = await ask(web, "POST", "/orders/batch", body)
    assert (said.status, said.code) == (400, "invalid_request")


async def test_too_large_a_batch(web: Web, catalog: UnreliableCatalog) -> None:
    """More items than a call may have are refused before any is placed."""
    items = [{"order_id": f"{n:032x}", "book_id": 1, "quantity": 1} for n in range(513)]
    assert (await ask(web, "POST", "/orders/batch", items)).status == 400
    assert (await ask(web, "GET", "/orders")).json == []
    assert catalog.calls == []


async def test_pages_have_links(web: Web, catalog: UnreliableCatalog) -> None:
    """A page that is not the last links to the next one, with the same filters."""
    book_id = await add_book(catalog, stock=10)
    sales = [purchase(book_id) for _ in range(5)]
    for sale in sales:
        await place(web, sale)
    found, path = [], f"/orders?limit=2&state=confirmed&book_id={book_id}"
    while path:
        page = await ask(web, "GET", path)
        found += [order["id"] for order in page.json]
        path = page.headers.get("Link", "").partition(">")[0].removeprefix("<")
    assert found == [sale.order_id for sale in sales][::-1]


async def test_the_client_asks_again_only_for_what_is_pending(
    orders: OrderService, catalog: UnreliableCatalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Placed together with a slow purchase, a quick one is still told that it is the first."""
    quick, slow = purchase(await add_book(catalog)), purchase(await add_book(catalog))
    (placement,) = await orders.place([quick], 0.0)
    assert isinstance(placement, Placement)
    await wait_until(lambda: orders.seller.under_way == 0, "the quick one is decided")
    catalog.faults.append(Fault.LATE)
    asked: list[int] = []
    place_on = orders.place

    async def counted(purchases: Sequence[Purchase], _: float) -> list[Placement | ShopError]:
        asked.append(len(purchases))
        return await place_on(purchases, 0.0)

    monkeypatch.setattr(orders, "place", counted)
    app = make_app(OrderHandlers(orders, OrderMapping("USD")).routes())
    async with listening(app) as url, open_hop("order", url, SERVICE_TOKEN) as hop:
        client = OrderClient(hop, call_s=PATIENCE_S)
        both = asyncio.ensure_future(client.place([quick, slow], PATIENCE_S))
        await wait_until(lambda: len(asked) >= 3, "the client asks again")
        catalog.release.set()
        answers = await both
    assert asked[:3] == [2, 1, 1]
    for answer, sale in zip(answers, [quick, slow], strict=True):
        assert isinstance(answer, Placement)
        assert (answer.order.id, answer.replayed) == (sale.order_id, False)
