"""A whole shop lives as its model does: three servers over HTTP, asked as customers and staff ask.

One request at a time: what many at once come to is the races' and the checker's part.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule, run_state_machine_as_test

from servers.domain.sale import order_id_of_key
from servers.upkeep.backoffice import open_stopped
from tests.checker.check import check
from tests.checker.history import collect
from tests.checker.witness import Witness
from tests.stateful.machine import (
    BOOK_IDS,
    CHANGES,
    PAST,
    PRICES,
    QUANTITIES,
    STOCKS,
    BooksMachine,
    lives,
)
from tests.stateful.model import KEY_REUSED, Book, Decision, Wish
from tests.support.services import ADMIN_TOKEN, open_servers

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.checker.history import Told
    from tests.checker.witness import Answer
    from tests.support.services import Web

Said = TypeVar("Said", "Answer", "Told")

KEYS = st.sampled_from([f"key number {number:06d}" for number in range(10)])
STATUS = {"book_not_found": 404, "book_deleted": 410, KEY_REUSED: 422, "order_not_found": 404}
MOST = st.sampled_from([None, None, None, 500, 2000])


NOT_YET = {202, 503, 504}
"""On a busy machine nothing may be decided in time; what is safe to repeat is asked again."""

MOST_ASKED = 20
ASK_AGAIN_S = 0.05


class ShopMachine(BooksMachine):
    """Frontend, order and catalog in this process, each on its own database and port."""

    web: Web
    witness: Witness

    def __init__(self) -> None:
        self.bodies: dict[str, bytes] = {}
        super().__init__()

    async def open(self) -> None:
        """Open the three servers on the one folder."""
        self.web = await self.stack.enter_async_context(open_servers(self.folder))
        before = self.witness.history if hasattr(self, "witness") else None
        # Requests come one after the other, so their count is a clock.
        self.witness = Witness(self.web.ask, self.tick, ADMIN_TOKEN)
        self.witness.history = before or self.witness.history

    def tick(self) -> float:
        """Return the time: one more with each look."""
        self.time = getattr(self, "time", 0) + 1
        return self.time

    async def last_look(self) -> None:
        """Let the checker judge the whole life."""
        async with open_stopped(self.folder, to_change=False) as shop:
            records = await collect(shop)
        assert check(self.witness.history, records) == []
        assert len(records.ledger) == self.model.entries

    def if_match(self, book_id: int, past: int | None) -> tuple[int | None, str]:
        """Return a version that a request may name, and its header."""
        version = self.version(book_id, past)
        return version, "*" if version is None else f'"{version}"'

    def expect(self, said: Answer, book_id: int, expected: Book | str) -> None:
        """Expect of an answer to staff what the model says."""
        self.changed(book_id, said.json["code"] if said.status >= 400 else None, expected)

    @rule(price=PRICES, stock=STOCKS)
    def add(self, price: int, stock: int) -> None:
        """Add a book."""
        if len(self.model.books) < 4:
            book = {"title": "A book", "authors": ["Somebody"], "price": _money(price)}
            said = self.run(self.witness.staff("POST", "/books", {**book, "stock": stock}))
            assert said.status == 201
            assert said.json["id"] == len(self.model.books) + 1
            self.model.put(said.json["id"], Book(price, stock))

    @rule(book_id=BOOK_IDS, price=PRICES, past=st.sampled_from([0, 0, 1, -1]))
    def edit(self, book_id: int, price: int, past: int) -> None:
        """Edit a book's price."""
        version, header = self.if_match(book_id, past)
        expected = self.model.changed(book_id, version, price=price)
        path, body = f"/books/{book_id}", {"price": _money(price)}
        said = self.run(self.witness.staff("PATCH", path, body, If_Match=header))
        self.expect(said, book_id, expected)

    @rule(book_id=BOOK_IDS, change=CHANGES, past=PAST)
    def restock(self, book_id: int, change: int, past: int | None) -> None:
        """Change the stock."""
        version, header = self.if_match(book_id, past)
        expected = self.model.restocked(book_id, version, change)
        path, body = f"/books/{book_id}/stock", {"change": change, "reason": "a parcel"}
        said = self.run(self.witness.staff("POST", path, body, If_Match=header))
        self.expect(said, book_id, expected)

    @rule(book_id=BOOK_IDS, past=PAST, meant=st.sampled_from([False, False, True]))
    def delete(self, book_id: int, past: int | None, meant: bool) -> None:
        """Delete a book; seldom, so that books have a life."""
        if meant:
            version, header = self.if_match(book_id, past)
            expected = self.model.changed(book_id, version, deleted=True)
            said = self.run(self.witness.staff("DELETE", f"/books/{book_id}", If_Match=header))
            self.expect(said, book_id, expected)

    @rule(key=KEYS, book_id=BOOK_IDS, quantity=QUANTITIES, past=PAST, most=MOST)
    def purchase(
        self, key: str, book_id: int, quantity: int, past: int | None, most: int | None
    ) -> None:
        """Purchase with a key that may have been used, for the same or for something else."""
        order_id = order_id_of_key(key)
        known = self.model.decided.get(order_id)
        version = None if past in {None, 0} else self.if_match(book_id, past)[0]
        wish = Wish(book_id, quantity, version, most)
        if known is not None and quantity == 1:
            wish = known.wish
        (expected,) = self.model.sell(wish.book_id, None, [(order_id, wish)])
        body: dict[str, Any] = {"quantity": wish.quantity}
        body |= {} if wish.version is None else {"version": wish.version}
        body |= {} if wish.max_price is None else {"max_price": _money(wish.max_price)}
        told, asked = self.run(_final(lambda: self.witness.purchase(wish.book_id, key, **body)))
        if isinstance(expected, str):
            assert (told.status, told.code) == (422, expected), told
        elif expected.outcome == "sold":
            first = {201} if asked == 1 else {200, 201}
            assert told.status in (first if known is None else {200}), told
            after = expected.after
            assert after is not None
            assert (told.json["version_after"], told.json["stock_after"]) == (
                after.version,
                after.stock,
            )
        else:
            assert (told.status, told.code) == (
                STATUS.get(expected.outcome, 409),
                expected.outcome,
            ), told
        if isinstance(expected, Decision):
            assert self.bodies.setdefault(order_id, told.body) == told.body

    @rule(key=KEYS)
    def cancel(self, key: str) -> None:
        """Cancel an order, be it there or not, sold or not, cancelled or not."""
        order_id = order_id_of_key(key)
        known = self.model.decided.get(order_id)
        said, _ = self.run(_final(lambda: self.witness.cancel(order_id)))
        if known is None:
            assert (said.status, said.json["code"]) == (404, "order_not_found")
        elif known.outcome != "sold":
            assert (said.status, said.json["code"]) == (409, "not_cancellable")
        else:
            assert self.model.take_back(order_id, known.wish) == "returned"
            assert (said.status, said.json["state"]) == (200, "cancelled"), said

    @rule(meant=st.sampled_from([False, False, False, False, True]))
    def reopen(self, meant: bool) -> None:
        """Stop all servers and start them again: nothing is different afterwards."""
        if meant:
            self.run(self.close())
            self.run(self.open())

    @invariant()
    def same_books(self) -> None:
        """Every book is shown as the model has it."""
        for book_id, book in self.model.books.items():
            said = self.run(self.witness.look(book_id))
            if book.deleted:
                assert said.status == 410
                continue
            shown = said.json
            assert (shown["price"], shown["stock"]) == (_money(book.price), book.stock)
            assert shown["version"] == book.version


async def _final(ask: Callable[[], Awaitable[Said]]) -> tuple[Said, int]:
    """Ask until there is a final answer; return it, and how often it was asked for."""
    for asked in range(1, MOST_ASKED):
        said = await ask()
        if said.status not in NOT_YET:
            return said, asked
        # Between two steps of a life no server runs, so one may think that another hangs.
        await asyncio.sleep(ASK_AGAIN_S)
    return await ask(), MOST_ASKED


def _money(minor: int) -> str:
    return f"{minor // 100}.{minor % 100:02d}"


@pytest.mark.timeout(3600)
def test_a_shop_lives_as_its_model() -> None:
    """Random lives of a whole shop never differ from the model, nor from its own records."""
    run_state_machine_as_test(ShopMachine, settings=lives(1000))
