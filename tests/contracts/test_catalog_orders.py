"""What every catalog promises about an order's id: decided once, given back once, never lost."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from servers.domain.book import Restock
from servers.domain.errors import KeyReused, LedgerBehind, OrderNotFound
from servers.domain.ledger import Entry, Kind
from servers.domain.order import placed
from servers.domain.sale import Seen, Stale
from tests.support.services import add_book, batch_of, draft, purchase, sell, stock_of

if TYPE_CHECKING:
    from servers.domain.protocols import Catalog


async def test_the_same_id_again(catalog: Catalog) -> None:
    """An order that is asked about again is told what the ledger says, and sold once."""
    book_id = await add_book(catalog, stock=10)
    sale = purchase(book_id)
    first = await sell(catalog, 1, sale)
    for version in (1, 2, 99):
        assert await sell(catalog, version, sale) == first
    assert await stock_of(catalog, book_id) == 9


async def test_the_same_id_twice_in_a_batch(catalog: Catalog) -> None:
    """An id that stands twice in a batch counts once, and both are told the same."""
    book_id = await add_book(catalog, stock=10)
    sale = purchase(book_id, quantity=2)
    entries = await sell(catalog, 1, sale, sale, sale)
    assert entries == [entries[0]] * 3
    assert await stock_of(catalog, book_id) == 8


async def test_the_same_id_at_once(catalog: Catalog) -> None:
    """However many ask at once, an order is decided once."""
    book_id = await add_book(catalog, stock=10)
    sale = purchase(book_id)
    answers = await asyncio.gather(*[sell(catalog, 1, sale) for _ in range(8)])
    assert answers == [answers[0]] * 8
    assert await stock_of(catalog, book_id) == 9


async def test_buyers_at_once_never_oversell(catalog: Catalog) -> None:
    """Of many who buy the last copies at once as many are sold as there are copies."""
    book_id = await add_book(catalog, stock=3)

    async def buy() -> str | None:
        sale, version = purchase(book_id), 1
        while True:
            ((answer,),) = await catalog.sell(batch_of(version, sale))
            if isinstance(answer, Stale):
                version = answer.current.version
            else:
                return answer.reason if isinstance(answer, Entry) else "key_reused"

    reasons = await asyncio.gather(*[buy() for _ in range(12)])
    assert sorted(reasons, key=str) == [None] * 3 + ["out_of_stock"] * 9
    assert await stock_of(catalog, book_id) == 0


async def test_another_request_under_a_known_id(catalog: Catalog) -> None:
    """An id stands for one request: with any other it is refused and nothing is done."""
    book_id = await add_book(catalog, stock=10)
    other_id = await add_book(catalog, stock=10)
    sale = purchase(book_id)
    await sell(catalog, 1, sale)
    for other in (
        replace(sale, quantity=2),
        replace(sale, version=2),
        replace(sale, max_price_minor=1000),
        replace(sale, book_id=other_id),
    ):
        ((answer,),) = await catalog.sell(batch_of(1, other))
        assert isinstance(answer, KeyReused)
        with pytest.raises(KeyReused):
            await catalog.void(other, Seen())
        with pytest.raises(KeyReused):
            await catalog.take_back(other, Seen())
    assert (await stock_of(catalog, book_id), await stock_of(catalog, other_id)) == (9, 10)


async def test_two_requests_under_one_id_in_a_batch(catalog: Catalog) -> None:
    """Of two requests under one id in a batch the first is decided and the second refused."""
    book_id = await add_book(catalog, stock=10)
    sale = purchase(book_id)
    ((first, second),) = await catalog.sell(batch_of(1, sale, replace(sale, quantity=5)))
    assert isinstance(first, Entry)
    assert first.kind is Kind.SOLD
    assert isinstance(second, KeyReused)
    assert await stock_of(catalog, book_id) == 9


async def test_a_void_is_for_ever(catalog: Catalog) -> None:
    """A voided order is never sold: whoever asks is told of the void."""
    book_id = await add_book(catalog, stock=10)
    sale = purchase(book_id)
    void = await catalog.void(sale, Seen())
    assert (void.kind, void.order_id, void.change) == (Kind.VOID, sale.order_id, 0)
    assert await sell(catalog, 1, sale) == [void]
    assert await catalog.void(sale, Seen()) == void
    assert await stock_of(catalog, book_id) == 10


async def test_a_void_comes_too_late(catalog: Catalog) -> None:
    """An order that was sold stays sold; the void is told of the sale."""
    sale = purchase(await add_book(catalog))
    (sold,) = await sell(catalog, 1, sale)
    assert await catalog.void(sale, Seen()) == sold
    assert await catalog.sale(sale.order_id) == [sold]


async def test_sell_and_void_at_once(catalog: Catalog) -> None:
    """Of a sale and a void at once one is the decision, and both are told it."""
    for _ in range(5):
        sale = purchase(await add_book(catalog, stock=1))
        (sold,), void = await asyncio.gather(sell(catalog, 1, sale), catalog.void(sale, Seen()))
        assert sold == void
        assert await stock_of(catalog, sale.book_id) == (0 if sold.kind is Kind.SOLD else 1)


async def test_copies_come_back_once(catalog: Catalog) -> None:
    """A sold order's copies are taken back once, however often and at once it is asked."""
    sale = purchase(await add_book(catalog, stock=10), quantity=4)
    (sold,) = await sell(catalog, 1, sale)
    answers = await asyncio.gather(*[catalog.take_back(sale, Seen()) for _ in range(5)])
    assert answers == [answers[0]] * 5
    entry = answers[0]
    assert (entry.kind, entry.change, entry.version_after, entry.stock_after) == (
        Kind.RETURNED,
        4,
        3,
        10,
    )
    assert entry.unit_price_minor == sold.unit_price_minor
    assert await catalog.sale(sale.order_id) == [sold, entry]
    assert await stock_of(catalog, sale.book_id) == 10


async def test_copies_come_back_to_a_tombstone(catalog: Catalog) -> None:
    """The copies of a deleted book come back too, against whatever version it has."""
    sale = purchase(await add_book(catalog, stock=10), quantity=4)
    await sell(catalog, 1, sale)
    await catalog.delete(sale.book_id, None)
    assert (await catalog.take_back(sale, Seen())).version_after == 4
    (tombstone,) = await catalog.shelf(0, 1, tombstones=True)
    assert (tombstone.deleted, tombstone.stock, tombstone.version) == (True, 10, 4)


async def test_only_what_was_sold_comes_back(catalog: Catalog) -> None:
    """Of an order that was refused, voided or never seen nothing is taken back."""
    book_id = await add_book(catalog, stock=1)
    refused, voided = purchase(book_id, quantity=2), purchase(book_id)
    await sell(catalog, 1, refused)
    await catalog.void(voided, Seen())
    for sale in (refused, voided, purchase(book_id)):
        with pytest.raises(OrderNotFound):
            await catalog.take_back(sale, Seen())
    assert await stock_of(catalog, book_id) == 1


async def test_a_ledger_that_is_behind(catalog: Catalog) -> None:
    """A catalog whose ledger is older than the orders changes nothing until that is mended."""
    book_id = await add_book(catalog)
    last = await catalog.last_number()
    sale = purchase(book_id)
    for call in (
        catalog.sell(batch_of(1, sale, ledger_seen=last + 1)),
        catalog.void(sale, Seen(last + 1)),
        catalog.take_back(sale, Seen(last + 1)),
        catalog.add(draft()),
        catalog.restock(book_id, Restock("r", change=1), None),
        catalog.delete(book_id, None),
    ):
        with pytest.raises(LedgerBehind) as refused:
            await call
        assert refused.value.members["last"] == last
    assert await catalog.last_number() == last
    assert await stock_of(catalog, book_id) == 10


async def test_a_ledger_that_is_not_behind(catalog: Catalog) -> None:
    """A caller who knows of the last number, or of fewer, is served."""
    book_id = await add_book(catalog)
    numbers = [0, await catalog.last_number()]
    for version in (1, 2, 3):
        ledger_seen = numbers[version - 1]
        ((answer,),) = await catalog.sell(
            batch_of(version, purchase(book_id), ledger_seen=ledger_seen)
        )
        assert isinstance(answer, Entry)
        numbers.append(answer.number)


async def test_lost_sales_are_entered_again(catalog: Catalog) -> None:
    """Orders that the ledger has lost are entered once, with a correction where stock is short."""
    book_id = await add_book(catalog, stock=3, price_minor=900)
    with pytest.raises(LedgerBehind):
        await catalog.sell(batch_of(1, purchase(book_id), ledger_seen=9))
    lost = purchase(book_id, quantity=4, version=5, max_price_minor=1000)
    answer = Entry(
        number=9,
        kind=Kind.SOLD,
        book_id=book_id,
        at_ms=0,
        title="As it was sold",
        unit_price_minor=800,
        version_after=6,
        stock_after=0,
    )
    order = placed(lost, 0).decided(answer)
    (entry,) = await catalog.reenter([order])
    assert (entry.kind, entry.change, entry.stock_after) == (Kind.SOLD, -4, 0)
    assert (entry.title, entry.unit_price_minor) == ("As it was sold", 800)
    assert entry.fingerprint == lost.fingerprint
    assert await catalog.reenter([order]) == [entry]
    kinds = [(each.kind, each.change) for each in await catalog.ledger(0, 10)]
    assert kinds == [(Kind.ADDED, 3), (Kind.RECEIVED, 1), (Kind.SOLD, -4)]
    assert (await sell(catalog, 3, purchase(book_id)))[0].reason == "out_of_stock"


async def test_the_id_of_a_lost_book_stays_its_own(catalog: Catalog) -> None:
    """A book that the catalog lost comes back as a tombstone, and no new book gets its id."""
    book_id = await add_book(catalog)
    told = Entry(
        number=9,
        kind=Kind.SOLD,
        book_id=book_id + 1,
        at_ms=0,
        title="Lost",
        unit_price_minor=800,
        version_after=2,
        stock_after=0,
    )
    (entry,) = await catalog.reenter([placed(purchase(book_id + 1), 0).decided(told)])
    assert (entry.kind, entry.book_id) == (Kind.SOLD, book_id + 1)
    (tombstone,) = await catalog.shelf(book_id, 10, tombstones=True)
    assert (tombstone.id, tombstone.title, tombstone.deleted) == (book_id + 1, "Lost", True)
    assert await add_book(catalog) > book_id + 1


async def test_a_sale_that_nobody_knows(catalog: Catalog) -> None:
    """An order without an entry is not found."""
    with pytest.raises(OrderNotFound):
        await catalog.sale("f" * 32)
