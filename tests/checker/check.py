"""The checker: a history and a shop's records, compared by the invariants I1 to I15.

What can be seen in the records alone is the audit's own code (``servers.domain.invariants``).
Here is what only clients can bear witness to: I6, I7, I9, I11, I12, I15, and that nobody who
wanted something once has bought it twice.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from servers.domain.accounts import Accounts, OrderAccount, Violation
from servers.domain.invariants import BOUGHT, examine
from servers.domain.ledger import CHANGES
from servers.domain.ledger import Kind as EntryKind
from servers.domain.order import reason_of
from tests.checker.history import Kind
from tests.checker.linear import out_of_order

if TYPE_CHECKING:
    from collections.abc import Iterator

    from servers.domain.invariants import Up
    from servers.domain.ledger import Entry
    from servers.domain.order import Order
    from tests.checker.history import History, Records, Told

DEADLINE_S = 10.0
"""Within what a client is answered, unless the one who checks says otherwise."""


def check(
    history: History, records: Records, *, deadline_s: float = DEADLINE_S, up: Up | None = None
) -> list[Violation]:
    """Return everything that is wrong, in the records, in the answers and between them."""
    accounts = Accounts(settled=records.ledger[-1].number if records.ledger else 0)
    for entry in records.ledger:
        accounts.take(entry)
    found = examine(records.books, records.orders, accounts, up).violations
    deleted_at = {
        entry.book_id: entry.version_after or 0
        for entry in records.ledger
        if entry.kind is EntryKind.DELETED
    }
    rows = {order.id: order for order in records.orders}
    return [
        *found,
        *_false_witness(history, records.ledger),
        *out_of_order(history.operations, deleted_at),
        *_answers(history.told, accounts, rows),
        *_too_late(history, deadline_s),
    ]


def _false_witness(history: History, ledger: list[Entry]) -> Iterator[Violation]:
    """Yield what clients saw of a version that is not what the ledger has of it."""
    made = {(each.book_id, each.version_after): each for each in ledger if each.kind in CHANGES}
    for each in history.operations:
        if each.kind is Kind.GONE or each.version == 0:
            continue
        entry = made.get((each.book_id, each.version))
        subject = f"book {each.book_id}"
        if entry is None:
            invariant = "I6" if each.kind is Kind.EFFECT else "I9"
            finding = f"a client saw version {each.version}, which the ledger has not"
            yield Violation(invariant, subject, finding)
        elif each.stock not in {None, entry.stock_after}:
            finding = f"a client saw {each.stock} copies at version {each.version}"
            yield Violation("I9", subject, f"{finding}, the ledger has {entry.stock_after}")
        elif each.order_id not in {None, entry.order_id}:
            finding = f"version {each.version} was told to order {each.order_id}"
            yield Violation("I6", subject, f"{finding}, it is that of {entry.order_id}")


# Answers to purchases


def _answers(told: list[Told], accounts: Accounts, rows: dict[str, Order]) -> Iterator[Violation]:
    by_order: dict[str, list[Told]] = defaultdict(list)
    wishes: dict[str, set[str]] = defaultdict(set)
    nothing = OrderAccount()
    for each in told:
        by_order[each.order_id].append(each)
        decision = accounts.orders.get(each.order_id, nothing).decision
        if decision is not None and decision.kind is EntryKind.SOLD:
            wishes[each.wish].add(each.order_id)
    for order_id, answers in by_order.items():
        decision = accounts.orders.get(order_id, nothing).decision
        for invariant, finding in _of_one_order(answers, decision, rows.get(order_id)):
            yield Violation(invariant, f"order {order_id}", finding)
    for wish, orders in wishes.items():
        if len(orders) > 1:
            finding = f"it was sold {len(orders)} times: {', '.join(sorted(orders))}"
            yield Violation("I3", f"wish {wish}", finding)


def _of_one_order(
    answers: list[Told], decision: Entry | None, row: Order | None
) -> Iterator[tuple[str, str]]:
    final = [each for each in answers if each.confirmed or each.refused]
    bodies = {each.body for each in final}
    if len({each.fingerprint for each in final}) > 1:
        yield "I12", "two different requests were answered under one key"
    elif len(bodies) > 1:
        yield "I11", f"there are {len(bodies)} different final answers"
    for each in answers:
        if each.confirmed:
            yield from _unlike_sale(each, decision, row)
        elif each.refused:
            yield from _unlike_refusal(each, decision)
        elif each.code == "key_reused" and _of_this_request(each, decision):
            yield "I12", "a request was told that its key is used, by itself"


def _of_this_request(told: Told, decision: Entry | None) -> bool:
    return decision is not None and decision.fingerprint == told.fingerprint


def _unlike_sale(
    told: Told, decision: Entry | None, row: Order | None
) -> Iterator[tuple[str, str]]:
    if decision is None or decision.kind is not EntryKind.SOLD:
        yield "I6", f"a customer was told {told.status}, but no entry sold it"
        return
    if decision.fingerprint != told.fingerprint:
        yield "I12", f"a customer was told {told.status} for what another request bought"
    if row is None or row.state not in BOUGHT:
        yield "I6", f"a customer was told {told.status}, but the order is not confirmed"
    entry, body = decision.as_told(), told.json
    if (body["version_after"], body["stock_after"]) != (entry.version_after, entry.stock_after):
        yield "I6", f"a customer was told of version {body['version_after']}, which is another's"


def _unlike_refusal(told: Told, decision: Entry | None) -> Iterator[tuple[str, str]]:
    if decision is None:
        yield "I7", f"a customer was told {told.code}, but nothing says so: it could be sold"
    elif decision.kind is EntryKind.SOLD:
        yield "I7", f"a customer was told {told.code}, but entry {decision.number} sold it"
    elif reason_of(decision) != told.code:
        yield "I7", f"a customer was told {told.code}, the ledger says {reason_of(decision)}"


def _too_late(history: History, deadline_s: float) -> Iterator[Violation]:
    spans = [
        *history.spans,
        *[(each.began_s, each.ended_s, f"purchase {each.order_id}") for each in history.told],
        *[(each.began_s, each.ended_s, f"book {each.book_id}") for each in history.operations],
    ]
    for began_s, ended_s, subject in spans:
        if ended_s - began_s > deadline_s:
            yield Violation("I15", subject, f"it took {ended_s - began_s:.3f} s to be answered")
