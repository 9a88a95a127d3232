"""Whether all was right in the end: books, orders, ledger, and what people had been told.

What must hold between the data is known to ``servers.domain.invariants``, as `bookstore audit`
has it. Lives here: what can be seen of the invariants in the histories alone.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from servers.domain.accounts import Accounts, Violation
from servers.domain.invariants import BOUGHT, examine
from servers.domain.ledger import DECISIONS, Kind
from servers.domain.money import format_price
from servers.domain.order import State
from servers.domain.sale import order_id_of_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from servers.domain.book import Book
    from servers.domain.ledger import Entry
    from servers.domain.order import Order
    from tests.simulation.history import Attempt

REFUSALS = frozenset(
    {
        *("out_of_stock", "version_conflict", "price_changed", "book_deleted", "book_not_found"),
        "purchase_expired",
    }
)
"""The codes by which a purchase is refused for good."""

_FURTHEST = (
    *(State.PENDING, State.REJECTED, State.CONFIRMED),
    *(State.CANCELLING, State.CANCELLED),
)


def merged(orders: Iterable[Order]) -> tuple[list[Order], list[Violation]]:
    """Return the orders of all order servers, each once, and where two of them disagree.

    Two may have one order, where its customer asked both; both mirror the same entry.
    """
    found: dict[str, Order] = {}
    violations = []
    for order in orders:
        other = found.get(order.id)
        if other is None:
            found[order.id] = order
            continue
        if order.final and other.final and _decided(order) != _decided(other):
            violations.append(Violation("I11", f"order {order.id}", "two servers tell it apart"))
        found[order.id] = max(order, other, key=lambda each: _FURTHEST.index(each.state))
    return list(found.values()), violations


def _decided(order: Order) -> Order:
    return replace(
        order,
        state=State.PENDING,
        created_at_ms=0,
        cancelling_at_ms=None,
        cancelled_at_ms=None,
        return_number=None,
    )


def judge_data(
    books: Sequence[Book], orders: Sequence[Order], ledger: Sequence[Entry]
) -> list[Violation]:
    """Return what an audit finds."""
    accounts = Accounts(settled=ledger[-1].number if ledger else 0)
    for entry in ledger:
        accounts.take(entry)
    return examine(books, orders, accounts, None).violations


def judge_histories(
    attempts: Sequence[Attempt], orders: Sequence[Order], ledger: Sequence[Entry], *, copied: bool
) -> list[Violation]:
    """Return what contradicts what customers and staff were told.

    ``copied``: the network has delivered requests more than once, so that one that was
    refused without effect may have had one later.
    """
    by_id = {order.id: order for order in orders}
    decisions = {entry.order_id: entry for entry in ledger if entry.kind in DECISIONS}
    by_key: dict[str, list[Attempt]] = {}
    for attempt in attempts:
        if attempt.kind == "purchase" and attempt.key is not None:
            by_key.setdefault(attempt.key, []).append(attempt)
    found = [*_impossible(attempts), *_old_reads(attempts), *_wrong_reads(attempts, ledger)]
    found += _forgotten_orders(attempts)
    for key, asked in by_key.items():
        order_id = order_id_of_key(key)
        order, decision = by_id.get(order_id), decisions.get(order_id)
        found += [
            Violation(invariant, f"key {key}", finding)
            for invariant, finding in _of_a_key(asked, order, decision)
        ]
        untouched = all(attempt.harmless for attempt in asked) and not copied
        if untouched and (order is not None or decision is not None):
            finding = "every answer said that nothing was done, but there is an order"
            found.append(Violation("503", f"key {key}", finding))
    return found


def _impossible(attempts: Sequence[Attempt]) -> Iterator[Violation]:
    for attempt in attempts:
        if attempt.status == 500 or attempt.code in {"internal", "ledger_behind"}:
            subject = f"{attempt.who}'s {attempt.kind} at {attempt.began_s:.3f}"
            yield Violation("500", subject, f"{attempt.status} {attempt.body.decode()}")


def _of_a_key(
    asked: Sequence[Attempt], order: Order | None, decision: Entry | None
) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with the answers to one key."""
    finals = [attempt for attempt in asked if attempt.final]
    heard = [attempt for attempt in finals if attempt.code != "key_reused"]
    bodies = {attempt.body: None for attempt in heard}
    if len(bodies) > 1:
        yield "I11", f"its final answers differ: {list(bodies)}"
    if len({attempt.asked: None for attempt in heard}) > 1:
        yield "I12", "two different requests were answered"
    for attempt in heard:
        yield from _of_an_end(attempt, order, decision)
    for attempt in finals:
        if attempt.code == "key_reused" and all(each.asked == attempt.asked for each in asked):
            yield "I12", "it was used for one request only, but told to be reused"


def _of_an_end(
    attempt: Attempt, order: Order | None, decision: Entry | None
) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with one final answer."""
    if attempt.status in {200, 201}:
        if order is None or order.state not in BOUGHT:
            yield "I6", f"its customer was told {attempt.status}, but there is no such order"
        if decision is None or decision.kind is not Kind.SOLD:
            yield "I6", f"its customer was told {attempt.status}, but nothing was sold"
    elif attempt.code not in REFUSALS:
        yield "I7", f"it was refused with {attempt.status} {attempt.code}"
    elif decision is None or decision.kind is Kind.SOLD:
        yield "I7", f"its customer was told {attempt.code}, but no entry refuses it"


# Reads


def _seen(attempt: Attempt) -> tuple[int, int] | None:
    """Return which book at which version an answer is about, or None."""
    if attempt.status not in {200, 201} or attempt.kind not in _TELLS_VERSION:
        return None
    told = attempt.json
    return told.get("book_id", told["id"]), told[_TELLS_VERSION[attempt.kind]]


_TELLS_VERSION = {
    **dict.fromkeys(("look", "add", "edit", "restock"), "version"),
    "purchase": "version_after",
}


def _old_reads(attempts: Sequence[Attempt]) -> Iterator[Violation]:
    """Yield the reads that are older than what was known to somebody before they began."""
    moments: list[tuple[float, int, Attempt]] = []
    for attempt in attempts:
        if attempt.kind == "look" and attempt.status in {200, 410}:
            moments.append((attempt.began_s, 1, attempt))
        moments.append((attempt.ended_s, 0, attempt))
    newest: dict[int, int] = {}
    deleted: dict[int, None] = {}
    # Who asks in the instant in which an answer came asks because of it: time stands still
    # while people think, and no two messages arrive together.
    for _, begins, attempt in sorted(moments, key=lambda moment: moment[:2]):
        seen = _seen(attempt)
        if not begins:
            if attempt.kind == "delete" and attempt.status == 204 and attempt.book_id is not None:
                deleted[attempt.book_id] = None
            if seen is not None:
                newest[seen[0]] = max(newest.get(seen[0], 0), seen[1])
        elif seen is not None:
            subject = f"{attempt.who}'s look at book {seen[0]} at {attempt.began_s:.6f}"
            if seen[0] in deleted:
                yield Violation("I9", subject, "it was deleted before")
            if seen[1] < newest.get(seen[0], 0):
                yield Violation("I9", subject, f"saw {seen[1]}, {newest[seen[0]]} was known")


def _forgotten_orders(attempts: Sequence[Attempt]) -> Iterator[Violation]:
    """Yield the looks at an order that do not know of what its customer had been told before.

    Two order servers do not know of each other, so both answers are of the same frontend.
    """
    told: dict[tuple[str, str], Attempt] = {}
    for attempt in attempts:
        if attempt.kind == "purchase" and attempt.final and attempt.code != "key_reused":
            told.setdefault((attempt.frontend, order_id_of_key(attempt.key or "")), attempt)
    for attempt in attempts:
        if attempt.kind != "order" or attempt.status not in {200, 404}:
            continue
        before = told.get((attempt.frontend, attempt.order_id or ""))
        if before is None or before.ended_s > attempt.began_s:
            continue
        state = attempt.json.get("state", "unknown")
        if (state in BOUGHT) != (before.status in {200, 201}) or state == State.PENDING:
            subject = f"{attempt.who}'s look at order {attempt.order_id} at {attempt.began_s:.6f}"
            yield Violation("I9", subject, f"it is {state}, answered {before.status} before")


def _wrong_reads(attempts: Sequence[Attempt], ledger: Sequence[Entry]) -> Iterator[Violation]:
    """Yield the reads of a book as it never was."""
    was: dict[tuple[int, int], tuple[int | None, str]] = {}
    prices: dict[int, str] = {}
    for entry in ledger:
        if entry.version_after is None:
            continue
        if entry.kind in {Kind.ADDED, Kind.EDITED} and entry.unit_price_minor is not None:
            prices[entry.book_id] = format_price(entry.unit_price_minor)
        was[entry.book_id, entry.version_after] = entry.stock_after, prices.get(entry.book_id, "")
    for attempt in attempts:
        if attempt.kind == "look" and attempt.status == 200:
            told = attempt.json
            if was.get((told["id"], told["version"])) != (told["stock"], told["price"]):
                subject = f"{attempt.who}'s look at {attempt.began_s:.3f}"
                yield Violation("I9", subject, f"the book never was {attempt.body.decode()}")
