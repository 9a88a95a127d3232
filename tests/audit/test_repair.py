"""A database that was lost, or restored from an old copy, is mended from the other one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from servers.domain.book import Edit, Restock
from servers.domain.errors import InvalidRequest, LedgerBehind
from servers.domain.ledger import CORRECTION, REENTERED, Kind
from servers.domain.order import State, placed
from servers.domain.protocols import Placement
from servers.domain.sale import BookSales, Purchase, SaleBatch, Seen
from servers.order.mapping import OrderMapping
from servers.order.service import OrderService
from servers.upkeep.audit import audit, read_orders
from servers.upkeep.backoffice import open_stopped
from servers.upkeep.reconcile import Repairs, reconcile
from servers.upkeep.rehearsal import rehearse
from tests.audit.keepers import (
    PATIENCE_S,
    add,
    buy,
    invariants,
    keep_copy,
    key_id,
    look,
    put_back,
    tamper,
)

if TYPE_CHECKING:
    from pathlib import Path

    from servers.domain.order import Order
    from servers.upkeep.audit import OpenShop

KEYS = ("a", "b", "c", "d", "e")


def answer(order: Order) -> object:
    """Return the final answer to an order's purchase, as it goes out."""
    if order.state is State.REJECTED:
        refusal = order.refusal()
        return refusal.code, refusal.detail, refusal.members
    return OrderMapping("USD").confirmed(order)


async def answers(shop: OpenShop, keys: tuple[str, ...] = KEYS) -> dict[str, object]:
    """Return what the shop answers to whoever asks again, by key."""
    return {key: answer(await shop.orders.order(key_id(key))) for key in keys}


async def mend(folder: Path) -> Repairs:
    """Repair the stopped shop, and claim that all is well then and that once is enough."""
    async with open_stopped(folder, to_change=False) as shop:
        foreseen = await rehearse(shop)
    before = await look(folder)
    async with open_stopped(folder, to_change=True) as shop:
        repairs = await reconcile(shop)
        assert repairs == foreseen.repairs
        assert await audit(shop) == foreseen.findings
        assert foreseen.findings.violations == []
        assert await reconcile(shop) == Repairs()
    assert before.violations
    return repairs


async def test_lost_orders_are_made_from_the_ledger(story: Path) -> None:
    """Without orders.db all rows come back, and every key is answered as before."""
    async with open_stopped(story, to_change=True) as shop:
        told = await answers(shop)
    (story / "orders.db").unlink()
    assert await mend(story) == Repairs(rows=5)
    async with open_stopped(story, to_change=True) as shop:
        assert await answers(shop) == told
        assert (await shop.orders.order(key_id("c"))).state is State.CANCELLED
        again = await buy(shop.orders, "a", 1)
        assert answer(again) == told["a"]


async def test_an_audit_does_not_make_the_lost_database(story: Path) -> None:
    """Neither an audit nor a dry run leaves an orders.db where none was."""
    (story / "orders.db").unlink()
    assert "I3" in await invariants(story)
    async with open_stopped(story, to_change=False) as shop:
        await rehearse(shop)
    assert not (story / "orders.db").exists()


async def test_old_orders_catch_up_with_the_ledger(story: Path) -> None:
    """Orders placed, decided or cancelled after the copy are as they were before the loss."""
    tamper(
        story,
        "orders",
        "UPDATE orders SET state = 'pending', ledger_number = NULL WHERE id = :b",
    )
    keep_copy(story, "orders")
    async with open_stopped(story, to_change=True) as shop:
        await reconcile(shop)
        await buy(shop.orders, "f", 1)
        await shop.orders.cancel(key_id("a"), PATIENCE_S)
        told = await answers(shop, (*KEYS, "f"))
    put_back(story, "orders")
    assert await mend(story) == Repairs(rows=3)
    async with open_stopped(story, to_change=True) as shop:
        assert await answers(shop, (*KEYS, "f")) == told
        assert (await shop.orders.order(key_id("a"))).state is State.CANCELLED


async def test_orders_under_way_are_no_repair(story: Path) -> None:
    """In a running shop its servers finish what is pending or cancelling; else it counts."""
    tamper(
        story,
        "orders",
        "UPDATE orders SET state = 'pending', ledger_number = NULL WHERE id = :b",
        "UPDATE orders SET state = 'cancelling', return_number = NULL WHERE id = :c",
    )
    async with open_stopped(story, to_change=False) as shop:
        assert (await rehearse(shop)).repairs == Repairs(rows=2)
        running = replace(shop, up_since_ms=shop.clock.now_ms())
        assert (await rehearse(running, look_again_after_s=0)).repairs == Repairs()


async def test_rows_that_are_mended_keep_their_place(story: Path) -> None:
    """A row that is written over stands where it stood in the list of orders."""
    async with open_stopped(story, to_change=True) as shop:
        page = [order.id async for order in read_orders(shop.orders)]
    tamper(story, "orders", "UPDATE orders SET title = 'x' WHERE id = :b")
    await mend(story)
    async with open_stopped(story, to_change=True) as shop:
        assert [order.id async for order in read_orders(shop.orders)] == page


async def test_sales_lost_with_the_catalog_are_entered_again(story: Path) -> None:
    """Sales, refusals and returns made after the copy come back, with all that was asked for."""
    keep_copy(story, "catalog")
    async with open_stopped(story, to_change=True) as shop:
        await shop.catalog.restock(2, Restock("delivery", change=3), None)
        await buy(shop.orders, "f", 2, 2, max_price_minor=1000)
        (book,) = await shop.catalog.books([2])
        assert book is not None
        await buy(shop.orders, "g", 2, version=book.version)
        await buy(shop.orders, "h", 2)
        await buy(shop.orders, "i", 99)
        await buy(shop.orders, "j", 1, max_price_minor=5)
        await buy(shop.orders, "k", 1, 2)
        await shop.orders.cancel(key_id("k"), PATIENCE_S)
        await shop.orders.cancel(key_id("a"), PATIENCE_S)
        keys = (*KEYS, *"fghijk")
        told = await answers(shop, keys)
    put_back(story, "catalog")
    repairs = await mend(story)
    assert repairs == Repairs(sales=3, refusals=3, returns=2, corrections={2: 3})
    async with open_stopped(story, to_change=True) as shop:
        assert await answers(shop, keys) == told
        assert answer(await buy(shop.orders, "f", 2, 2, max_price_minor=1000)) == told["f"]
        entries = await shop.catalog.ledger(0, 1000)
    corrections = [entry for entry in entries if entry.reason == CORRECTION]
    assert [(entry.kind, entry.book_id) for entry in corrections] == [(Kind.RECEIVED, 2)] * 2
    # The orders are lost as well, after the repair: the ledger still knows what was told.
    (story / "orders.db").unlink()
    await mend(story)
    async with open_stopped(story, to_change=True) as shop:
        assert await answers(shop, keys) == told


async def test_a_book_lost_with_the_catalog_leaves_a_tombstone(story: Path) -> None:
    """A book added after the copy was made is not for sale any more, but its id stays taken."""
    keep_copy(story, "catalog")
    async with open_stopped(story, to_change=True) as shop:
        book_id = await add(shop, 2)
        await buy(shop.orders, "f", book_id)
        await buy(shop.orders, "g", book_id, 5)
        told = await answers(shop, ("f", "g"))
    put_back(story, "catalog")
    repairs = await mend(story)
    lost_books = {book_id: "A test book"}
    assert repairs == Repairs(sales=1, refusals=1, corrections={book_id: 1}, lost_books=lost_books)
    async with open_stopped(story, to_change=True) as shop:
        assert await answers(shop, ("f", "g")) == told
        (tombstone,) = await shop.catalog.books([book_id])
        assert tombstone is not None
        assert tombstone.deleted
        assert await add(shop, 1) == book_id + 1


async def test_a_sale_is_entered_again_also_after_a_delete(story: Path) -> None:
    """A book deleted before the repair gets the sales that were made before; audit knows them."""
    keep_copy(story, "catalog")
    async with open_stopped(story, to_change=True) as shop:
        await buy(shop.orders, "f", 1)
    put_back(story, "catalog")
    async with open_stopped(story, to_change=True) as shop:
        await shop.catalog.delete(1, None)
    assert await mend(story) == Repairs(sales=1)
    async with open_stopped(story, to_change=True) as shop:
        (entry,) = await shop.catalog.sale(key_id("f"))
    assert entry.reason == REENTERED


async def test_a_voided_order_stays_voided(story: Path) -> None:
    """An order that was given up is entered again as given up."""
    keep_copy(story, "catalog")
    purchase = Purchase(key_id("f"), 1)
    async with open_stopped(story, to_change=True) as shop:
        void = await shop.catalog.void(purchase, Seen())
        await reconcile(shop)
        told = await answers(shop, ("f",))
    put_back(story, "catalog")
    assert await mend(story) == Repairs(refusals=1)
    async with open_stopped(story, to_change=True) as shop:
        assert await answers(shop, ("f",)) == told
        assert (await shop.catalog.sale(purchase.order_id))[0].kind is void.kind


async def test_a_catalog_that_is_behind_changes_nothing(story: Path) -> None:
    """Until the repair no order and no staff can change a catalog older than the orders."""
    keep_copy(story, "catalog")
    async with open_stopped(story, to_change=True) as shop:
        await shop.catalog.edit(1, Edit({"price_minor": 1100}), 6)
        number = (await buy(shop.orders, "f", 1)).ledger_number or 0
    seen = Seen(number, key_id("f"))
    put_back(story, "catalog")
    batch = SaleBatch(seen, (BookSales(1, 6, (Purchase(key_id("x"), 1),)),))
    async with open_stopped(story, to_change=True) as shop:
        last = await shop.catalog.last_number()
        for _ in range(2):
            with pytest.raises(LedgerBehind):
                await shop.catalog.sell(batch)
            with pytest.raises(LedgerBehind):
                await shop.catalog.void(Purchase(key_id("x"), 1), seen)
            with pytest.raises(LedgerBehind):
                await shop.catalog.take_back(Purchase(key_id("a"), 1), seen)
            with pytest.raises(LedgerBehind):
                await shop.catalog.restock(1, Restock("delivery", change=1), None)
        assert await shop.catalog.last_number() == last
        await reconcile(shop)
        # The ledger is one edit shorter than it was, and the orders know that now.
        assert await shop.catalog.last_number() < number
        ((sold,),) = await shop.catalog.sell(replace(batch, ledger_seen=Seen()))
        assert not isinstance(sold, LedgerBehind)
        assert (await buy(shop.orders, "y", 1)).state is State.CONFIRMED
        await shop.catalog.restock(1, Restock("delivery", change=1), None)


async def introduce(shop: OpenShop) -> Seen:
    """Let the order server say its first word to the catalog; return what it knew."""
    assert isinstance(shop.orders, OrderService)
    await shop.orders.start()
    await shop.orders.introduce()
    return shop.orders.seller.ledger_seen


async def test_a_catalog_that_is_behind_and_has_grown_again(story: Path) -> None:
    """Numbers alone do not show it where staff were quicker than the order server's first word."""
    keep_copy(story, "catalog")
    async with open_stopped(story, to_change=True) as shop:
        seen = (await buy(shop.orders, "f", 1)).ledger_number or 0
        await introduce(shop)
    put_back(story, "catalog")
    async with open_stopped(story, to_change=True) as shop:
        while await shop.catalog.last_number() < seen + 2:
            await shop.catalog.restock(1, Restock("delivery", change=1), None)
        with pytest.raises(LedgerBehind, match=f"entry {seen} "):
            await introduce(shop)
        # Nothing that is under way makes the ledger look right: not a sale, not a return.
        last = await shop.catalog.last_number()
        pending = await shop.orders.place([Purchase(key_id("x"), 1)], 0.1)
        assert [each.order.state for each in pending if isinstance(each, Placement)] == [
            State.PENDING
        ]
        assert (await shop.orders.cancel(key_id("a"), 0.1)).state is State.CANCELLING
        with pytest.raises(LedgerBehind, match=f"entry {seen} "):
            await introduce(shop)
        with pytest.raises(LedgerBehind):
            await shop.catalog.restock(1, Restock("delivery", change=1), None)
        assert await shop.catalog.last_number() == last
        await reconcile(shop)
        await introduce(shop)
        assert (await shop.orders.cancel(key_id("a"), PATIENCE_S)).state is State.CANCELLED
        (bought,) = await shop.orders.place([Purchase(key_id("x"), 1)], PATIENCE_S)
        assert isinstance(bought, Placement)
        assert bought.order.state is State.CONFIRMED
        assert (await audit(shop)).violations == []
    async with open_stopped(story, to_change=True) as shop:
        await introduce(shop)


async def test_a_sale_that_comes_late(story: Path) -> None:
    """An old word that comes late neither opens a catalog that is behind nor keeps one closed."""
    keep_copy(story, "catalog")
    async with open_stopped(story, to_change=True) as shop:
        before = (await introduce(shop)).number
        await shop.catalog.edit(1, Edit({"price_minor": 1100}), 6)
        number = (await buy(shop.orders, "f", 1)).ledger_number or 0
        newest = await introduce(shop)
    put_back(story, "catalog")
    late = (BookSales(1, 6, (Purchase(key_id("x"), 1),)),)
    async with open_stopped(story, to_change=True) as shop:
        with pytest.raises(LedgerBehind):
            await introduce(shop)
        with pytest.raises(LedgerBehind):
            await shop.catalog.sell(SaleBatch(newest._replace(number=before, order_id=None), late))
        await reconcile(shop)
        assert (await introduce(shop)).number < number
        with pytest.raises(LedgerBehind):
            await shop.catalog.sell(SaleBatch(newest, late))
        # The order server says its word anew for as long as the catalog is not ready.
        await introduce(shop)
        await shop.catalog.restock(1, Restock("delivery", change=1), None)
        assert (await audit(shop)).violations == []


async def test_one_word_does_not_make_up_for_another(story: Path) -> None:
    """Of several order servers one that lost nothing does not make the ledger right."""
    keep_copy(story, "catalog")
    async with open_stopped(story, to_change=True) as shop:
        await buy(shop.orders, "f", 1)
        await introduce(shop)
    put_back(story, "catalog")
    async with open_stopped(story, to_change=True) as shop:
        with pytest.raises(LedgerBehind):
            await introduce(shop)
        with pytest.raises(LedgerBehind):
            await shop.catalog.sell(SaleBatch(Seen(1, None, "0" * 32), ()))
        await reconcile(shop)
        await shop.catalog.sell(SaleBatch(Seen(1, None, "0" * 32), ()))
        await introduce(shop)


async def test_a_returned_order_may_be_the_newest_that_is_known(story: Path) -> None:
    """The highest number that the orders know of can be that of a return."""
    async with open_stopped(story, to_change=True) as shop:
        order = await buy(shop.orders, "f", 1)
        await shop.orders.cancel(order.id, PATIENCE_S)
        await introduce(shop)
    async with open_stopped(story, to_change=True) as shop:
        assert (await introduce(shop)).number == await shop.catalog.last_number()


async def test_a_lost_return_is_copies_on_the_shelf_again(story: Path) -> None:
    """What would be done tells of no correction where a return that was lost makes it needless."""
    async with open_stopped(story, to_change=True) as shop:
        stock = (await shop.catalog.books([1]))[0]
        assert stock is not None
        await buy(shop.orders, "f", 1, stock.stock)
    keep_copy(story, "catalog")
    async with open_stopped(story, to_change=True) as shop:
        await shop.orders.cancel(key_id("f"), PATIENCE_S)
        await buy(shop.orders, "x", 1, 1)
    put_back(story, "catalog")
    async with open_stopped(story, to_change=False) as shop:
        foretold = await rehearse(shop)
    assert foretold.repairs == Repairs(sales=1, returns=1)
    assert await mend(story) == foretold.repairs


async def test_a_pending_order_is_not_entered(story: Path) -> None:
    """What is not decided was not lost: entering it is refused."""
    async with open_stopped(story, to_change=True) as shop:
        with pytest.raises(InvalidRequest):
            await shop.catalog.reenter([placed(Purchase(key_id("x"), 1), 0)])


async def test_a_cancelling_order_is_left_to_the_servers(story: Path) -> None:
    """The sale of a cancelling order is entered again; its return is made when the shop runs."""
    keep_copy(story, "catalog")
    async with open_stopped(story, to_change=True) as shop:
        await buy(shop.orders, "f", 1)
    tamper(
        story,
        "orders",
        "UPDATE orders SET state = 'cancelling', cancelling_at_ms = 1 WHERE id = :f",
    )
    put_back(story, "catalog")
    assert await mend(story) == Repairs(sales=1)
    async with open_stopped(story, to_change=True) as shop:
        assert (await shop.orders.order(key_id("f"))).state is State.CANCELLING
        await shop.orders.cancel(key_id("f"), PATIENCE_S)
        assert (await audit(shop)).violations == []
