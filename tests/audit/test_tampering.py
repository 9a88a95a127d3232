"""Whoever changes the data behind the shop's back is found out, by the right invariant."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.audit.keepers import invariants, look, tamper

if TYPE_CHECKING:
    from pathlib import Path

TAMPERED = {
    "the stock of a book": ("catalog", "UPDATE books SET stock = 9 WHERE id = 1", "I2"),
    "a stock below zero": ("catalog", "UPDATE books SET stock = -1 WHERE id = 2", "I1"),
    "the stock in an entry": (
        "catalog",
        "UPDATE ledger SET stock_after = 7 WHERE kind = 'returned'",
        "I2",
    ),
    "a sold entry that is gone": ("catalog", "DELETE FROM ledger WHERE order_id = :a", "I3"),
    "a returned entry that is gone": (
        "catalog",
        "DELETE FROM ledger WHERE kind = 'returned'",
        "I3",
    ),
    "a refusal that is gone": ("catalog", "DELETE FROM ledger WHERE kind = 'refused'", "I7"),
    "an added entry that is gone": (
        "catalog",
        "DELETE FROM ledger WHERE kind = 'added' AND book_id = 2",
        "I13",
    ),
    "an order sold twice": (
        "catalog",
        (
            "INSERT INTO ledger SELECT number + 100, kind, book_id, at_ms, change, version_after, "
            "stock_after, title, unit_price_minor, order_id, fingerprint, quantity, asked_version, "
            "asked_max_price_minor, reason, version_seen, stock_seen, idempotency_key "
            "FROM ledger WHERE order_id = :a"
        ),
        "I3",
    ),
    "a book added twice": (
        "catalog",
        (
            "INSERT INTO ledger SELECT number + 100, kind, book_id, at_ms, change, version_after, "
            "stock_after, title, unit_price_minor, order_id, fingerprint, quantity, asked_version, "
            "asked_max_price_minor, reason, version_seen, stock_seen, idempotency_key "
            "FROM ledger WHERE kind = 'added' AND book_id = 1"
        ),
        "I13",
    ),
    "the price of a sale": (
        "catalog",
        "UPDATE ledger SET unit_price_minor = 1 WHERE order_id = :a",
        "I14",
    ),
    "what was asked for": (
        "catalog",
        "UPDATE ledger SET asked_max_price_minor = 1 WHERE order_id = :a",
        "I12",
    ),
    "the version of a book": ("catalog", "UPDATE books SET version = version + 1", "I8"),
    "a version that is left out": (
        "catalog",
        "UPDATE ledger SET version_after = 30 WHERE order_id = :b",
        "I8",
    ),
    "the price of a book": ("catalog", "UPDATE books SET price_minor = 1 WHERE id = 1", "I8"),
    "the title of a book": ("catalog", "UPDATE books SET title = 'x' WHERE id = 1", "I8"),
    "a deleted book that lives": ("catalog", "UPDATE books SET deleted = 0 WHERE id = 3", "I10"),
    "a book that is gone": ("catalog", "DELETE FROM books WHERE id = 3", "I13"),
    "a sale after the delete": (
        "catalog",
        (
            "INSERT INTO ledger "
            "(kind, book_id, at_ms, change, version_after, stock_after, order_id) "
            "VALUES ('sold', 3, 0, -1, 4, 1, :f)"
        ),
        "I10",
    ),
    "a sold order called rejected": (
        "orders",
        "UPDATE orders SET state = 'rejected' WHERE id = :a",
        "I4",
    ),
    "a refused order called confirmed": (
        "orders",
        "UPDATE orders SET state = 'confirmed' WHERE id = :e",
        "I3",
    ),
    "a returned order called confirmed": (
        "orders",
        "UPDATE orders SET state = 'confirmed' WHERE id = :c",
        "I3",
    ),
    "a confirmed order called cancelled": (
        "orders",
        "UPDATE orders SET state = 'cancelled', return_number = 1 WHERE id = :a",
        "I3",
    ),
    "the price of an order": (
        "orders",
        "UPDATE orders SET unit_price_minor = 1 WHERE id = :a",
        "I14",
    ),
    "the quantity of an order": (
        "orders",
        "UPDATE orders SET quantity = 2 WHERE id = :a",
        "I3",
    ),
    "the request of an order": (
        "orders",
        "UPDATE orders SET version = 4 WHERE id = :a",
        "I12",
    ),
    "what a customer was told": (
        "orders",
        "UPDATE orders SET stock_after = 77 WHERE id = :a",
        "I11",
    ),
    "why an order was rejected": (
        "orders",
        "UPDATE orders SET reason = 'book_deleted' WHERE id = :e",
        "I11",
    ),
    "a cancelled order called pending": (
        "orders",
        (
            "UPDATE orders SET state = 'pending', ledger_number = NULL, return_number = NULL "
            "WHERE id = :c"
        ),
        "I3",
    ),
    "an order that is gone": ("orders", "DELETE FROM orders WHERE id = :a", "I3"),
    "a rejected order that is gone": ("orders", "DELETE FROM orders WHERE id = :e", "I7"),
}


@pytest.mark.parametrize(("database", "statement", "invariant"), TAMPERED.values(), ids=TAMPERED)
async def test_tampering_is_named(
    story: Path, database: str, statement: str, invariant: str
) -> None:
    """A change that no server made breaks the invariant that it should."""
    assert await invariants(story) == set()
    drops = ("DROP INDEX ledger_decision", "DROP INDEX ledger_return")
    tamper(story, database, *(drops if database == "catalog" else ()), statement)
    assert invariant in await invariants(story)


async def test_an_untouched_shop_adds_up(story: Path) -> None:
    """What was received and returned is what was sold and is left, tombstones too."""
    findings = await look(story)
    totals = findings.totals
    assert (totals.received, totals.returned, totals.sold, totals.left) == (9, 1, 4, 6)
    assert {state.value: count for state, count in findings.states.items()} == {
        "confirmed": 3,
        "cancelled": 1,
        "rejected": 1,
    }


async def test_a_stolen_copy_is_told_in_one_line(story: Path) -> None:
    """A violation says which book, and both sides of the sum that does not hold."""
    tamper(story, "catalog", "UPDATE books SET stock = 3 WHERE id = 1")
    (violation,) = (await look(story)).violations
    assert violation.invariant == "I2"
    assert violation.detail == ("book 1: received 6 + returned 1 - sold 3 = 4, but its stock is 3")


async def test_unfinished_orders_of_a_stopped_shop_are_no_violation(story: Path) -> None:
    """A pending order, and a cancelling one, wait for the servers; they are only counted."""
    tamper(
        story,
        "orders",
        "UPDATE orders SET state = 'pending', ledger_number = NULL WHERE id = :a",
        "UPDATE orders SET state = 'cancelling', cancelling_at_ms = 1 WHERE id = :b",
    )
    findings = await look(story)
    assert findings.violations == []
    assert findings.unfinished == 2
