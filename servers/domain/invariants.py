"""What must always hold between books, ledger and orders, and what is wrong where it does not.

Pure: who reads books, ledger and orders, in which order, is in ``servers.upkeep.audit``. The ledger
comes added up (``servers.domain.accounts``), books and orders as they were read *before* the
ledger's end and after its ``settled`` number was noted. So whatever happened up to that number
must show in them, and what happened later may.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from servers.domain.accounts import OrderAccount, Violation, price, total_minor
from servers.domain.ledger import Kind
from servers.domain.money import format_price
from servers.domain.order import UNFINISHED, State
from servers.domain.value import value

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from servers.domain.accounts import Accounts, BookAccount, Standing
    from servers.domain.book import Book
    from servers.domain.order import Order

LONGEST_UNFINISHED_S = 75
"""How long an order may be pending or cancelling while all servers are up."""

BOUGHT = frozenset({State.CONFIRMED, State.CANCELLING, State.CANCELLED})
"""The states of an order that was sold."""


@value
class Totals:
    """Copies: ``received + returned = sold + left``."""

    received: int = 0
    returned: int = 0
    sold: int = 0
    left: int = 0


@value
class Findings:
    """What an audit found: the sums, how many orders are in which state, what is wrong."""

    totals: Totals
    states: Counter[State]
    violations: list[Violation]

    @property
    def unfinished(self) -> int:
        """How many orders are pending or cancelling."""
        return sum(self.states[state] for state in UNFINISHED)


@value
class Up:
    """A shop that runs: the time now, and since when all of it has been up."""

    now_ms: int
    since_ms: int


def examine(
    books: Iterable[Book], orders: Iterable[Order], accounts: Accounts, up: Up | None
) -> Findings:
    """Compare books and orders with the ledger; ``up`` is None for a stopped shop."""
    found = list(accounts.violations)
    totals = _examine_books(books, accounts, found)
    states = _examine_orders(orders, accounts, up, found)
    return Findings(totals, states, found)


# Books


def _examine_books(books: Iterable[Book], accounts: Accounts, found: list[Violation]) -> Totals:
    received = returned = sold = left = 0
    seen: set[int] = set()
    for book in books:
        subject = f"book {book.id}"
        if book.id in seen:
            found.append(Violation("I13", subject, "two books have this id"))
        seen.add(book.id)
        left += book.stock
        account = accounts.books.get(book.id)
        if account is None:
            found.append(Violation("I13", subject, "the ledger never added it"))
            continue
        standing = account.at(book.version) or account.last
        received += standing.received
        returned += standing.returned
        sold += standing.sold
        found.extend(
            Violation(invariant, subject, finding)
            for invariant, finding in _book_faults(book, account, standing)
        )
    for book_id, account in accounts.books.items():
        if book_id not in seen and account.settled is not None:
            finding = "the ledger has it, the books have not, so its id could return"
            found.append(Violation("I13", f"book {book_id}", finding))
    return Totals(received, returned, sold, left)


def _book_faults(book: Book, account: BookAccount, standing: Standing) -> Iterator[tuple[str, str]]:
    if book.stock < 0:
        yield "I1", f"its stock is {book.stock}"
    right = standing.received + standing.returned - standing.sold
    if book.stock != right:
        sums = f"received {standing.received} + returned {standing.returned} - sold {standing.sold}"
        yield "I2", f"{sums} = {right}, but its stock is {book.stock}"
    if account.at(book.version) is None:
        yield "I8", f"its version is {book.version}, its ledger ends at {standing.version}"
    if book.price_minor != standing.price_minor:
        said = price(standing)
        yield "I8", f"its price is {format_price(book.price_minor)}, the ledger says {said}"
    if book.title != standing.title:
        yield "I8", "its title is not the one in the ledger"
    if book.deleted and not standing.deleted:
        yield "I10", "it is deleted, but not in the ledger"
    if standing.deleted and not book.deleted:
        yield "I10", "the ledger has deleted it, but it is for sale"


# Orders


def _examine_orders(
    orders: Iterable[Order], accounts: Accounts, up: Up | None, found: list[Violation]
) -> Counter[State]:
    states: Counter[State] = Counter()
    seen: set[str] = set()
    orders_minor, ledger_minor = 0, accounts.net_minor
    for order in orders:
        states[order.state] += 1
        if order.id in seen:
            found.append(Violation("I3", f"order {order.id}", "two orders have this id"))
        seen.add(order.id)
        account = accounts.orders.get(order.id) or OrderAccount()
        if order.state is State.PENDING:
            # Sold perhaps, and its row not yet written: neither side counts its money.
            ledger_minor -= _settled_minor(account, accounts.settled)
        else:
            orders_minor += _owed_minor(order, account, accounts.settled)
        found.extend(
            Violation(invariant, f"order {order.id}", finding)
            for invariant, finding in _order_faults(order, account, accounts.settled, up)
        )
    found.extend(_without_order(accounts, seen))
    if orders_minor != ledger_minor:
        finding = (
            f"sold less returned is {_signed(ledger_minor)} in the ledger, "
            f"{_signed(orders_minor)} in the orders"
        )
        found.append(Violation("I14", "money", finding))
    return states


def _order_faults(
    order: Order, account: OrderAccount, settled: int, up: Up | None
) -> Iterator[tuple[str, str]]:
    if up is not None and order.state in UNFINISHED:
        yield from _too_long(order, up)
    if order.state is State.PENDING:
        returned = account.returned
        if returned is not None and returned.number <= settled:
            yield "I3", f"it is pending, but entry {returned.number} returned its copies"
        return
    if order.state is State.REJECTED:
        yield from _rejected_faults(account)
    else:
        yield from _bought_faults(order, account, settled)
    decision = account.decision
    if decision is None or (decision.kind is Kind.SOLD) != (order.state in BOUGHT):
        return
    if decision.fingerprint != order.purchase.fingerprint:
        yield "I12", f"entry {decision.number} decided another request than the order's"
    elif _told(order) != _told(order.decided(decision)):
        yield "I11", f"what its customer was told is not what entry {decision.number} says"
    if order.ledger_number != decision.number:
        invariant = "I3" if order.state in BOUGHT else "I7"
        yield invariant, f"it names entry {order.ledger_number}, decided by {decision.number}"


def _too_long(order: Order, up: Up) -> Iterator[tuple[str, str]]:
    began_ms = order.cancelling_at_ms if order.state is State.CANCELLING else None
    since_ms = max(began_ms or order.created_at_ms, up.since_ms)
    age_ms = up.now_ms - since_ms
    if age_ms > LONGEST_UNFINISHED_S * 1000:
        yield "I5", f"it has been {order.state} for {age_ms // 1000} s"


def _rejected_faults(account: OrderAccount) -> Iterator[tuple[str, str]]:
    if account.decision is None:
        yield "I7", "it is rejected, but no entry refuses it, so it could still be sold"
    elif account.decision.kind is Kind.SOLD:
        yield "I4", f"it is rejected, but entry {account.decision.number} sold it"


def _bought_faults(order: Order, account: OrderAccount, settled: int) -> Iterator[tuple[str, str]]:
    sold, returned = account.decision, account.returned
    if sold is None or sold.kind is not Kind.SOLD:
        yield "I3", f"it is {order.state}, but no entry sold it"
        return
    asked = order.purchase
    if (asked.book_id, asked.quantity) != (sold.book_id, sold.quantity):
        yield (
            "I3",
            (
                f"it is for {asked.quantity} of book {asked.book_id}, but sold were "
                f"{sold.quantity} of book {sold.book_id}"
            ),
        )
    if order.unit_price_minor != sold.unit_price_minor:
        told = format_price(order.unit_price_minor or 0)
        yield "I3", f"its price is {told}, but it was sold at {price(sold)}"
    if order.state is State.CANCELLED:
        if returned is None:
            yield "I3", "it is cancelled, but no entry returned its copies"
        elif order.return_number != returned.number:
            yield "I3", f"it names return {order.return_number}, made by {returned.number}"
    if order.state is State.CONFIRMED and returned is not None and returned.number <= settled:
        yield "I3", f"it is confirmed, but entry {returned.number} returned its copies"


def _without_order(accounts: Accounts, seen: set[str]) -> Iterator[Violation]:
    """Yield what the ledger decided of orders that are not there: a row is made before its sale."""
    for order_id, account in accounts.orders.items():
        entry = account.decision or account.returned
        if order_id in seen or entry is None or entry.number > accounts.settled:
            continue
        invariant = "I7" if entry.kind in {Kind.REFUSED, Kind.VOID} else "I3"
        finding = f"entry {entry.number} says {entry.kind}, but there is no such order"
        yield Violation(invariant, f"order {order_id}", finding)


def _told(order: Order) -> tuple[object, ...]:
    """Return what a final answer says besides the price, which has an invariant of its own."""
    after = (order.version_after, order.stock_after)
    return order.title, order.reason, order.decided_at_ms, after, _seen(order)


def _seen(order: Order) -> tuple[object, ...]:
    return order.version_seen, order.stock_seen


def _settled_minor(account: OrderAccount, settled: int) -> int:
    """Return what an order's entries add to the money, up to the settled number."""
    sold, returned = account.decision, account.returned
    gained = sold is not None and sold.kind is Kind.SOLD and sold.number <= settled
    lost = returned is not None and returned.number <= settled
    return (total_minor(sold) if sold and gained else 0) - (
        total_minor(returned) if returned and lost else 0
    )


def _owed_minor(order: Order, account: OrderAccount, settled: int) -> int:
    """Return what an order adds to the money, as of the settled number."""
    sold, returned = account.decision, account.returned
    if order.state not in BOUGHT or (sold is not None and sold.number > settled):
        return 0
    if returned is None:
        return 0 if order.state is State.CANCELLED else order.total_minor
    return 0 if returned.number <= settled else order.total_minor


def _signed(minor: int) -> str:
    return format_price(minor) if minor >= 0 else f"-{format_price(-minor)}"
