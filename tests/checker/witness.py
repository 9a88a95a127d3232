"""A witness: makes requests of a shop for clients, and notes what was answered, and when.

It works with whatever asks: ``Web.ask`` for servers in this process, ``Customer.request`` for
real ones. What is lost on the way is no answer, and nothing is noted of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from servers.domain.money import parse_price
from servers.domain.sale import Purchase, order_id_of_key
from tests.checker.history import History, Kind, Operation, Told

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Answer(Protocol):
    """What every client of the tests gives back."""

    @property
    def status(self) -> int: ...
    @property
    def body(self) -> bytes: ...
    @property
    def json(self) -> Any: ...


class Ask(Protocol):
    """Makes one request: method, path, JSON body, headers."""

    async def __call__(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> Answer: ...


class Witness:
    """Asks a frontend and keeps the history; ``admin_token`` is for what staff do."""

    def __init__(self, ask: Ask, clock_s: Callable[[], float], admin_token: str) -> None:
        self.history = History()
        self._ask = ask
        self._clock_s = clock_s
        self._staff = {"Authorization": f"Bearer {admin_token}"}

    async def purchase(
        self, book_id: int, key: str, wish: str | None = None, **wishes: Any
    ) -> Told:
        """Ask once for a purchase; ``wishes`` is the body."""
        began_s = self._clock_s()
        headers = {"Idempotency-Key": key}
        said = await self._ask("POST", f"/purchase/{book_id}", wishes or None, headers)
        ended_s = self._clock_s()
        max_price = wishes.get("max_price")
        asked = Purchase(
            order_id_of_key(key),
            book_id,
            wishes.get("quantity", 1),
            wishes.get("version"),
            None if max_price is None else parse_price(max_price, "max_price"),
        )
        told = Told(
            *(began_s, ended_s, wish or key, asked.order_id, asked.fingerprint, said.status),
            code=said.json["code"] if said.status >= 400 else "",
            body=said.body,
        )
        self.history.told.append(told)
        if told.status == 201:
            # A replay, 200, tells of what an earlier answer was about; it is no look at the book.
            after = (said.json["version_after"], said.json["stock_after"], asked.order_id)
            made = Operation(began_s, ended_s, Kind.EFFECT, book_id, *after)
            self.history.operations.append(made)
        return told

    async def look(self, book_id: int) -> Answer:
        """Look at a book."""
        began_s = self._clock_s()
        said = await self._ask("GET", f"/info/{book_id}")
        ended_s = self._clock_s()
        if said.status == 200:
            self._note(Kind.READ, began_s, ended_s, said)
        elif said.status == 410:
            self.history.operations.append(Operation(began_s, ended_s, Kind.GONE, book_id))
        elif said.status == 404:
            self.history.operations.append(Operation(began_s, ended_s, Kind.READ, book_id, 0))
        else:
            self._span(began_s, ended_s, f"GET /info/{book_id}")
        return said

    async def staff(self, method: str, path: str, body: object = None, **headers: str) -> Answer:
        """Let staff change a book; headers by name with underscores."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        began_s = self._clock_s()
        said = await self._ask(method, path, body, {**self._staff, **named})
        ended_s = self._clock_s()
        version = headers.get("If_Match", "*").strip('"')
        if said.status in {200, 201}:
            self._note(Kind.EFFECT, began_s, ended_s, said)
        elif said.status == 204 and version != "*":
            book_id = int(path.rpartition("/")[2])
            made = Operation(began_s, ended_s, Kind.EFFECT, book_id, int(version) + 1)
            self.history.operations.append(made)
        else:
            self._span(began_s, ended_s, f"{method} {path}")
        return said

    async def cancel(self, order_id: str) -> Answer:
        """Cancel an order."""
        began_s = self._clock_s()
        said = await self._ask("POST", f"/orders/{order_id}/cancel")
        self._span(began_s, self._clock_s(), f"cancelling {order_id}")
        return said

    def _note(self, kind: Kind, began_s: float, ended_s: float, said: Answer) -> None:
        book = said.json
        saw = (kind, book["id"], book["version"], book["stock"])
        self.history.operations.append(Operation(began_s, ended_s, *saw))

    def _span(self, began_s: float, ended_s: float, subject: str) -> None:
        self.history.spans.append((began_s, ended_s, subject))
