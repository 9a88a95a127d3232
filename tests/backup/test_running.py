"""Backups of a shop that sells meanwhile, and what becomes of the shop that gets them back."""

from __future__ import annotations

import asyncio
import json
import uuid
from typing import TYPE_CHECKING

import pytest

from tests.audit.test_running import not_ready, purchase
from tests.faults.load import all_orders_are_final, assert_audit_is_clean, load_on
from tests.support.shop import open_shop, run_command, wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.shop import Shop

BACKUPS = 2


@pytest.fixture
async def kept(tmp_path: Path) -> Path:
    """The folder of a stopped shop, beside it the backups made while customers purchased.

    They are ``backup-0``, ``backup-1``; purchases went on after both.
    """
    folder = tmp_path / "shop"
    with open_shop(folder, sample="false") as shop:
        async with load_on(shop, seed=1) as load:
            for number in range(BACKUPS):
                await load.until_answered(60)
                target = tmp_path / f"backup-{number}"
                made = await asyncio.to_thread(shop.command, "db", "backup", str(target), "--json")
                assert made.returncode == 0, made.stderr
                assert json.loads(made.stdout)["orders_complete"]
            await load.until_answered(60)
        checked = await asyncio.to_thread(shop.command, "db", "check", "--json")
        assert checked.returncode == 0, checked.stderr
        await asyncio.to_thread(wait_until, lambda: all_orders_are_final(shop))
    assert all(story.end.status in {200, 201, 404, 409} for story in load.stories)
    return folder


def command(folder: Path, *words: str) -> str:
    """Run a command on the stopped shop, which must succeed, and return what it prints."""
    ran = run_command("--data", str(folder), *words)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def sold(folder: Path) -> int:
    """Return how many copies were sold, as an audit that must be clean counts them."""
    return int(json.loads(command(folder, "audit", "--json"))["sold"])


def restore(folder: Path, number: int, *words: str) -> str:
    """Put back a backup and return the next step."""
    source = str(folder.with_name(f"backup-{number}"))
    return str(json.loads(command(folder, "db", "restore", source, *words, "--json"))["next"])


async def test_both_are_put_back(kept: Path) -> None:
    """Every backup under purchases is of one moment: put back, its audit is clean as it is."""
    in_the_end, before = sold(kept), 0
    for number in range(BACKUPS):
        assert restore(kept, number) == "bookstore up"
        # What was under way in that moment is ended by the servers, as after a crash.
        with open_shop(kept, sample="false") as shop:
            wait_until(lambda shop=shop: all_orders_are_final(shop), what="the end of all orders")
            assert_audit_is_clean(shop)
        after = sold(kept)
        assert before < after <= in_the_end
        before = after


async def test_an_old_catalog_is_noticed(kept: Path) -> None:
    """With newer orders it sells nothing until `reconcile`; then nothing that was sold is lost."""
    in_the_end = sold(kept)
    assert restore(kept, 0, "--only", "catalog") == "bookstore reconcile"
    with open_shop(kept, sample="false", frontend_deadline_s="1") as shop:
        wait_until(lambda: not_ready(shop), what="the catalog that says it is behind")
        assert purchase(shop, 1, uuid.uuid4().hex).status in {202, 503}
        assert refused_to_staff(shop) == "ledger_behind"
        assert shop.command("db", "check").returncode == 0
        repaired = shop.command("reconcile")
        assert repaired.returncode == 0, repaired.stdout
        wait_until(lambda: not not_ready(shop), what="the catalog that is ready")
        wait_until(lambda: purchase(shop, 1, uuid.uuid4().hex).status == 201, what="a purchase")
        wait_until(lambda: all_orders_are_final(shop), what="the end of all orders")
        assert_audit_is_clean(shop)
    assert in_the_end < sold(kept) <= in_the_end + 10


async def test_old_orders_are_mended(kept: Path) -> None:
    """With a newer ledger they are told to be incomplete, and `reconcile` makes them whole."""
    in_the_end = sold(kept)
    assert restore(kept, 0, "--only", "orders") == "bookstore reconcile"
    assert "made to agree with the ledger" in command(kept, "reconcile")
    assert sold(kept) == in_the_end


def refused_to_staff(shop: Shop) -> str:
    """Return why staff cannot receive a copy of a book."""
    body = {"change": 1, "reason": "delivery"}
    reply = shop.request("POST", "/books/1/stock", body, {"If-Match": "*"}, admin=True)
    return str(reply.json["code"])
