"""The catalog lives as its model does, as a service and over HTTP, whatever is asked of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule, run_state_machine_as_test

from servers.domain.accounts import Accounts
from servers.domain.book import Edit, Restock
from servers.domain.invariants import examine
from servers.domain.ledger import Entry, Kind
from servers.domain.sale import BookSales, Purchase, SaleBatch, Seen, Stale
from tests.stateful.machine import (
    BOOK_IDS,
    CHANGES,
    ORDERS,
    PAST,
    PRICES,
    QUANTITIES,
    STOCKS,
    BooksMachine,
    lives,
)
from tests.stateful.model import KEY_REUSED, STALE, Book, Decision, Wish
from tests.support.services import catalog_over_http, draft, open_catalog_service

if TYPE_CHECKING:
    from servers.domain.errors import KeyReused
    from servers.domain.protocols import Catalog

SALES = st.lists(
    st.tuples(ORDERS, QUANTITIES, PAST, st.sampled_from([None, None, 500, 2000])),
    min_size=1,
    max_size=5,
)


class CatalogMachine(BooksMachine):
    """The catalog's service on its database."""

    catalog: Catalog

    async def open(self) -> None:
        """Open the service."""
        self.catalog = await self.stack.enter_async_context(open_catalog_service(self.folder))

    async def last_look(self) -> None:
        """Find nothing wrong between the books and the whole ledger, as an audit would."""
        await self.open()
        ledger = await self.catalog.ledger(0, 5_000)
        books = await self.catalog.shelf(0, 100, tombstones=True)
        await self.close()
        accounts = Accounts(settled=0)  # No order rows are kept here, so none are missed.
        for entry in ledger:
            accounts.take(entry)
        assert examine(books, [], accounts, None).violations == []

    def expect(self, change: Any, book_id: int, expected: Book | str) -> None:
        """Let staff change a book, and expect what the model says."""
        told = self.answer(change)
        self.changed(book_id, told if isinstance(told, str) else None, expected)

    @rule(price=PRICES, stock=STOCKS)
    def add(self, price: int, stock: int) -> None:
        """Add a book; ids are counted and never used again."""
        if len(self.model.books) < 4:
            made = self.run(self.catalog.add(draft(price_minor=price, stock=stock)))
            assert made.book.id == len(self.model.books) + 1
            self.model.put(made.book.id, Book(price, stock))

    @rule(book_id=BOOK_IDS, price=PRICES, past=st.sampled_from([0, 0, 1, -1]))
    def edit(self, book_id: int, price: int, past: int) -> None:
        """Edit a book's price."""
        version = self.version(book_id, past) or 1
        expected = self.model.changed(book_id, version, price=price)
        change = self.catalog.edit(book_id, Edit({"price_minor": price}), version)
        self.expect(change, book_id, expected)

    @rule(book_id=BOOK_IDS, change=CHANGES, counted=st.booleans(), past=PAST)
    def restock(self, book_id: int, change: int, counted: bool, past: int | None) -> None:
        """Change the stock, or count it anew, which is always done for a version."""
        version = self.version(book_id, (past or 0) if counted else past)
        restock = Restock("a parcel", change=change)
        expected = self.model.restocked(book_id, version, change)
        if counted:
            restock = Restock("counted", count=abs(change))
            expected = self.model.restocked(book_id, version, abs(change), counted=True)
        self.expect(self.catalog.restock(book_id, restock, version), book_id, expected)

    @rule(book_id=BOOK_IDS, past=PAST, meant=st.sampled_from([False, False, True]))
    def delete(self, book_id: int, past: int | None, meant: bool) -> None:
        """Delete a book; seldom, so that books have a life."""
        if meant:
            version = self.version(book_id, past)
            expected = self.model.changed(book_id, version, deleted=True)
            self.expect(self.catalog.delete(book_id, version), book_id, expected)

    @rule(batch=st.lists(st.tuples(BOOK_IDS, PAST, SALES), min_size=1, max_size=2))
    def sell(self, batch: list[tuple[int, int | None, list[Any]]]) -> None:
        """Sell a batch of purchases of one book or two, some of them pinned, some known."""
        books, expected = [], []
        for book_id, past, asked in {each[0]: each for each in batch}.values():
            wishes = [
                (order_id, Wish(book_id, quantity, self.version(book_id, back), most))
                for order_id, quantity, back, most in asked
            ]
            version = self.version(book_id, past or 0) or 1
            sales = tuple(_purchase(order_id, wish) for order_id, wish in wishes)
            books.append(BookSales(book_id, version, sales))
            expected.append(self.model.sell(book_id, version, wishes))
        told = self.run(self.catalog.sell(SaleBatch(Seen(), tuple(books))))
        assert [[_as_model(each) for each in answers] for answers in told] == [
            [_plain(each) for each in answers] for answers in expected
        ]

    @rule(order_id=ORDERS, book_id=BOOK_IDS, quantity=QUANTITIES)
    def void(self, order_id: str, book_id: int, quantity: int) -> None:
        """Void an order, be it decided or not."""
        known = self.model.decided.get(order_id)
        wish = known.wish if known is not None and quantity == 1 else Wish(book_id, quantity)
        expected = self.model.void(order_id, wish)
        told = self.answer(self.catalog.void(_purchase(order_id, wish), Seen()))
        assert (told if isinstance(told, str) else _as_model(told)) == _plain(expected)

    @rule(order_id=ORDERS, other=st.sampled_from([0, 0, 0, 1]))
    def take_back(self, order_id: str, other: int) -> None:
        """Give an order's copies back, be it sold or not."""
        known = self.model.decided.get(order_id)
        wish = known.wish if known is not None else Wish(1)
        wish = Wish(wish.book_id, wish.quantity + other, wish.version, wish.max_price)
        expected = self.model.take_back(order_id, wish)
        told = self.answer(self.catalog.take_back(_purchase(order_id, wish), Seen()))
        assert (told if isinstance(told, str) else told.kind.value) == expected
        assert isinstance(told, str) or told.change == wish.quantity

    @rule(meant=st.sampled_from([False, False, False, True]))
    def reopen(self, meant: bool) -> None:
        """Close and open again: nothing is different afterwards."""
        if meant:
            self.run(self.close())
            self.run(self.open())

    @invariant()
    def same_books(self) -> None:
        """Every book, tombstones too, is as the model has it, and the ledger is as long."""
        shelf = self.run(self.catalog.shelf(0, 100, tombstones=True))
        real = {
            book.id: Book(book.price_minor, book.stock, book.version, book.deleted)
            for book in shelf
        }
        assert real == self.model.books
        living = [book_id for book_id, book in self.model.books.items() if not book.deleted]
        found = self.run(self.catalog.books([1, 2, 3, 4, 999]))
        assert [book.id for book in found if book is not None and not book.deleted] == living
        assert self.run(self.catalog.last_number()) == self.model.entries


class HttpCatalogMachine(CatalogMachine):
    """The same behind its routes, asked by the product's own client."""

    async def open(self) -> None:
        """Open the service, its server and a client."""
        service = await self.stack.enter_async_context(open_catalog_service(self.folder))
        self.catalog = await self.stack.enter_async_context(catalog_over_http(service))


def _purchase(order_id: str, wish: Wish) -> Purchase:
    return Purchase(order_id, wish.book_id, wish.quantity, wish.version, wish.max_price)


def _as_model(told: Entry | Stale | KeyReused) -> object:
    """Return an answer of the catalog in the model's words."""
    if isinstance(told, Entry):
        outcome = told.reason if told.kind is Kind.REFUSED else told.kind.value
        return outcome, told.version_after, told.stock_after
    return STALE if isinstance(told, Stale) else KEY_REUSED


def _plain(expected: Decision | str) -> object:
    if isinstance(expected, str):
        return expected
    after = expected.after
    return expected.outcome, after and after.version, after and after.stock


@pytest.mark.timeout(3600)
def test_the_service_lives_as_its_model() -> None:
    """Random lives of the service never differ from the model."""
    run_state_machine_as_test(CatalogMachine, settings=lives(3000))


@pytest.mark.timeout(3600)
def test_over_http_as_well() -> None:
    """Nor do they with HTTP between."""
    run_state_machine_as_test(HttpCatalogMachine, settings=lives(1000))
