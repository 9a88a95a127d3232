"""Made-up histories that are right, of any length: a shop of a page, and clients who see it.

What happens, happens at one moment between a request and its answer, one thing at a time; the
intervals around those moments overlap as they like. So whatever a checker finds wrong in such
a history is a mistake of the checker.
"""

from __future__ import annotations

import json
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING

from servers.domain.book import Draft
from servers.domain.ledger import Entry, Kind
from servers.domain.order import Order, State, placed
from servers.domain.sale import Purchase
from tests.checker import history as seen
from tests.checker.history import History, Operation, Records, Told

if TYPE_CHECKING:
    from servers.domain.book import Book

_LONGEST_S = 0.05
_TURN_S = 0.001
_SHELF = 200


def made_up(operations: int, seed: int = 1) -> tuple[History, Records]:
    """Return a right history with at least so many operations, and the records of its shop."""
    shop = _Shop(Random(seed))
    while len(shop.history.operations) < operations:
        shop.happen()
    records = Records(list(shop.books.values()), list(shop.orders.values()), shop.ledger)
    return shop.history, records


class _Shop:
    def __init__(self, random: Random) -> None:
        self.random = random
        self.now_s = 0.0
        self.books: dict[int, Book] = {}
        self.orders: dict[str, Order] = {}
        self.ledger: list[Entry] = []
        self.history = History()
        self._sold: list[str] = []
        self._answers: list[Told] = []

    def happen(self) -> None:
        """Let one thing happen, whatever chance says."""
        self.now_s += _TURN_S
        dice = self.random.random()
        if not self.books or dice < 0.4 / _SHELF:
            self._add()
        elif dice < 0.6:
            self._look()
        elif dice < 0.9:
            self._purchase()
        elif dice < 0.94 and self._answers:
            self._ask_again()
        elif dice < 0.97:
            self._restock()
        elif dice < 0.97 + 0.3 / _SHELF:
            self._delete()
        elif self._sold:
            self._cancel(self._sold.pop(self.random.randrange(len(self._sold))))

    def _any_book(self) -> Book:
        # Mostly the latest: so each book has a life, and the old ones are still asked for.
        last = len(self.books)
        return self.books[max(1, last - int(self.random.expovariate(0.2)))]

    def _span(self) -> tuple[float, float]:
        early, late = self.random.random(), self.random.random()
        return self.now_s - early * _LONGEST_S, self.now_s + late * _LONGEST_S

    def _saw(self, kind: seen.Kind, book: Book, order_id: str | None = None) -> None:
        began_s, ended_s = self._span()
        operation = Operation(began_s, ended_s, kind, book.id, book.version, book.stock, order_id)
        self.history.operations.append(operation)

    def _enter(self, kind: Kind, book: Book, change: int, order: Order | None = None) -> Entry:
        purchase = order.purchase if order is not None else None
        refused = kind is Kind.REFUSED
        entry = Entry(
            number=len(self.ledger) + 1,
            kind=kind,
            book_id=book.id,
            at_ms=int(self.now_s * 1000),
            change=change,
            version_after=None if refused else book.version,
            stock_after=None if refused else book.stock,
            title=book.title,
            unit_price_minor=book.price_minor,
            order_id=purchase.order_id if purchase else None,
            fingerprint=purchase.fingerprint if purchase else None,
            quantity=purchase.quantity if purchase else None,
        )
        self.ledger.append(entry)
        self.books[book.id] = book
        return entry

    def _add(self) -> None:
        draft = Draft("A book", ("Somebody",), None, (), 1000, self.random.randrange(50))
        book = draft.as_book(len(self.books) + 1, 0)
        self._enter(Kind.ADDED, book, book.stock)
        self._saw(seen.Kind.EFFECT, book)

    def _look(self) -> None:
        book = self._any_book()
        if book.deleted:
            began_s, ended_s = self._span()
            gone = Operation(began_s, ended_s, seen.Kind.GONE, book.id)
            self.history.operations.append(gone)
        else:
            self._saw(seen.Kind.READ, book)

    def _restock(self) -> None:
        book = self._any_book()
        if not book.deleted:
            more = self.random.randrange(20)
            book = replace(book, stock=book.stock + more, version=book.version + 1)
            self._enter(Kind.RECEIVED, book, more)
            self._saw(seen.Kind.EFFECT, book)

    def _delete(self) -> None:
        book = self._any_book()
        if not book.deleted:
            book = book.as_tombstone(0)
            self._enter(Kind.DELETED, book, 0)
            self._saw(seen.Kind.EFFECT, book)

    def _purchase(self) -> None:
        book = self._any_book()
        order_id = f"{len(self.orders):032x}"
        asked = Purchase(order_id, book.id, self.random.choice((1, 1, 1, 2)))
        order = placed(asked, int(self.now_s * 1000))
        reason = "book_deleted" if book.deleted else None
        reason = reason or ("out_of_stock" if asked.quantity > book.stock else None)
        if reason is None:
            book = book.sold(asked.quantity, 0)
            entry = self._enter(Kind.SOLD, book, -asked.quantity, order)
            self._sold.append(order_id)
        else:
            entry = self._enter(Kind.REFUSED, book, 0, order)
            entry = self.ledger[-1] = replace(
                entry, reason=reason, version_seen=book.version, stock_seen=book.stock
            )
        self.orders[order_id] = order.decided(entry)
        began_s, ended_s = self._span()
        if reason is None:
            sold = (began_s, ended_s, seen.Kind.EFFECT, book.id, book.version, book.stock, order_id)
            self.history.operations.append(Operation(*sold))
        status = 201 if reason is None else 409
        body = {"id": order_id, "version_after": entry.version_after, "code": reason}
        told = Told(
            *(began_s, ended_s, order_id, order_id, asked.fingerprint, status, reason or ""),
            body=json.dumps({**body, "stock_after": entry.stock_after}).encode(),
        )
        self._hear(told)

    def _hear(self, told: Told) -> None:
        self.history.told.append(told)
        self._answers = [*self._answers[-9:], told]

    def _ask_again(self) -> None:
        first = self.random.choice(self._answers)
        began_s, ended_s = self._span()
        status = 200 if first.confirmed else first.status
        again = first._replace(began_s=began_s, ended_s=ended_s, status=status)
        self.history.told.append(again)

    def _cancel(self, order_id: str) -> None:
        order = self.orders[order_id]
        book = self.books[order.purchase.book_id].returned(order.purchase.quantity, 0)
        entry = self._enter(Kind.RETURNED, book, order.purchase.quantity, order)
        self.orders[order_id] = replace(
            order,
            state=State.CANCELLED,
            cancelling_at_ms=entry.at_ms,
            cancelled_at_ms=entry.at_ms,
            return_number=entry.number,
        )
