"""Changes by staff against an old version, and everything after a delete."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.books import last_number, ledger_of, stock_of
from tests.support.customers import customers
from tests.support.shop import open_shop

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.customers import Customer
    from tests.support.shop import Reply, Shop

WHOLE = {"title": "Anew", "authors": ["Somebody"], "price": "1.00", "topics": [], "isbn": None}
CHANGES: list[tuple[str, str, object]] = [
    ("PATCH", "", {"price": "1.00"}),
    ("PUT", "", WHOLE),
    ("POST", "/stock", {"change": 1, "reason": "a parcel came"}),
    ("POST", "/stock", {"count": 7, "reason": "counted"}),
    ("DELETE", "", None),
]
NAMES = ["edit", "replace", "restock", "count", "delete"]

OTHER_CHANGES: list[tuple[str, str, object]] = [
    ("POST", "/purchase/{}", None),
    ("PATCH", "/books/{}", {"title": "Somebody else's"}),
    ("POST", "/books/{}/stock", {"change": 2, "reason": "two more"}),
]


@pytest.mark.parametrize(("method", "path", "body"), CHANGES, ids=NAMES)
@pytest.mark.parametrize("other", OTHER_CHANGES, ids=["purchase", "edit", "restock"])
def test_a_change_against_an_old_version_is_refused(
    shop: Shop, method: str, path: str, body: object, other: tuple[str, str, Any]
) -> None:
    """Whatever moved the version, a purchase too: 412, with the book as it is; nothing changes."""
    book_id = shop.add_book(5)
    seen = shop.request("GET", f"/books/{book_id}").headers["etag"]
    moved = _other_change(shop, book_id, seen, other)
    assert moved.status in {200, 201}, moved.body
    present = shop.request("GET", f"/books/{book_id}")
    refused = shop.request(method, f"/books/{book_id}{path}", body, {"If-Match": seen}, admin=True)
    assert refused.status == 412
    assert refused.json["code"] == "stale_version"
    assert refused.json["current"] == present.json
    assert shop.request("GET", f"/books/{book_id}").body == present.body


def _other_change(shop: Shop, book_id: int, seen: str, other: tuple[str, str, Any]) -> Reply:
    method, path, body = other
    staff = not path.startswith("/purchase")
    headers = {"If-Match": seen} if staff else None
    return shop.request(method, path.format(book_id), body, headers, admin=staff)


@pytest.mark.parametrize(("method", "path", "body"), CHANGES, ids=NAMES)
def test_a_change_without_a_version_is_refused(
    shop: Shop, method: str, path: str, body: object
) -> None:
    """428, and nothing changes: nobody changes a book without saying what was read."""
    book_id = shop.add_book(5)
    before = shop.request("GET", f"/books/{book_id}").body
    refused = shop.request(method, f"/books/{book_id}{path}", body, admin=True)
    assert (refused.status, refused.json["code"]) == (428, "version_required")
    assert shop.request("GET", f"/books/{book_id}").body == before


@pytest.mark.parametrize(("method", "path", "body"), CHANGES, ids=NAMES)
async def test_of_many_changes_against_one_version_one_is_made(
    shop: Shop, customer: Customer, method: str, path: str, body: object
) -> None:
    """16 at once against the same version: one is made, 15 are refused with what it made."""
    book_id = shop.add_book(5)
    headers = {"If-Match": '"1"', "Authorization": f"Bearer {shop.token()}"}
    answers = await asyncio.gather(
        *[customer.request(method, f"/books/{book_id}{path}", body, headers) for _ in range(16)]
    )
    codes = sorted(answer.status for answer in answers)
    made, late = (204, 410) if method == "DELETE" else (200, 412)
    assert codes == [made] + 15 * [late]
    assert ledger_of(shop, book_id)[-1]["version_after"] == 2


def test_after_a_delete_the_id_is_gone_for_all(shop: Shop) -> None:
    """Looking, buying, editing, restocking and deleting: all 410, with any version or key."""
    book_id = shop.add_book(5)
    assert _delete(shop, book_id).status == 204
    asked = [
        shop.request("GET", f"/info/{book_id}"),
        shop.request("GET", f"/books/{book_id}"),
        shop.request("POST", f"/purchase/{book_id}"),
        shop.request("POST", f"/purchase/{book_id}", {"version": 1}),
        shop.request("POST", f"/purchase/{book_id}", {"quantity": 1000}),
    ]
    for version in ('"1"', '"2"', '"999"'):
        asked += [
            shop.request(method, f"/books/{book_id}{path}", body, {"If-Match": version}, admin=True)
            for method, path, body in CHANGES
        ]
    asked.append(_delete(shop, book_id))
    assert {(answer.status, answer.json["code"]) for answer in asked} == {(410, "book_deleted")}
    kinds = [entry["kind"] for entry in ledger_of(shop, book_id)]
    assert kinds == ["added", "deleted", *3 * ["refused"]]


def test_an_id_never_comes_back(tmp_path: Path) -> None:
    """Also where it was the highest, where the key is used again, and after a restart."""
    key = {"Idempotency-Key": "the-first-of-its-kind"}
    book = {"title": "Once", "authors": ["Somebody"], "price": "1.00", "stock": 1}
    with open_shop(tmp_path / "shop", sample="false") as shop:
        first = shop.request("POST", "/books", book, key, admin=True)
        highest = shop.add_book(1)
        assert [_delete(shop, each).status for each in (first.json["id"], highest)] == [204, 204]
        again = shop.request("POST", "/books", book, key, admin=True)
        assert (again.status, again.json["code"]) == (410, "book_deleted")
        assert shop.add_book(1) > highest
        highest = shop.add_book(1)
        assert _delete(shop, highest).status == 204
        assert shop.stop() == 0
    with open_shop(tmp_path / "shop", sample="false") as shop:
        before = last_number(shop)
        assert shop.request("GET", f"/info/{highest}").status == 410
        assert shop.add_book(3) > highest
        assert last_number(shop) == before + 1


async def test_purchases_and_edits_of_one_book_all_count(shop: Shop, customer: Customer) -> None:
    """32 purchases among 16 restocks that each read anew: not one copy is lost or made up."""
    book_id = shop.add_book(32)
    async with customers(shop.urls["frontend"]) as staff:
        bought, restocked = await asyncio.gather(
            asyncio.gather(*[customer.purchase(book_id) for _ in range(32)]),
            asyncio.gather(*[_restock(shop, staff, book_id) for _ in range(16)]),
        )
    assert {answer.status for answer in bought} == {201}
    assert stock_of(shop, book_id) == 32 - 32 + 16
    entries = ledger_of(shop, book_id)
    assert [entry["version_after"] for entry in entries] == list(range(1, 1 + 1 + 32 + 16))
    assert sum(restocked) >= 16


async def _restock(shop: Shop, staff: Customer, book_id: int) -> int:
    """Add one copy as careful staff do; return how many tries that took."""
    token = f"Bearer {shop.token()}"
    body = {"change": 1, "reason": "a parcel came"}
    for tries in range(1, 500):
        seen = (await staff.request("GET", f"/books/{book_id}")).headers["etag"]
        headers = {"If-Match": seen, "Authorization": token}
        said = await staff.request("POST", f"/books/{book_id}/stock", body, headers)
        if said.status == 200:
            return tries
        assert said.status == 412, said.body
    message = "a restock never met a version that stood still"
    raise AssertionError(message)


def _delete(shop: Shop, book_id: int) -> Reply:
    return shop.request("DELETE", f"/books/{book_id}", None, {"If-Match": "*"}, admin=True)
