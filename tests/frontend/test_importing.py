"""Many books in one body: what goes in, what is told of what does not, and how it may end early."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.services import ADMIN_TOKEN, SERVICE_TOKEN, open_servers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable
    from pathlib import Path

    from tests.support.services import Web
    from tests.support.shop import Reply

BOOK: dict[str, Any] = {"title": "A", "authors": ["B"], "price": "1.00", "stock": 1}
ISBN = "9780306406157"
KEY = "a-key-of-an-import"
NDJSON = "application/x-ndjson"
HEADERS = {"Content-Type": NDJSON, "Authorization": f"Bearer {ADMIN_TOKEN}"}


def row(**fields: object) -> bytes:
    """Return a line that adds a book, with some fields of its own."""
    return json.dumps({**BOOK, **fields}).encode() + b"\n"


async def send(web: Web, body: bytes, **headers: str) -> Reply:
    """Import a body as staff do."""
    return await web.staff("POST", "/books/import", body, **{"Content_Type": NDJSON, **headers})


async def titles(web: Web) -> list[str]:
    """Return the titles of all books, in the order that they were added in."""
    said = await web.ask("GET", "/books?limit=5000", server="catalog", token=ADMIN_TOKEN)
    return [book["title"] for book in said.json]


async def chunks(*parts: bytes, after: Iterable[asyncio.Event] = ()) -> AsyncIterator[bytes]:
    """Yield parts of a body, the last once the events are set."""
    for part in parts[:-1]:
        yield part
    for event in after:
        await event.wait()
    yield parts[-1]


async def test_all_rows_go_in(web: Web) -> None:
    """Every row is a book, in order, that is found and has its entry in the ledger."""
    rows = [row(title=f"Book {number}", topics=["many"]) for number in range(100)]
    said = await send(web, b"".join(rows))
    assert (said.status, said.json) == (
        200,
        {
            "read": 100,
            "added": 100,
            "replayed": 0,
            "refused": 0,
            "problems": [],
            "problems_left_off": 0,
        },
    )
    assert await titles(web) == [f"Book {number}" for number in range(100)]
    assert (await web.ask("GET", "/topics")).json == [{"topic": "many", "count": 100}]
    found = (await web.ask("GET", "/books?q=book+99")).json
    assert [book["title"] for book in found] == ["Book 99"]
    ledger = (await web.staff("GET", f"/books/{found[0]['id']}/ledger")).json
    assert [entry["kind"] for entry in ledger] == ["added"]


async def test_a_bad_row_spoils_nothing(web: Web) -> None:
    """Each row that is refused is named by its line, with what a book alone would be told."""
    lines = [
        row(title="1", isbn=ISBN),
        b"\n",
        b"{\n",
        b"[]\r\n",
        row(title="5\x00"),
        b'{"title": "\xff"}\n',
        row(price=5),
        row(price="5"),
        row(colour="red"),
        b'{"title": "a", "title": "b"}\n',
        b'{"stock": NaN}\n',
        b"[" * 40 + b"]" * 40 + b"\n",
        row(title="x" * 70_000),
        row(title="14", isbn=ISBN),
        b" \t\r\n",
        row()[:-1] + b"{}\n",
        b"\x00\n",
        row(title="18", isbn="0-306-40615-2"),
        row(title="19")[:-1],
    ]
    said = (await send(web, b"".join(lines))).json
    assert [said[name] for name in ("read", "added", "replayed", "refused")] == [17, 2, 0, 15]
    told = [(each["line"], each["code"], each.get("field")) for each in said["problems"]]
    bad = "invalid_request"
    assert told == [
        *((3, bad, None), (4, bad, None), (5, bad, "title"), (6, bad, None), (7, bad, "price")),
        *((8, bad, "price"), (9, bad, None), (10, bad, None), (11, bad, None), (12, bad, None)),
        *((13, "body_too_large", None), (14, "isbn_exists", None), (16, bad, None)),
        *((17, bad, None), (18, "isbn_exists", None)),
    ]
    assert all(each["detail"].isprintable() for each in said["problems"])
    assert await titles(web) == ["1", "19"]


async def test_the_same_again_adds_nothing(web: Web) -> None:
    """Under one key a row goes in once; one that has changed since is refused."""
    body = b"".join(row(title=str(number)) for number in range(50))
    assert (await send(web, body, Idempotency_Key=KEY)).json["added"] == 50
    again = (await send(web, body + row(title="new"), Idempotency_Key=KEY)).json
    assert (again["added"], again["replayed"], again["refused"]) == (1, 50, 0)
    changed = body.replace(b'"7"', b'"seven"')
    said = (await send(web, changed, Idempotency_Key=KEY)).json
    assert (said["added"], said["replayed"]) == (0, 49)
    assert [(each["line"], each["code"]) for each in said["problems"]] == [(8, "key_reused")]
    assert (await send(web, body, Idempotency_Key=KEY + "-2")).json["added"] == 50
    assert (await send(web, body)).json["added"] == 50
    assert len(await titles(web)) == 151


async def test_many_refused_rows(web: Web) -> None:
    """Of the refused a thousand are told; how many are left off is told too."""
    said = (await send(web, b"{}\n" * 1234 + row())).json
    assert (said["refused"], len(said["problems"]), said["problems_left_off"]) == (1234, 1000, 234)
    assert [each["line"] for each in said["problems"]] == [*range(1, 1001)]
    assert said["added"] == 1


async def test_long_rows(web: Web) -> None:
    """Rows as long as they may be go in, whatever they are of: a call never gets too long."""
    authors = ["\x01", *["é" * 500] * 49]
    bad = row(authors=authors)
    quotes = row(authors=['"' * 500] * 50)
    long = row(authors=["x" * 500] * 50, topics=["y" * 250] * 1)
    async with web.session.post(
        f"{web.urls['frontend']}/books/import",
        data=chunks(*[bad + quotes + long] * 8),
        headers=HEADERS,
    ) as answer:
        said = await answer.json()
    assert (said["added"], said["refused"]) == (16, 8)
    whole = row()[:-2] + b" " * (65_536 - len(row()) + 1) + b"}"
    assert len(whole) == 65_536
    said = (await send(web, whole + b"\r\n" + whole + b" \n" + whole)).json
    assert (said["added"], [each["line"] for each in said["problems"]]) == (2, [2])


@pytest.mark.parametrize("body", [b"", b"\n", b"\r\n \n\n"])
async def test_no_rows(web: Web, body: bytes) -> None:
    """A body without rows is done at once, of whatever type where it is empty."""
    said = await send(web, body, Content_Type=NDJSON if body else "text/plain")
    assert (said.status, said.json["read"]) == (200, 0)


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"Content_Type": "application/json"}, 415, "unsupported_media_type"),
        ({"Content_Type": f"{NDJSON}; charset=latin-1"}, 415, "unsupported_media_type"),
        ({"Content_Encoding": "gzip"}, 415, "unsupported_media_type"),
        ({"Idempotency_Key": "short"}, 400, "invalid_request"),
        ({"Authorization": f"Bearer {SERVICE_TOKEN}"}, 403, "forbidden"),
        ({"X_Deadline_Ms": "soon"}, 400, "invalid_request"),
    ],
)
async def test_what_is_refused_as_a_whole(
    web: Web, headers: dict[str, str], status: int, code: str
) -> None:
    """Nothing of it goes in."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    said = await web.ask("POST", "/books/import", row(), HEADERS | named)
    assert (said.status, said.code) == (status, code)
    assert await titles(web) == []


async def test_a_body_in_chunks(web: Web) -> None:
    """Its length need not be known before, and rows may be cut anywhere."""
    body = row(title="é") + row(title="2")
    async with web.session.post(
        f"{web.urls['frontend']}/books/import",
        data=chunks(*[body[place : place + 1] for place in range(len(body))]),
        headers=HEADERS,
    ) as said:
        assert (await said.json())["added"] == 2
    assert await titles(web) == ["é", "2"]


async def test_rows_go_in_as_they_come(web: Web) -> None:
    """A batch is added while the rest of the body has yet to be sent."""
    first = b"".join(row(title=str(number)) for number in range(32))
    go_on = asyncio.Event()
    sending = asyncio.ensure_future(
        web.session.post(
            f"{web.urls['frontend']}/books/import",
            data=chunks(first, row(title="last"), after=[go_on]),
            headers=HEADERS,
        )
    )
    async with asyncio.timeout(10):
        while len(await titles(web)) < 32:  # noqa: ASYNC110  # the fact has no event
            await asyncio.sleep(0.01)
    go_on.set()
    said = await sending
    assert (await said.json())["added"] == 33


async def test_a_caller_that_has_less_time(web: Web) -> None:
    """Where a caller names a time, the import ends then, and tells how far it came."""
    first = b"".join(row(title=str(number)) for number in range(40))
    never = asyncio.Event()
    async with web.session.post(
        f"{web.urls['frontend']}/books/import",
        data=chunks(first, row(), after=[never]),
        headers=HEADERS | {"X-Deadline-Ms": "500"},
    ) as said:
        told = await said.json()
    assert (told["status"], told["code"], told["line"]) == (504, "outcome_unknown", 32)
    assert len(await titles(web)) == 32
    again = (await send(web, first, Idempotency_Key=told["idempotency_key"])).json
    assert (again["added"], again["replayed"]) == (8, 32)


async def test_without_a_catalog(tmp_path: Path) -> None:
    """Where nothing can be added it is 503, once it was tried for as long as a request may take."""
    async with open_servers(tmp_path, frontend_deadline_s=0.5) as web:
        await web.shut("catalog")
        said = await send(web, row() * 100)
        assert (said.status, said.code, said.json["line"]) == (503, "unavailable", 0)


@pytest.mark.parametrize("line", [b"\n", b"\xff\n", b"x" * 70_000 + b"\n"], ids=len)
async def test_others_get_their_turns(web: Web, line: bytes) -> None:
    """A body that is nothing but lines of which none is a row holds up nobody."""
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.ensure_future(count())
    async with web.session.post(
        f"{web.urls['frontend']}/books/import",
        data=chunks(*[line * (100_000 // len(line) + 1)] * 10),
        headers=HEADERS,
    ) as answer:
        said = await answer.json()
    counting.cancel()
    assert said["added"] == 0
    assert turns > 1_000_000 / 8192
