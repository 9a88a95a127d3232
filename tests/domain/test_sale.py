"""How a batch of purchases of one book is decided: in one table, then for any batch."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servers.domain.book import Book
from servers.domain.sale import (
    Decision,
    Purchase,
    Refused,
    Sold,
    Stale,
    decide,
    order_id_of_key,
    order_id_without_key,
)

BOOK = Book(3, "Xen", ("A",), None, ("t",), 1000, 5, 7, 0)
TOMBSTONE = replace(BOOK, deleted=True)
AT_MS = 99


def buy(**fields: object) -> Purchase:
    """Return a purchase of one copy of the book, but for the fields given."""
    return replace(Purchase("0" * 32, BOOK.id), **fields)  # type: ignore[arg-type]


def refused(reason: str, book: Book = BOOK) -> Refused:
    """Return a refusal that tells of the book as it was found."""
    return Refused(reason, book.title, book.price_minor, book.version, book.stock)


@pytest.mark.parametrize(
    ("book", "batch_version", "sale", "decision"),
    [
        (None, 7, buy(), Refused("book_not_found")),
        (None, 1, buy(version=7, max_price_minor=1), Refused("book_not_found")),
        (TOMBSTONE, 7, buy(), refused("book_deleted")),
        (TOMBSTONE, 6, buy(), refused("book_deleted")),
        (TOMBSTONE, 7, buy(version=6, quantity=99), refused("book_deleted")),
        (BOOK, 7, buy(version=6), refused("version_conflict")),
        (BOOK, 7, buy(version=8), refused("version_conflict")),
        (BOOK, 7, buy(version=6, max_price_minor=1, quantity=99), refused("version_conflict")),
        (BOOK, 7, buy(max_price_minor=999), refused("price_changed")),
        (BOOK, 7, buy(max_price_minor=999, quantity=99), refused("price_changed")),
        (BOOK, 7, buy(quantity=6), refused("out_of_stock")),
        (BOOK, 6, buy(version=6), refused("version_conflict")),
        (BOOK, 6, buy(max_price_minor=999), refused("price_changed")),
        (BOOK, 6, buy(quantity=6), refused("out_of_stock")),
        (BOOK, 6, buy(), Stale(BOOK)),
        (BOOK, 8, buy(), Stale(BOOK)),
        (BOOK, 6, buy(version=7), Stale(BOOK)),
        (BOOK, 7, buy(), Sold(1000, 8, 4)),
        (BOOK, 7, buy(version=7), Sold(1000, 8, 4)),
        (BOOK, 7, buy(max_price_minor=1000), Sold(1000, 8, 4)),
        (BOOK, 7, buy(quantity=5), Sold(1000, 8, 0)),
    ],
)
def test_one_purchase(
    book: Book | None, batch_version: int, sale: Purchase, decision: Decision
) -> None:
    """Deletion is asked about first, then the customer's conditions, then the batch's version."""
    decisions, after = decide(book, batch_version, [sale], AT_MS)
    assert decisions == [decision]
    if isinstance(decision, Sold):
        assert after == replace(BOOK, stock=decision.stock_after, version=8, updated_at_ms=AT_MS)
    else:
        assert after is book


def test_pinned_first() -> None:
    """Who pins the version is decided before those who do not care, wherever it stands."""
    decisions, after = decide(BOOK, 7, [buy(), buy(version=7), buy()], AT_MS)
    assert decisions == [Sold(1000, 9, 3), Sold(1000, 8, 4), Sold(1000, 10, 2)]
    assert after is not None
    assert (after.version, after.stock) == (10, 2)


def test_two_pin_one_version() -> None:
    """Of two who pin the same version the first is sold and the other told of the new one."""
    decisions, _ = decide(BOOK, 7, [buy(version=7), buy(version=7)], AT_MS)
    sold = replace(BOOK, version=8, stock=4)
    assert decisions == [Sold(1000, 8, 4), refused("version_conflict", sold)]


def test_a_smaller_purchase_still_fits() -> None:
    """A purchase that is too large does not stand in the way of a smaller one behind it."""
    decisions, after = decide(BOOK, 7, [buy(quantity=4), buy(quantity=2), buy()], AT_MS)
    left_one = replace(BOOK, version=8, stock=1)
    assert decisions == [Sold(1000, 8, 1), refused("out_of_stock", left_one), Sold(1000, 9, 0)]
    assert after is not None
    assert after.stock == 0


def test_nothing_asked() -> None:
    """No purchases, no decisions, the same book."""
    assert decide(BOOK, 7, [], AT_MS) == ([], BOOK)


purchases = st.builds(
    buy,
    quantity=st.integers(1, 6),
    version=st.none() | st.integers(6, 9),
    max_price_minor=st.none() | st.sampled_from([999, 1000]),
)


@given(stock=st.integers(0, 12), batch_version=st.integers(6, 8), sales=st.lists(purchases))
def test_never_oversold(stock: int, batch_version: int, sales: list[Purchase]) -> None:
    """Whatever is asked, what is sold was there, and each sale has a version of its own."""
    book = replace(BOOK, stock=stock)
    decisions, after = decide(book, batch_version, sales, AT_MS)
    assert after is not None
    assert len(decisions) == len(sales)
    pairs = list(zip(sales, decisions, strict=True))
    sold = [(sale, each) for sale, each in pairs if isinstance(each, Sold)]
    assert after.stock == stock - sum(sale.quantity for sale, _ in sold) >= 0
    assert sorted(each.version_after for _, each in sold) == [
        *range(book.version + 1, after.version + 1)
    ]
    in_order = sorted(sold, key=lambda pair: pair[1].version_after)
    left = stock
    for sale, sold_at in in_order:
        left -= sale.quantity
        assert sold_at.stock_after == left
    if batch_version != book.version:
        assert not sold
        assert after is book
    for sale, each in pairs:
        if isinstance(each, Sold):
            assert sale.version in {None, each.version_after - 1}
            assert sale.max_price_minor in {None, 1000}


@given(sales=st.lists(purchases, max_size=6))
def test_a_refusal_is_true_when_it_is_made(sales: list[Purchase]) -> None:
    """A refusal names a book that the shop really had, at which the reason holds."""
    decisions, _ = decide(BOOK, BOOK.version, sales, AT_MS)
    for sale, each in zip(sales, decisions, strict=True):
        if isinstance(each, Refused):
            assert each.version_seen is not None
            assert each.stock_seen is not None
            holds = {
                "version_conflict": sale.version not in {None, each.version_seen},
                "price_changed": sale.max_price_minor == 999,
                "out_of_stock": sale.quantity > each.stock_seen,
            }
            assert holds[each.reason]


def test_the_fingerprint_is_what_is_asked() -> None:
    """The fingerprint is the same for the same request, and other for any other one."""
    assert buy(request_id="r").fingerprint == buy().fingerprint
    others = [
        buy(),
        buy(book_id=4),
        buy(quantity=2),
        buy(version=1),
        buy(version=2),
        buy(max_price_minor=1),
        buy(max_price_minor=2),
    ]
    assert len({each.fingerprint for each in others}) == len(others)
    assert all(len(each.fingerprint) == 64 for each in others)
    assert buy(order_id="1" * 32).fingerprint == buy().fingerprint


def test_an_order_id_comes_from_its_key() -> None:
    """A key always stands for the same 32 hex digits, the first of a SHA-256."""
    assert order_id_of_key("key-0123456789ab") == "d465440b617c60a970c1713564e8578d"
    assert order_id_of_key("a") != order_id_of_key("b")


@given(
    times_ms=st.lists(st.integers(0, 2**48 - 1)),
    random_id=st.from_regex(r"[0-9a-f]{32}", fullmatch=True),
)
def test_without_a_key_ids_are_in_the_order_of_time(times_ms: list[int], random_id: str) -> None:
    """Ids sort as their times do, look like all others, and keep 80 of the random bits."""
    ids = [order_id_without_key(at_ms, random_id) for at_ms in times_ms]
    assert sorted(ids) == [order_id_without_key(at_ms, random_id) for at_ms in sorted(times_ms)]
    assert all(len(each) == 32 and each.endswith(random_id[12:]) for each in ids)


@pytest.mark.parametrize("at_ms", [-1, 2**48, 2**63])
def test_an_id_whatever_the_clock_says(at_ms: int) -> None:
    """A clock that is wrong makes an id all the same: nothing is decided by it."""
    assert len(order_id_without_key(at_ms, "f" * 32)) == 32
