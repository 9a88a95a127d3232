"""What the ledger says of each book and each order, read once, from its first entry to its last.

Lives here: the sums that an audit compares with books and orders, and what is wrong with the
ledger in itself. Comparing with books and orders is done in ``servers.domain.invariants``.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from servers.domain.ledger import CHANGES, DECISIONS, REENTERED, Kind
from servers.domain.money import format_price
from servers.domain.sale import Purchase
from servers.domain.value import value

if TYPE_CHECKING:
    from servers.domain.ledger import Entry


@value
class Violation:
    """An invariant that does not hold, for example I2 of ``book 4``."""

    invariant: str
    subject: str
    finding: str

    @property
    def detail(self) -> str:
        """What is wrong with what, in one line."""
        return f"{self.subject}: {self.finding}"


@dataclass(slots=True)
class Standing:
    """A book as the ledger has it at one version, with the sums up to there."""

    version: int = 0
    stock: int = 0
    received: int = 0
    returned: int = 0
    sold: int = 0
    price_minor: int | None = None
    title: str | None = None
    deleted: bool = False


@dataclass(slots=True)
class BookAccount:
    """A book's standing at the last settled entry, and after each entry that came later."""

    settled: Standing | None = None
    later: list[Standing] = field(default_factory=list)

    @property
    def last(self) -> Standing:
        """The standing after all entries."""
        return self.later[-1] if self.later else self.settled or Standing()

    def at(self, version: int) -> Standing | None:
        """Return the standing at a version that a book may be seen at, or None."""
        if self.settled is not None and self.settled.version == version:
            return self.settled
        return next((each for each in self.later if each.version == version), None)


@dataclass(slots=True)
class OrderAccount:
    """The entries of one order: what decided it, and the return."""

    decision: Entry | None = None
    returned: Entry | None = None


class Accounts:
    """The ledger, added up entry by entry; one pass, and one small record per book and order.

    Entries numbered above ``settled`` were made while the audit read, so that a book or an
    order may have been seen before or after them.
    """

    def __init__(self, settled: int) -> None:
        self.settled = settled
        self.books: dict[int, BookAccount] = {}
        self.orders: dict[str, OrderAccount] = {}
        self.net_minor = 0
        self.violations: list[Violation] = []
        self._last_number = 0

    def take(self, entry: Entry) -> None:
        """Add the next entry."""
        if entry.number <= self._last_number:
            self._wrong("I8", "ledger", f"entry {entry.number} follows {self._last_number}")
        self._last_number = entry.number
        if entry.order_id is not None:
            self._take_order(entry, entry.order_id)
        if entry.kind in CHANGES:
            self._take_change(entry)

    def _take_order(self, entry: Entry, order_id: str) -> None:
        account = self.orders.setdefault(order_id, OrderAccount())
        subject = f"order {order_id}"
        if entry.fingerprint != _fingerprint(entry, order_id):
            self._wrong("I12", subject, f"{_name(entry)} has not the fingerprint of its request")
        if entry.kind in DECISIONS:
            if account.decision is not None:
                twice = f"{_name(account.decision)} decided it, and {_name(entry)} once more"
                self._wrong("I3", subject, twice)
            else:
                account.decision = entry
        elif entry.kind is Kind.RETURNED:
            if account.returned is not None:
                self._wrong("I3", subject, f"{_name(entry)} gives it back once more")
            else:
                account.returned = entry
            self._check_return(entry, account.decision, subject)
        if entry.kind in {Kind.SOLD, Kind.RETURNED}:
            self._take_money(entry, subject)

    def _check_return(self, entry: Entry, sold: Entry | None, subject: str) -> None:
        if sold is None or sold.kind is not Kind.SOLD:
            self._wrong("I3", subject, f"{_name(entry)} gives back what was not sold before")
        elif _deal(entry) != _deal(sold):
            finding = f"{_name(entry)} gives back {_words(entry)}, but sold was {_words(sold)}"
            self._wrong("I3", subject, finding)

    def _take_money(self, entry: Entry, subject: str) -> None:
        sign = 1 if entry.kind is Kind.SOLD else -1
        if entry.change != -sign * (entry.quantity or 0):
            finding = f"{_name(entry)} of {entry.quantity} changes the stock by {entry.change}"
            self._wrong("I3", subject, finding)
        if entry.number <= self.settled:
            self.net_minor += sign * total_minor(entry)

    def _take_change(self, entry: Entry) -> None:
        subject = f"book {entry.book_id}"
        account = self.books.get(entry.book_id)
        if account is None:
            account = self.books[entry.book_id] = BookAccount()
            if entry.kind is not Kind.ADDED:
                self._wrong("I13", subject, f"it begins with {_name(entry)}, it was never added")
        elif entry.kind is Kind.ADDED:
            self._wrong("I13", subject, f"{_name(entry)} adds it again")
        before = account.last
        self._check_change(entry, before, subject)
        if entry.number > self.settled:
            account.later.append(_after(entry, replace(before)))
        else:
            account.settled = _after(entry, before)

    def _check_change(self, entry: Entry, before: Standing, subject: str) -> None:
        if entry.version_after != before.version + 1:
            finding = f"{_name(entry)} makes version {entry.version_after} of {before.version}"
            self._wrong("I8", subject, finding)
        if entry.stock_after is None or entry.stock_after < 0:
            self._wrong("I1", subject, f"{_name(entry)} leaves a stock of {entry.stock_after}")
        if entry.stock_after != before.stock + entry.change:
            finding = (
                f"{_name(entry)} changes the stock of {before.stock} by {entry.change}, which is "
                f"not the {entry.stock_after} that it leaves"
            )
            self._wrong("I2", subject, finding)
        # A sale that is entered again was made before, at the price and the state of then.
        if entry.kind is not Kind.SOLD or entry.reason == REENTERED:
            return
        if before.deleted:
            self._wrong("I10", subject, f"{_name(entry)} was made after the delete")
        if entry.unit_price_minor != before.price_minor:
            finding = f"{_name(entry)} is at {price(entry)}, the price was {price(before)}"
            self._wrong("I14", subject, finding)

    def _wrong(self, invariant: str, subject: str, finding: str) -> None:
        self.violations.append(Violation(invariant, subject, finding))


def total_minor(entry: Entry) -> int:
    """Return what an order's copies cost, as the ledger has it."""
    return (entry.quantity or 0) * (entry.unit_price_minor or 0)


def price(thing: Entry | Standing) -> str:
    """Return a price as people read it."""
    minor = thing.price_minor if isinstance(thing, Standing) else thing.unit_price_minor
    return "no price" if minor is None else format_price(minor)


def _after(entry: Entry, standing: Standing) -> Standing:
    """Move a standing on to what an entry leaves, right or wrong, so that each fault is told once.

    The sums alone go their own way: they are what the stock is compared with.
    """
    standing.version = entry.version_after or standing.version
    standing.stock = entry.stock_after if entry.stock_after is not None else standing.stock
    if entry.kind is Kind.SOLD:
        standing.sold -= entry.change
    elif entry.kind is Kind.RETURNED:
        standing.returned += entry.change
    else:
        if entry.kind in {Kind.ADDED, Kind.RECEIVED}:
            standing.received += entry.change
        # The entries of staff tell how the book is; a correction of the stock alone does not.
        if entry.unit_price_minor is not None:
            standing.price_minor, standing.title = entry.unit_price_minor, entry.title
        standing.deleted = standing.deleted or entry.kind is Kind.DELETED
    return standing


def _fingerprint(entry: Entry, order_id: str) -> str:
    asked = entry.asked_version, entry.asked_max_price_minor
    return Purchase(order_id, entry.book_id, entry.quantity or 0, *asked).fingerprint


def _deal(entry: Entry) -> tuple[object, ...]:
    return entry.book_id, entry.quantity, entry.unit_price_minor


def _words(entry: Entry) -> str:
    return f"{entry.quantity} of book {entry.book_id} at {price(entry)}"


def _name(entry: Entry) -> str:
    return f"entry {entry.number} ({entry.kind})"
