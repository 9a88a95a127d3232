"""Audits and repairs of a shop that runs: real processes, customers who do not wait."""

from __future__ import annotations

import json
import threading
import uuid
from typing import TYPE_CHECKING

from tests.audit.keepers import keep_copy, put_back
from tests.support.shop import open_shop, wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.shop import Reply, Shop

AUDITS = 3


def purchase(shop: Shop, book_id: int, key: str) -> Reply:
    """Purchase one copy under a key."""
    return shop.request("POST", f"/purchase/{book_id}", {}, {"Idempotency-Key": key})


def test_an_audit_under_purchases_gives_no_false_alarm(tmp_path: Path) -> None:
    """While customers buy and cancel, and staff restock and delete, every audit is ok."""
    done = threading.Event()

    def customer(book_id: int) -> None:
        while not done.is_set():
            reply = purchase(shop, book_id, str(uuid.uuid4()))
            if reply.status == 201:
                shop.request("POST", f"/orders/{reply.json['id']}/cancel")

    def staff(book_id: int) -> None:
        while not done.is_set():
            body = {"change": 1, "reason": "delivery"}
            path = f"/books/{book_id}/stock"
            shop.request("POST", path, body, {"If-Match": "*"}, admin=True)
            shop.request(
                "DELETE", f"/books/{shop.add_book(1)}", None, {"If-Match": "*"}, admin=True
            )

    with open_shop(tmp_path / "shop") as shop:
        book_id = shop.add_book(2)
        threads = [threading.Thread(target=customer, args=(book_id,)) for _ in range(4)]
        threads.append(threading.Thread(target=staff, args=(book_id,)))
        for thread in threads:
            thread.start()
        try:
            audits = [shop.command("audit", "--json") for _ in range(AUDITS)]
        finally:
            done.set()
            for thread in threads:
                thread.join()
        findings = [json.loads(ran.stdout) for ran in audits]
        assert [found["violations"] for found in findings] == [[]] * AUDITS
        assert [ran.returncode for ran in audits] == [0] * AUDITS
        for found in findings:
            assert found["received"] + found["returned"] == found["sold"] + found["left"]
        assert findings[-1]["sold"] > findings[0]["sold"] > 0


def test_a_catalog_restored_from_an_old_copy_waits_for_the_repair(tmp_path: Path) -> None:
    """It sells nothing and says so, until `reconcile` on the running shop; then keys replay."""
    folder = tmp_path / "shop"
    keys = [f"a key of a test {number}" for number in range(3)]
    with open_shop(folder) as shop:
        book_id = shop.add_book(2)
    keep_copy(folder, "catalog")
    with open_shop(folder) as shop:
        told = [purchase(shop, book_id, key) for key in keys]
        assert [reply.status for reply in told] == [201, 201, 409]
    put_back(folder, "catalog")
    # Customers are not kept waiting long here for what cannot be decided.
    with open_shop(folder, frontend_deadline_s="1") as shop:
        assert purchase(shop, 1, "another key of a test").status in {202, 503}
        wait_until(lambda: not_ready(shop), what="the catalog that says it is behind")
        assert shop.command("audit", "-q").returncode == 8
        change = {"change": 1, "reason": "delivery"}
        path = f"/books/{book_id}/stock"
        reply = shop.request("POST", path, change, {"If-Match": "*"}, admin=True)
        assert (reply.status, reply.json["code"]) == (409, "ledger_behind")

        repaired = shop.command("reconcile", check=True).stdout.splitlines()
        assert repaired[0] == "2 sales entered again"
        assert repaired[1] == "1 refusal entered again"
        assert repaired[-1].startswith("audit ok: ")

        for key, before in zip(keys, told, strict=True):
            again = purchase(shop, book_id, key)
            assert again.body == before.body
            assert again.headers["idempotency-replayed"] == "true"
        wait_until(lambda: not not_ready(shop), what="the catalog that is ready")
        wait_until(
            lambda: purchase(shop, 1, "another key of a test").status == 200,
            what="the purchase that had to wait",
        )
        assert shop.command("audit").returncode == 0


def not_ready(shop: Shop) -> bool:
    """Return whether the catalog says that it is behind."""
    reply = shop.request("GET", "/readyz", server="catalog")
    return reply.status == 503 and b"reconcile" in reply.body
