"""What a small world is made of: a book, its ledger, orders, tasks, messages; and the bugs.

What may happen in it is in ``protocol``.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

NOBODY = -1
"""The sender of a message whose answer nobody waits for: he died, gave up, or it is a copy."""


class Bug(Enum):
    """What the protocol would be without one of its rules."""

    NO_RECOVERY = "nobody drives on what was left unfinished"
    REFUSAL_UNRECORDED = "a refusal is told and not written down"
    NO_DEDUPLICATION = "the ledger is not asked whether an order is decided"
    DELETED_SOLD = "a deleted book is sold"
    FAILED_ON_TIMEOUT = "an order whose call is not answered is rejected"
    TWO_TRANSACTIONS = "the catalog reads in one transaction and writes the result in another"
    ANSWER_BEFORE_COMMIT = "the catalog answers before its commit"
    ANY_STATE_DECIDED = "a decision overwrites an order whatever its state"
    RETURN_FIRST = "copies are given back before the order says cancelling"
    RETURNED_TWICE = "copies are given back as often as it is asked"
    BLIND_VOID = "a void does not look whether the order is decided"
    ORDER_LAST = "the order is written after its sale"
    VERSION_KEPT = "a sale does not move the version on"


class Book(NamedTuple):
    """The one book; a deleted one is a tombstone."""

    stock: int
    version: int = 1
    deleted: bool = False


class Entry(NamedTuple):
    """One entry of the ledger; its number is its place."""

    kind: str
    order: int | None
    change: int
    book: Book
    """The book as the entry leaves it, or as a refusal found it."""
    number: int


class Row(NamedTuple):
    """An order as the order server's database has it."""

    quantity: int
    state: str = "pending"
    entry: Entry | None = None
    returned: Entry | None = None


class Message(NamedTuple):
    """A call on its way to the catalog; ``found`` is used by one of the bugs alone."""

    kind: str
    order: int
    quantity: int
    version: int
    sender: int
    found: Book | None = None


class Process(NamedTuple):
    """A task of the order server: buy, resolve or cancel; ``version`` is its guess."""

    role: str
    order: int
    quantity: int = 1
    step: str = "begin"
    version: int = 1
    heard: Entry | None = None


class World(NamedTuple):
    """Everything at one moment; ``told`` is what the customers of each order were told."""

    book: Book
    ledger: tuple[Entry, ...]
    rows: tuple[Row | None, ...]
    processes: tuple[Process, ...]
    told: tuple[Entry | str | None, ...]
    wire: tuple[Message, ...] = ()
    staff: tuple[str, ...] = ()
    faults: int = 0


def new_world(
    *processes: Process, stock: int, orders: int, staff: tuple[str, ...] = (), faults: int = 0
) -> World:
    """Return a world at its beginning: the book was added, nothing else has happened."""
    book = Book(stock)
    added = Entry("added", None, stock, book, 1)
    none = (None,) * orders
    return World(book, (added,), none, processes, none, (), staff, faults)


def moved(world: World, place: int, process: Process) -> World:
    """Return the world with a process moved on."""
    return world._replace(processes=put(world.processes, place, process))


def put(things: tuple, place: int, thing: object) -> tuple:  # type: ignore[type-arg]  # of anything
    """Return a tuple with one of its parts replaced."""
    return (*things[:place], thing, *things[place + 1 :])


def without(world: World, message: Message) -> World:
    """Return the world with a message taken off the wire."""
    place = world.wire.index(message)
    return world._replace(wire=world.wire[:place] + world.wire[place + 1 :])


def in_any_order(wire: tuple[Message, ...]) -> tuple[Message, ...]:
    """Return messages sorted: they overtake each other, so their order is no part of a world."""
    return tuple(sorted(wire, key=key_of))


def key_of(message: Message) -> tuple[object, ...]:
    """Return what messages are sorted by."""
    return (*message[:-1], message.found or ())


def words(message: Message) -> str:
    """Return a message as people read it."""
    whose = "nobody's" if message.sender == NOBODY else f"{message.sender}'s"
    return f"{whose} {message.kind} of order {message.order} at version {message.version}"
