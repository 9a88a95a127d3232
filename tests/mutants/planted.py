"""The planted bugs: each one rule of the product taken out of a copy of its source.

A mutant says what is edited, which check has to find it, and what that check may call it: an
invariant, or ``model`` where the shop no longer does what a model of a page says.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

SALE: Final = "servers/domain/sale.py"
BOOK: Final = "servers/domain/book.py"
SELLING: Final = "servers/catalog/selling.py"
CATALOG: Final = "servers/catalog/service.py"
BOOKS: Final = "servers/catalog/store.py"
ORDERS: Final = "servers/order/service.py"
ROWS: Final = "servers/order/store.py"
SELLER: Final = "servers/order/seller.py"
RESOLVER: Final = "servers/order/resolver.py"
LEDGER: Final = "servers/storage/migrations/sqlite/catalog/0001_books_and_ledger.sql"


@dataclass(frozen=True)
class Edit:
    """A text that stands in a file just once, and what stands there in the mutant."""

    path: str
    old: str
    new: str


@dataclass(frozen=True)
class Mutant:
    """A planted bug. ``check`` is storm, catalog or shop; ``caught_by`` what it may find."""

    name: str
    check: str
    caught_by: frozenset[str]
    edits: tuple[Edit, ...]


def _mutant(name: str, check: str, caught_by: str, *edits: Edit) -> Mutant:
    return Mutant(name, check, frozenset(caught_by.split()), edits)


_DECIDED_ONCE = Edit(LEDGER, "CREATE UNIQUE INDEX ledger_decision", "CREATE INDEX ledger_decision")
_RETURNED_ONCE = Edit(LEDGER, "CREATE UNIQUE INDEX ledger_return", "CREATE INDEX ledger_return")
_NO_VERSION = Edit(
    BOOKS,
    '"WHERE id = $1 AND version = $2",\n        before.id,\n        before.version,\n'
    "        after.title,",
    '"WHERE id = $1 AND $2 > 0",\n        before.id,\n        before.version,\n'
    "        after.title,",
)

MUTANTS: Final = (
    _mutant(
        "a deleted book is sold",
        *("storm", "I10"),
        Edit(SALE, "    if book.deleted:\n", "    if book.deleted and book.stock == 0:\n"),
    ),
    _mutant(
        "nobody drives on what was left unfinished",
        *("storm", "I5"),
        Edit(RESOLVER, "if age_s >= timing.resolve_after_s]", "if age_s >= 1e9]"),
    ),
    _mutant(
        "a refusal is told and not written down",
        *("storm", "I7 I11 I4"),
        Edit(
            SELLING,
            "in await store.append_all(tx, [*decided.values()]):",
            "in [e if e.kind is Kind.REFUSED else await store.append(tx, e) "
            "for e in decided.values()]:",
        ),
    ),
    _mutant(
        "a retry goes out under a new id",
        *("storm", "I3"),
        Edit(
            SELLER,
            "            self._loop.call_later(pause_s, self._enqueue, drive)\n\n    def _end(",
            "            from dataclasses import replace\n"
            '            fresh = f"{self._random.getrandbits(128):032x}"\n'
            "            purchase = replace(drive.order.purchase, order_id=fresh)\n"
            "            drive.order = replace(drive.order, purchase=purchase)\n"
            "            self._loop.call_later(pause_s, self._enqueue, drive)\n\n"
            "    def _end(",
        ),
    ),
    _mutant(
        "stock is decided outside the transaction and written without its version",
        *("storm", "I2 I8"),
        Edit(
            CATALOG,
            "        async def unit(tx: Transaction) -> Change:\n"
            "            await self._current(tx)\n"
            "            made = await recording.made_before(tx, key)\n"
            "            if made is not None:\n"
            "                return made\n"
            "            before = await self._living(tx, book_id, version)\n",
            "        read = await self._database.read(\n"
            "            lambda tx: self._living(tx, book_id, version))\n\n"
            "        async def unit(tx: Transaction) -> Change:\n"
            "            before = read\n",
        ),
        _NO_VERSION,
    ),
    _mutant(
        "an edit is written over whatever happened since it was looked up",
        *("storm", "I2 I8"),
        Edit(
            CATALOG,
            "        async def unit(tx: Transaction) -> Book:\n"
            "            before = await self._living(tx, book_id, version)\n"
            "            after = before.edited(edit, at_ms)\n",
            "        read = await self._database.read(\n"
            "            lambda tx: self._living(tx, book_id, version))\n\n"
            "        async def unit(tx: Transaction) -> Book:\n"
            "            before = read\n"
            "            after = before.edited(edit, at_ms)\n",
        ),
        _NO_VERSION,
    ),
    _mutant(
        "the ledger is not asked whether an order is decided",
        *("storm", "I3"),
        Edit(
            SELLING,
            "entries = await store.decisions(tx, order_ids)",
            "entries: dict[str, Entry] = {}",
        ),
        _DECIDED_ONCE,
    ),
    _mutant(
        "an order is given up when its time is out, without asking the ledger",
        *("storm", "I4 I7"),
        Edit(
            ORDERS,
            "entry = await self._catalog.void(order.purchase, self.seller.ledger_seen)",
            "from servers.domain.ledger import Entry, Kind\n"
            "            number = self.seller.ledger_seen.number\n"
            "            entry = Entry(number, Kind.VOID, order.purchase.book_id, 0)",
        ),
        Edit(RESOLVER, "if age_s >= self._orders.timing.void_after_s:", "if age_s >= 0.2:"),
    ),
    _mutant(
        "a void does not look whether the order is decided",
        *("storm", "I3 I4 I7 I11"),
        Edit(
            SELLING,
            "    entry = await store.decision(tx, purchase.order_id)\n    if entry is None:\n",
            "    entry = None\n    if entry is None:\n",
        ),
        _DECIDED_ONCE,
        Edit(RESOLVER, "if age_s >= self._orders.timing.void_after_s:", "if age_s >= 0.2:"),
    ),
    _mutant(
        "copies are given back as often as it is asked",
        *("storm", "I3"),
        Edit(
            SELLING,
            "    if returned is not None:\n        return returned\n",
            "",
        ),
        _RETURNED_ONCE,
    ),
    _mutant(
        "copies are given back before the order says cancelling",
        *("storm", "I3"),
        Edit(
            ORDERS,
            "            order = await self._begin_cancel(order)\n",
            "            pass\n",
        ),
        Edit(
            ORDERS,
            "while order.state is State.CANCELLING and",
            "while order.state in {State.CONFIRMED, State.CANCELLING} and",
        ),
        Edit(ROWS, "WHERE id = $1 AND state = 'cancelling'", "WHERE id = $1"),
    ),
    _mutant(
        "a decision overwrites an order whatever its state",
        *("storm", "I3 I5"),
        Edit(
            ROWS,
            "stock_seen = $11 WHERE id = $1 AND state = 'pending'",
            "stock_seen = $11 WHERE id = $1",
        ),
    ),
    _mutant(
        "the order is not written before its sale",
        *("storm", "I3 I6 I7"),
        Edit(
            ORDERS,
            "            inserted = await store.insert_pending(tx, new)\n",
            "            inserted = {order.id for order in new"
            " if await store.order(tx, order.id) is None}\n",
        ),
    ),
    _mutant(
        "one key may stand for two requests",
        *("storm", "I12"),
        Edit(
            ORDERS,
            "elif row.purchase.fingerprint != purchase.fingerprint:",
            "elif row.purchase.book_id != purchase.book_id:",
        ),
    ),
    _mutant(
        "the sales of a batch share one version",
        *("storm", "I8 500"),
        Edit(
            SALE, "            version_now += 1\n", "            version_now = book.version + 1\n"
        ),
    ),
    _mutant(
        "a book that is returned keeps its version",
        *("storm", "I8 500"),
        Edit(
            BOOK,
            "return self._moved(stock=self.stock + quantity, updated_at_ms=at_ms)",
            "return replace(self, stock=self.stock + quantity, updated_at_ms=at_ms)",
        ),
    ),
    _mutant(
        "the copies of a deleted book cannot be given back",
        *("storm", "I5"),
        Edit(
            SELLING,
            "    after = before.returned(purchase.quantity, at_ms)\n",
            "    after = before.living().returned(purchase.quantity, at_ms)\n",
        ),
    ),
    _mutant(
        "one copy more is sold than there is",
        *("storm", "I1"),
        Edit(SALE, "if sale.quantity > stock_now:", "if sale.quantity > stock_now + 1:"),
        Edit(LEDGER, "stock         INTEGER NOT NULL CHECK (stock >= 0)", "stock INTEGER NOT NULL"),
        Edit(LEDGER, "INTEGER CHECK (stock_after >= 0)", "INTEGER"),
    ),
    _mutant(
        "an answer is made anew at each asking",
        *("storm", "I11"),
        Edit(
            "servers/order/mapping.py",
            "return self._body(order, State.CONFIRMED)",
            "return self._body(order, order.state)",
        ),
    ),
    _mutant(
        "a stale sale is refused",
        *("catalog", "model"),
        Edit(
            SALE,
            "            decisions[place] = Stale(book)\n",
            '            decisions[place] = _refused(book, "stale", version_now, stock_now)\n',
        ),
    ),
    _mutant(
        "a sale does not heed the version that its customer pinned",
        *("catalog", "model"),
        Edit(SALE, "sale.version is not None and sale.version != version_now", "False"),
    ),
    _mutant(
        "a purchase does not heed the highest price that its customer pays",
        *("shop", "model"),
        Edit(SALE, "price_minor > sale.max_price_minor:", "price_minor < 0:"),
    ),
    _mutant(
        "a restock does not heed the version that it was made for",
        *("catalog", "model"),
        Edit(
            CATALOG,
            "            before = await self._living(tx, book_id, version)\n"
            "            after = before.restocked(",
            "            before = await self._living(tx, book_id, None)\n"
            "            after = before.restocked(",
        ),
    ),
)
