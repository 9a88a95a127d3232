"""The purchase protocol without servers, HTTP or SQL: what may happen next in a small world.

One book; orders; processes of the order server (drivers of customers' requests, the resolver,
a cancelling); the catalog, of which each call is one transaction; the wire between them; staff;
and faults, as many as the world has left. A step is one transaction or one message: nothing
can come between its parts. Every exploration is in ``search``, every rule in ``rules``.

A bug can be planted (``Bug``), to see that the search finds it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.model.world import (
    NOBODY,
    Book,
    Bug,
    Entry,
    Message,
    Process,
    Row,
    World,
    in_any_order,
    key_of,
    moved,
    put,
    without,
    words,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

DECISIONS = frozenset({"sold", "refused", "void"})
_DRIVEN_BY = {"pending": ("sell", "void"), "cancelling": ("return",)}
"""What the resolver asks for, by the state of an order; when it is too old is left open."""

Step = tuple[str, World]


def steps(world: World, bug: Bug | None = None) -> Iterator[Step]:
    """Yield what may happen next without any fault, each with the world after it."""
    for place, process in enumerate(world.processes):
        yield from _process_steps(world, place, process, bug)
    for message in sorted(set(world.wire), key=key_of):
        yield f"arrives: {words(message)}", _delivered(world, message, bug)
    for change in world.staff:
        rest = tuple(each for each in world.staff if each != change)
        yield f"staff: {change}", _changed_by_staff(world._replace(staff=rest), change)


def faults(world: World, bug: Bug | None = None) -> Iterator[Step]:
    """Yield what may go wrong next: a crash of the order server, or the fate of a message."""
    if world.faults == 0:
        return
    world = world._replace(faults=world.faults - 1)
    for fate in ("retry", "are gone"):
        yield f"the order server dies, its customers {fate}", _crashed(world, fate)
    for message in sorted(set(world.wire), key=key_of):
        text = words(message)
        copy = message._replace(sender=NOBODY)
        yield f"copied: {text}", world._replace(wire=in_any_order((*world.wire, copy)))
        yield f"lost: {text}", _given_up(without(world, message), message, bug)
        if message.sender != NOBODY:
            late = without(world, message)
            late = late._replace(wire=in_any_order((*late.wire, copy)))
            yield f"late: {text}", _given_up(late, message, bug)
            unheard = _delivered(world, message, bug, heard=False)
            yield f"answer lost: {text}", _given_up(unheard, message, bug)
            if bug is Bug.ANSWER_BEFORE_COMMIT:
                after = _delivered(world, message, bug)
                after = after._replace(book=world.book, ledger=world.ledger)
                yield f"the catalog dies after its answer: {text}", after


# The order server


def _process_steps(world: World, place: int, process: Process, bug: Bug | None) -> Iterator[Step]:
    name, row = f"{process.role} {place}", world.rows[process.order]
    if process.step == "write":
        yield f"{name} writes", _written(world, place, process, bug)
    elif process.step == "tell":
        assert process.heard is not None
        yield f"{name} tells", _told(world, place, process, process.heard)
    elif process.step == "ask":
        kind = "sell" if process.role == "buy" else "return"
        yield f"{name} asks", _sent(world, place, process, kind)
    elif process.step != "begin":
        return
    elif process.role == "buy":
        yield f"{name} begins", _placed(world, place, process, row, bug)
    elif process.role == "resolve" and bug is not Bug.NO_RECOVERY:
        for kind in _DRIVEN_BY.get(row.state if row is not None else "", ()):
            yield f"{name}: {kind}", _sent(world, place, process, kind)
    elif process.role == "cancel" and row is not None and row.state != "pending":
        yield f"{name} begins", _cancelling(world, place, process, row, bug)


def _placed(world: World, place: int, process: Process, row: Row | None, bug: Bug | None) -> World:
    if row is None:
        if bug is not Bug.ORDER_LAST:
            row = Row(process.quantity)
            world = world._replace(rows=put(world.rows, process.order, row))
        return moved(world, place, process._replace(step="ask"))
    if row.quantity != process.quantity:  # key_reused, without any effect
        return moved(world, place, process._replace(step="done"))
    if row.entry is not None:
        return _told(world, place, process, row.entry)
    return moved(world, place, process._replace(step="ask"))


def _cancelling(world: World, place: int, process: Process, row: Row, bug: Bug | None) -> World:
    if row.state in {"rejected", "cancelled"}:
        return moved(world, place, process._replace(step="done"))
    if row.state == "confirmed" and bug is not Bug.RETURN_FIRST:
        cancelling = row._replace(state="cancelling")
        world = world._replace(rows=put(world.rows, process.order, cancelling))
    return moved(world, place, process._replace(step="ask"))


def _written(world: World, place: int, process: Process, bug: Bug | None) -> World:
    row, heard = world.rows[process.order], process.heard
    assert heard is not None
    if row is None:
        row = Row(process.quantity)
    if heard.kind == "returned":
        ready = {"cancelling", "confirmed"} if bug is Bug.RETURN_FIRST else {"cancelling"}
        if row.state in ready:
            row = row._replace(state="cancelled", returned=heard)
    elif row.state == "pending" or bug is Bug.ANY_STATE_DECIDED:
        row = row._replace(state="confirmed" if heard.kind == "sold" else "rejected", entry=heard)
    world = world._replace(rows=put(world.rows, process.order, row))
    then = {"buy": "tell", "resolve": "begin", "cancel": "done"}[process.role]
    heard_still = heard if then == "tell" else None
    return moved(world, place, process._replace(step=then, heard=heard_still))


def _told(world: World, place: int, process: Process, entry: Entry) -> World:
    before = world.told[process.order]
    said: Entry | str = entry if before in {None, entry} else f"{before}, then {entry}"
    world = world._replace(told=put(world.told, process.order, said))
    return moved(world, place, process._replace(step="done", heard=None))


def _sent(world: World, place: int, process: Process, kind: str) -> World:
    quantity = process.quantity
    row = world.rows[process.order]
    if process.role != "buy" and row is not None:
        quantity = row.quantity
    message = Message(kind, process.order, quantity, process.version, place)
    world = world._replace(wire=in_any_order((*world.wire, message)))
    return moved(world, place, process._replace(step="wait"))


def _given_up(world: World, message: Message, bug: Bug | None) -> World:
    """Let the sender of a message stop waiting: he asks again."""
    if message.sender == NOBODY:
        return world
    process = world.processes[message.sender]
    if bug is Bug.FAILED_ON_TIMEOUT and process.role == "buy":
        row = Row(process.quantity, "rejected")
        world = world._replace(rows=put(world.rows, process.order, row))
        return moved(world, message.sender, process._replace(step="done"))
    again = "begin" if process.role == "resolve" else "ask"
    return moved(world, message.sender, process._replace(step=again))


def _crashed(world: World, fate: str) -> World:
    fresh = tuple(
        process._replace(step="begin", version=1, heard=None)
        if process.role == "resolve" or (fate == "retry" and process.step != "done")
        else process._replace(step="done", version=1, heard=None)
        for process in world.processes
    )
    wire = in_any_order(tuple(message._replace(sender=NOBODY) for message in world.wire))
    return world._replace(processes=fresh, wire=wire)


# The catalog


def _delivered(world: World, message: Message, bug: Bug | None, *, heard: bool = True) -> World:
    """Carry out a call in one transaction, and let its sender hear the answer."""
    world = without(world, message)
    if message.kind == "sell" and bug is Bug.TWO_TRANSACTIONS and message.found is None:
        found = message._replace(found=world.book)
        return world._replace(wire=in_any_order((*world.wire, found)))
    world, answer = _CALLS[message.kind](world, message, bug)
    if message.sender == NOBODY or not heard:
        return world
    process = world.processes[message.sender]
    if answer is None:  # Stale: it is tried again at the version in the answer.
        again = "begin" if process.role == "resolve" else "ask"
        process = process._replace(step=again, version=world.book.version)
    else:
        process = process._replace(step="write", heard=answer)
    return moved(world, message.sender, process)


def _sell(world: World, message: Message, bug: Bug | None) -> tuple[World, Entry | None]:
    decided = _entry(world, message.order, DECISIONS)
    if decided is not None and bug is not Bug.NO_DEDUPLICATION:
        return world, decided
    book = message.found or world.book
    deleted = book.deleted and bug is not Bug.DELETED_SOLD
    if deleted or message.quantity > book.stock:
        after, refusal = _appended(world, "refused", message.order, 0, world.book)
        return (world if bug is Bug.REFUSAL_UNRECORDED else after), refusal
    if message.version != book.version:
        return world, None
    later = 0 if bug is Bug.VERSION_KEPT else 1
    book = Book(book.stock - message.quantity, book.version + later, world.book.deleted)
    return _appended(world, "sold", message.order, -message.quantity, book)


def _void(world: World, message: Message, bug: Bug | None) -> tuple[World, Entry]:
    decided = _entry(world, message.order, DECISIONS)
    if decided is not None and bug is not Bug.BLIND_VOID:
        return world, decided
    return _appended(world, "void", message.order, 0, world.book)


def _take_back(world: World, message: Message, bug: Bug | None) -> tuple[World, Entry]:
    returned = _entry(world, message.order, frozenset({"returned"}))
    if returned is not None and bug is not Bug.RETURNED_TWICE:
        return world, returned
    book = _restocked(world.book, message.quantity)
    return _appended(world, "returned", message.order, message.quantity, book)


_CALLS = {"sell": _sell, "void": _void, "return": _take_back}


def _changed_by_staff(world: World, change: str) -> World:
    if world.book.deleted:
        return world
    if change == "delete":
        tombstone = world.book._replace(deleted=True, version=world.book.version + 1)
        return _appended(world, "deleted", None, 0, tombstone)[0]
    return _appended(world, "received", None, 1, _restocked(world.book, 1))[0]


def _restocked(book: Book, change: int) -> Book:
    return book._replace(stock=book.stock + change, version=book.version + 1)


def _entry(world: World, order: int, kinds: frozenset[str]) -> Entry | None:
    return next((each for each in world.ledger if each.order == order and each.kind in kinds), None)


def _appended(
    world: World, kind: str, order: int | None, change: int, book: Book
) -> tuple[World, Entry]:
    entry = Entry(kind, order, change, book, len(world.ledger) + 1)
    return world._replace(book=book, ledger=(*world.ledger, entry)), entry
