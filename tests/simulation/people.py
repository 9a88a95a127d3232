"""The people of a simulation: customers with their errands, and staff who change books."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bookstore_cli import wire
from servers.domain.errors import NotNow, OutcomeUnknown, ShopError
from servers.domain.sale import order_id_of_key
from tests.simulation.terminal import Terminal

if TYPE_CHECKING:
    from random import Random

    from tests.simulation.history import Attempt
    from tests.simulation.shop import Shop


@dataclass
class Town:
    """What all people of a simulation share: the shop, the books they know, their histories."""

    shop: Shop
    random: Random
    pace_s: float = 1.0
    """How long people think at most before they do the next thing."""
    history: list[Attempt] = field(default_factory=list)
    books: list[int] = field(default_factory=list)
    errands: int = 0
    given_up: int = 0

    def terminal(self, who: str, frontend: str | None = None, *, staff: bool = False) -> Terminal:
        """Return a command line at one of the frontends."""
        where = frontend or self.random.choice(self.shop.frontends)
        return Terminal(self.shop.loop, self.random, who, where, self.history, staff=staff)


class Customer:
    """Does one errand after the other: look, purchase, perhaps ask again, perhaps cancel."""

    def __init__(self, town: Town, name: str) -> None:
        self._town = town
        self._random = town.random
        self._name = name
        self._home = town.random.choice(town.shop.frontends)

    async def live(self, errands: int) -> None:
        """Do so many errands."""
        for number in range(errands):
            if self._random.random() < 0.5:
                await asyncio.sleep(self._random.uniform(0, self._town.pace_s))
            await self._errand(f"simulated-errand-{self._name}-{number}")

    async def _errand(self, key: str) -> None:
        random, town = self._random, self._town
        town.errands += 1
        terminal = town.terminal(self._name, self._home)
        book_id, wishes = await self._wish(terminal)
        dice = random.random()
        roams = dice < 0.1
        if dice > 0.8:
            await self._leave(terminal, book_id, wishes, key)
            return
        if roams:
            other = next(each for each in town.shop.frontends if each != self._home)
            elsewhere = town.terminal(f"{self._name}'", other)
            bought, _ = await asyncio.gather(
                self._insist(terminal, book_id, wishes, key),
                self._insist(elsewhere, book_id, wishes, key),
            )
            elsewhere.close()
        else:
            bought = await self._insist(terminal, book_id, wishes, key)
        if random.random() < 0.2:
            await self._look_at_order(terminal, order_id_of_key(key))
        dice = random.random()
        if dice < 0.05:
            # The same key for something else, which must come to nothing.
            await self._insist(terminal, book_id, {**wishes, "quantity": 7}, key)
        elif dice < 0.2:
            await self._insist(terminal, book_id, wishes, key)
        elif bought and dice < 0.5 and not (roams and town.shop.split):
            twice = town.terminal(f"{self._name}*", self._home)
            both = [terminal, twice] if random.random() < 0.3 else [terminal]
            order_id = order_id_of_key(key)
            await asyncio.gather(*[self._cancel(each, order_id) for each in both])
            twice.close()
        terminal.close()

    async def _wish(self, terminal: Terminal) -> tuple[int, dict[str, object]]:
        """Return what to buy, perhaps after a look at it."""
        random = self._random
        books = self._town.books
        book_id = books[0] if random.random() < 0.4 else random.choice(books)
        if random.random() < 0.02:
            book_id = 9999
        wishes: dict[str, object] = {}
        if random.random() < 0.3:
            wishes["quantity"] = random.randint(1, 3)
        if random.random() < 0.4:
            book = await self._look(terminal, book_id)
            if book is not None and random.random() < 0.3:
                wishes["version"] = book["version"]
            if book is not None and random.random() < 0.5:
                wishes["max_price"] = book["price"]
        return book_id, wishes

    async def _look(self, terminal: Terminal, book_id: int) -> dict[str, object] | None:
        request = wire.look_up(f"/info/{book_id}")
        try:
            value: dict[str, object] = (await terminal.run(request, "look", book_id=book_id)).value
        except ShopError:
            return None
        return value

    async def _look_at_order(self, terminal: Terminal, order_id: str) -> None:
        with contextlib.suppress(ShopError):
            await terminal.run(wire.look_up(f"/orders/{order_id}"), "order", order_id=order_id)

    async def _insist(
        self, terminal: Terminal, book_id: int, wishes: dict[str, object], key: str
    ) -> bool:
        """Buy, however many commands it takes; return whether it is bought.

        Who is told that nothing happened may let it be; who is not sure asks again, mostly.
        """
        doubtful = False
        while True:
            try:
                await terminal.purchase(book_id, wishes, key)
            except OutcomeUnknown:
                doubtful = True
                if self._random.random() < 0.2:
                    return False
            except NotNow:
                if not doubtful and self._random.random() < 0.5:
                    self._town.given_up += 1
                    return False
            except ShopError:
                return False
            else:
                return True
            await asyncio.sleep(self._random.uniform(0, 2))

    async def _leave(
        self, terminal: Terminal, book_id: int, wishes: dict[str, object], key: str
    ) -> None:
        """Buy, perhaps give it back at once, but lose patience soon and never ask again."""
        longest_s = 0.02 if self._random.random() < 0.8 else 1.0
        with contextlib.suppress(TimeoutError, ShopError):
            async with asyncio.timeout(self._random.uniform(0, longest_s)):
                await terminal.purchase(book_id, wishes, key)
                await terminal.cancel(order_id_of_key(key))
        terminal.close()

    async def _cancel(self, terminal: Terminal, order_id: str) -> None:
        while True:
            try:
                await terminal.cancel(order_id)
            except (OutcomeUnknown, NotNow):
                await asyncio.sleep(self._random.uniform(0, 2))
            except ShopError:
                return
            else:
                return


class Staff:
    """Adds, edits, restocks and deletes books, with an eye to the versions."""

    def __init__(self, town: Town) -> None:
        self._town = town
        self._random = town.random
        self._terminal = town.terminal("staff", staff=True)
        self._changes = 0

    async def open_the_shop(self, books: int) -> None:
        """Add the first books; it has to succeed."""
        while len(self._town.books) < books:
            if not await self._add():
                await asyncio.sleep(0.2)

    async def live(self, changes: int) -> None:
        """Make so many changes, whatever becomes of each."""
        for _ in range(changes):
            await asyncio.sleep(self._random.uniform(0, self._town.pace_s / 2))
            dice = self._random.random()
            if dice < 0.5:
                await self._restock()
            elif dice < 0.8:
                await self._edit()
            elif dice < 0.9:
                await self._add()
            else:
                await self._delete()
            if self._random.random() < 0.2:
                self._terminal.close()
                self._terminal = self._town.terminal("staff", staff=True)

    async def _add(self) -> bool:
        self._changes += 1
        stock = 30 if not self._town.books else self._random.randint(0, 12)
        book = {
            "title": f"Book {self._changes}",
            "authors": ["Somebody"],
            "topics": ["simulations"],
            "price": f"{self._random.randint(1, 50)}.00",
            "stock": stock,
        }
        key = f"simulated-book-{self._changes:04}"
        try:
            answer = await self._terminal.run(wire.add(book, key), "add", key=key, wishes=book)
        except ShopError:
            return False
        self._town.books.append(int(answer.value["id"]))
        return True

    async def _book(self) -> tuple[int, int] | None:
        """Return a book and its version."""
        book_id = self._random.choice(self._town.books)
        request = wire.look_up(f"/info/{book_id}")
        try:
            answer = await self._terminal.run(request, "look", book_id=book_id)
        except ShopError:
            return None
        return book_id, int(answer.value["version"])

    async def _restock(self) -> None:
        found = await self._book()
        if found is None:
            return
        self._changes += 1
        key = f"simulated-restock-{self._changes:04}"
        change = self._random.choice([-2, 1, 2, 5, 10, 20])
        wish: dict[str, object] = {"change": change, "reason": "simulated"}
        version = found[1] if self._random.random() < 0.3 else None
        await self._try(
            wire.restock(found[0], wish, version, key), "restock", book_id=found[0], key=key
        )

    async def _edit(self) -> None:
        found = await self._book()
        if found is not None:
            fields: dict[str, object] = {"price": f"{self._random.randint(1, 50)}.00"}
            request = wire.edit(found[0], fields, found[1])
            await self._try(request, "edit", book_id=found[0], wishes=fields)

    async def _delete(self) -> None:
        found = await self._book()
        if found is not None:
            version = found[1] if self._random.random() < 0.5 else None
            await self._try(wire.delete(found[0], version), "delete", book_id=found[0])

    async def _try(self, request: wire.Request, kind: str, **about: object) -> None:
        try:
            await self._terminal.run(request, kind, **about)
        except ShopError:
            return
