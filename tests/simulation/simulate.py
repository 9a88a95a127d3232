"""One simulation: a shop, its people, whatever may happen to it, and the verdict."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from servers.catalog.client import CatalogClient
from servers.domain.accounts import Violation
from servers.domain.order import State
from servers.domain.protocols import OrderPage
from servers.order.client import OrderClient
from servers.upkeep.audit import read_books, read_ledger, read_orders
from servers.web.hop import open_hop
from tests.simulation.adversary import FAULTS, Adversary, plan
from tests.simulation.loop import SimulatedLoop, SimulationError
from tests.simulation.patience import Patience
from tests.simulation.people import Customer, Staff, Town
from tests.simulation.shop import Shop
from tests.simulation.trace import Trace
from tests.simulation.verdict import judge_data, judge_histories, merged
from tests.simulation.witness import Witness
from tests.support.memory import folder_in_memory
from tests.support.services import ADMIN_TOKEN

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence
    from pathlib import Path

    from servers.domain.book import Book
    from servers.domain.ledger import Entry
    from servers.domain.order import Order
    from tests.simulation.history import Attempt

PURCHASES = 100
LONGEST_UNFINISHED_S = 75.0
_LONGEST_DECIDING_S = 150.0
_CUSTOMERS = 10
_BOOKS = 4
_CHANGES = 10
_PACES_S = (0.1, 0.4, 1.2)
_FAULTS_WITHIN = 2.5
"""Of the pace: about as long as people need for their errands if nothing happens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a seed. ``histories`` are all requests of all people, as they ended.

    ``slowest_s`` is how long an order took at most once all faults were healed.
    """

    seed: int
    trace_hash: str
    histories: list[Attempt]
    ledger: list[Entry]
    orders: list[Order]
    books: list[Book]
    violations: list[Violation]
    faults: Counter[str]
    deaths: list[str]
    purchases: int
    messages: int
    steps: int
    virtual_s: float
    settled_s: float
    slowest_s: float

    def report(self) -> str:
        """Return what is wrong, and how to see it happen again."""
        lines = [f"{each.invariant} {each.detail}" for each in self.violations]
        return "\n".join([how_to_see(self.seed), *lines])


def how_to_see(seed: int) -> str:
    """Return how to see again what came of a seed."""
    return f"seed {seed}: make simulate SEED={seed}"


def simulate(
    seed: int,
    *,
    purchases: int = PURCHASES,
    faults: Sequence[str] = FAULTS,
    show: Callable[[str], None] | None = None,
) -> Outcome:
    """Run one seed and judge it; the same arguments give the same outcome and trace, always.

    ``faults`` are those that may happen, none for a quiet shop. ``show`` is told each line of
    the trace. Raises `SimulationError` where the simulation itself does not come to an end.
    """
    with _uncollected():
        return _simulated(seed, purchases, faults, show)


def _simulated(
    seed: int, purchases: int, faults: Sequence[str], show: Callable[[str], None] | None
) -> Outcome:
    loop = SimulatedLoop()
    trace = Trace(loop, show)
    with (
        folder_in_memory() as folder,
        Witness(loop, trace, folder) as witness,
    ):
        run = _Run(seed, purchases, faults, loop, trace, folder)
        try:
            return loop.run_until_complete(run.whole(witness))
        except SimulationError as error:
            raise SimulationError(f"{how_to_see(seed)}\n{error}") from error
        finally:
            loop.run_until_complete(_ended())
            loop.close()


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """Look for garbage afterwards, and not meanwhile: that takes a fifth of the time.

    All of a simulation is of the youngest generation then; the older ones are left alone.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.collect(0)
        if enabled:
            gc.enable()


async def _ended() -> None:
    """Let everything that still waits end, the dead as well; nobody looks any more."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, SimulatedLoop)
    loop.governed, loop.steps = False, 0
    loop.again(loop.resting)
    for _ in range(20):
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        if not tasks:
            return
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=1.0)


class _Run:
    """A simulation under way."""

    def __init__(  # what is decided before it begins
        self,
        seed: int,
        purchases: int,
        faults: Sequence[str],
        loop: SimulatedLoop,
        trace: Trace,
        folder: Path,
    ) -> None:
        self._seed = seed
        self._purchases = purchases
        self._loop = loop
        self._trace = trace
        random = Random(f"{seed}/world")
        pace_s = random.choice(_PACES_S)
        planned = plan(random, faults, within_s=_FAULTS_WITHIN * pace_s)
        remembers = any(each.name == "power_cut" for each in planned)
        self._shop = Shop(
            loop, folder, str(seed), trace, split=random.random() < 0.7, remembers=remembers
        )
        self._sockets_kept = random.random() < 0.7
        self._adversary = Adversary(self._shop, Random(f"{seed}/adversary"), planned)
        self._town = Town(self._shop, Random(f"{seed}/people"), pace_s)

    async def whole(self, witness: Witness) -> Outcome:
        """Open, live, heal, settle, judge."""
        shop, town, network = self._shop, self._town, self._shop.network
        shop.start(sockets_kept=self._sockets_kept)
        await shop.until_up()
        staff = Staff(town)
        await staff.open_the_shop(_BOOKS)
        customers = [Customer(town, f"c{number}") for number in range(_CUSTOMERS)]
        lives = asyncio.gather(
            staff.live(_CHANGES),
            *[
                customer.live(self._share(place, self._purchases))
                for place, customer in enumerate(customers)
            ],
        )
        await self._adversary.work()
        self._trace.note("simulation", "all heals")
        shop.heal()
        patience = Patience(shop)
        shop.watchers.append(self._loop.create_task(patience.watch()))
        undecided = await self._until_decided(lives)
        # A late copy is one more driver of its order, and the last that may come.
        await asyncio.sleep(max(network.last_copy_s - self._loop.time(), 0) + 0.1)
        await shop.until_up()
        settled_s, unfinished = await self._until_settled(self._loop.time())
        books, orders, ledger, differ = await self._read()
        self._trace.note("simulation", "is over")
        self._note_end(books, orders, ledger)
        return Outcome(
            seed=self._seed,
            trace_hash=self._trace.digest(),
            histories=town.history,
            ledger=ledger,
            orders=orders,
            books=books,
            violations=[
                *undecided,
                *patience.violations,
                *unfinished,
                *differ,
                *judge_data(books, orders, ledger),
                *judge_histories(town.history, orders, ledger, copied=network.copies > 0),
                *[Violation("I15", "a request", each) for each in network.overdue],
                *witness.violations,
            ],
            faults=self._adversary.done,
            deaths=shop.deaths,
            purchases=town.errands,
            messages=network.messages,
            steps=self._loop.steps,
            virtual_s=self._loop.time(),
            settled_s=settled_s,
            slowest_s=patience.slowest_s,
        )

    def _share(self, place: int, purchases: int) -> int:
        return purchases // _CUSTOMERS + (place < purchases % _CUSTOMERS)

    async def _until_decided(self, lives: asyncio.Future[list[None]]) -> list[Violation]:
        """Wait for all people to come to their ends; what they still wait for is wrong."""
        try:
            async with asyncio.timeout(_LONGEST_DECIDING_S):
                await lives
        except TimeoutError:
            waiting = "; ".join(self._shop.network.still_waiting())
            return [Violation("I15", "a customer", f"is never answered for good ({waiting})")]
        return []

    async def _until_settled(self, since_s: float) -> tuple[float, list[Violation]]:
        """Wait until no order is unfinished; say how long after ``since_s`` that was."""
        while True:
            left = [order.id async for order in self._unfinished()]
            after_s = max(self._loop.time() - since_s, 0.0)
            if not left:
                return after_s, []
            if after_s > LONGEST_UNFINISHED_S:
                return after_s, [
                    Violation("I5", f"order {each}", "is still not finished") for each in left
                ]
            await asyncio.sleep(0.5)

    async def _unfinished(self) -> AsyncIterator[Order]:
        for server in ("order-a", "order-b"):
            async with open_hop(server, f"http://{server}:80", ADMIN_TOKEN) as hop:
                orders = OrderClient(hop, call_s=5.0)
                for state in (State.PENDING, State.CANCELLING):
                    for order in await orders.orders(OrderPage(state=state, limit=100)):
                        yield order

    async def _read(self) -> tuple[list[Book], list[Order], list[Entry], list[Violation]]:
        """Read all that is kept, as an audit does."""
        orders: list[Order] = []
        for server in ("order-a", "order-b"):
            async with open_hop(server, f"http://{server}:80", ADMIN_TOKEN) as hop:
                orders += [order async for order in read_orders(OrderClient(hop, call_s=5.0))]
        async with open_hop("catalog", "http://catalog:80", ADMIN_TOKEN) as hop:
            catalog = CatalogClient(hop, call_s=5.0)
            books = [book async for book in read_books(catalog)]
            ledger = [entry async for entry in read_ledger(catalog)]
        whole, differ = merged(orders)
        return books, whole, ledger, differ

    def _note_end(self, books: list[Book], orders: list[Order], ledger: list[Entry]) -> None:
        for each in (*books, *ledger, *orders):
            self._trace.note("simulation", each)
