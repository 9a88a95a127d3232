"""What every catalog promises about orders: each is decided once and for ever."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from servers.domain.book import Restock
from servers.domain.errors import KeyReused, OrderNotFound
from servers.domain.ledger import Entry, Kind
from servers.domain.sale import BookSales, SaleBatch, Seen, Stale
from tests.support.services import add_book, batch_of, draft, purchase, sell, stock_of

if TYPE_CHECKING:
    from servers.domain.protocols import Catalog


async def test_a_sale(catalog: Catalog) -> None:
    """A sale takes the copies and is one entry with all that the order's answer needs."""
    book_id = await add_book(catalog, title="Xen", price_minor=500, stock=10)
    sale = purchase(book_id, quantity=2, version=1, max_price_minor=600)
    (entry,) = await sell(catalog, 1, sale)
    assert entry == Entry(
        number=await catalog.last_number(),
        kind=Kind.SOLD,
        book_id=book_id,
        at_ms=entry.at_ms,
        change=-2,
        version_after=2,
        stock_after=8,
        title="Xen",
        unit_price_minor=500,
        order_id=sale.order_id,
        fingerprint=sale.fingerprint,
        quantity=2,
        asked_version=1,
        asked_max_price_minor=600,
    )
    assert await catalog.sale(sale.order_id) == [entry]
    assert await stock_of(catalog, book_id) == 8


async def test_a_batch_of_many_books(catalog: Catalog) -> None:
    """A batch is answered book by book and purchase by purchase, in order."""
    one, two = await add_book(catalog, stock=1), await add_book(catalog, stock=9)
    sales = [purchase(one), purchase(one), purchase(two), purchase(99)]
    answers = await catalog.sell(
        SaleBatch(
            Seen(),
            (
                BookSales(two, 1, (sales[2],)),
                BookSales(one, 1, (sales[0], sales[1])),
                BookSales(99, 1, (sales[3],)),
            ),
        )
    )
    told = [
        [(each.order_id, each.kind.value, each.reason) for each in book if isinstance(each, Entry)]
        for book in answers
    ]
    assert told == [
        [(sales[2].order_id, "sold", None)],
        [(sales[0].order_id, "sold", None), (sales[1].order_id, "refused", "out_of_stock")],
        [(sales[3].order_id, "refused", "book_not_found")],
    ]


async def test_each_sale_has_its_own_version(catalog: Catalog) -> None:
    """The sales of a batch have versions of their own, in the order of the ledger."""
    book_id = await add_book(catalog, stock=9)
    number = await catalog.last_number()
    sales = [purchase(book_id), purchase(book_id, version=1), purchase(book_id)]
    entries = await sell(catalog, 1, *sales)
    assert [entry.version_after for entry in entries] == [3, 2, 4]
    ledger = await catalog.ledger(number, 10)
    assert [entry.version_after for entry in ledger] == [2, 3, 4]
    (book,) = await catalog.books([book_id])
    assert book is not None
    assert (book.version, book.stock) == (4, 6)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"quantity": 3}, "out_of_stock"),
        ({"version": 9}, "version_conflict"),
        ({"max_price_minor": 999}, "price_changed"),
    ],
)
async def test_a_refusal_is_final(catalog: Catalog, fields: dict[str, int], reason: str) -> None:
    """A refusal is written down with the book as it was, and no later change undoes it."""
    book_id = await add_book(catalog, stock=2)
    sale = purchase(book_id, **fields)
    (entry,) = await sell(catalog, 1, sale)
    assert (entry.kind, entry.reason) == (Kind.REFUSED, reason)
    assert (entry.version_seen, entry.stock_seen, entry.unit_price_minor) == (1, 2, 1000)
    assert entry.change == 0
    await catalog.restock(book_id, Restock("r", change=100), None)
    assert await sell(catalog, 2, sale) == [entry]
    assert await catalog.void(sale, Seen()) == entry
    assert await stock_of(catalog, book_id) == 102


async def test_a_purchase_of_a_deleted_book(catalog: Catalog) -> None:
    """A deleted book is refused as deleted, whatever version the batch or the customer names."""
    book_id = await add_book(catalog)
    await catalog.delete(book_id, None)
    for version in (1, 2):
        (entry,) = await sell(catalog, version, purchase(book_id, version=version))
        assert (entry.kind, entry.reason, entry.title) == (
            Kind.REFUSED,
            "book_deleted",
            draft().title,
        )
    assert (await catalog.ledger(0, 10))[-1].kind is Kind.REFUSED


async def test_a_stale_batch_decides_nothing(catalog: Catalog) -> None:
    """Against another version nothing is sold or written; the answer is the present book."""
    book_id = await add_book(catalog)
    await catalog.restock(book_id, Restock("r", change=1), None)
    current = (await catalog.books([book_id]))[0]
    sale = purchase(book_id)
    number = await catalog.last_number()
    for version in (1, 3):
        assert await catalog.sell(batch_of(version, sale)) == [[Stale(current)]]  # type: ignore[arg-type]  # it is there
    assert await catalog.last_number() == number
    with pytest.raises(OrderNotFound):
        await catalog.sale(sale.order_id)
    assert (await sell(catalog, 2, sale))[0].kind is Kind.SOLD


async def test_a_stale_batch_still_tells_what_is_known(catalog: Catalog) -> None:
    """In a stale batch the orders that are decided already get their decisions."""
    book_id = await add_book(catalog)
    known = purchase(book_id)
    decided = await sell(catalog, 1, known)
    (answers,) = await catalog.sell(batch_of(1, purchase(book_id), known))
    assert isinstance(answers[0], Stale)
    assert answers[1] == decided[0]


async def test_one_id_for_two_books(catalog: Catalog) -> None:
    """An id that stands under two books of a batch is the first one's; nothing else is sold."""
    one, two = await add_book(catalog, stock=5), await add_book(catalog, stock=5)
    first = purchase(one)
    second = replace(first, book_id=two)
    answers = await catalog.sell(
        SaleBatch(Seen(), (BookSales(one, 1, (first,)), BookSales(two, 1, (second, purchase(two)))))
    )
    ((sold,), (reused, other)) = answers
    assert isinstance(sold, Entry)
    assert isinstance(reused, KeyReused)
    assert isinstance(other, Entry)
    assert other.version_after == 2
    assert [await stock_of(catalog, book) for book in (one, two)] == [4, 4]


async def test_one_id_for_two_books_the_first_of_which_has_moved_on(catalog: Catalog) -> None:
    """What is stale decides nothing, so the id is the second book's."""
    one, two = await add_book(catalog, stock=5), await add_book(catalog, stock=5)
    first = purchase(one)
    second = replace(first, book_id=two)
    ((stale,), (sold,)) = await catalog.sell(
        SaleBatch(Seen(), (BookSales(one, 9, (first,)), BookSales(two, 1, (second,))))
    )
    assert isinstance(stale, Stale)
    assert isinstance(sold, Entry)
    assert [await stock_of(catalog, book) for book in (one, two)] == [5, 4]


async def test_a_book_twice_in_a_batch(catalog: Catalog) -> None:
    """Where a book stands twice, the second time it is as the first left it."""
    book_id = await add_book(catalog, stock=5)
    answers = await catalog.sell(
        SaleBatch(
            Seen(),
            (
                BookSales(book_id, 1, (purchase(book_id, quantity=2),)),
                BookSales(book_id, 1, (purchase(book_id),)),
                BookSales(book_id, 2, (purchase(book_id, quantity=2), purchase(book_id))),
            ),
        )
    )
    (first,), (stale,), both = answers
    assert isinstance(first, Entry)
    assert isinstance(stale, Stale)
    assert stale.current.version == 2
    assert [each.stock_after for each in both if isinstance(each, Entry)] == [1, 0]
    assert await stock_of(catalog, book_id) == 0
