"""Rows of an import: what `POST /books` refuses is refused, alone, and told of with its line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.inputs.case import book_with
from tests.inputs.imports import bad_rows
from tests.support.books import last_number
from tests.support.shop import open_shop

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.shop import Reply, Shop

ROWS = list(bad_rows())


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A shop for all of them, with a book whose ISBN is taken."""
    with open_shop(tmp_path_factory.mktemp("imports") / "shop", sample="false") as shop:
        taken = book_with(isbn="9780306406157").encode()
        assert send(shop, taken).json["added"] == 1
        yield shop


def send(shop: Shop, body: bytes) -> Reply:
    """Import a body."""
    headers = {"Content-Type": "application/x-ndjson"}
    return shop.request("POST", "/books/import", body, headers, admin=True)


def test_there_are_rows_enough() -> None:
    """Each has a name of its own, and none has a line feed in it."""
    assert len({name for name, _, _ in ROWS}) == len(ROWS) > 90
    assert not any(b"\n" in row for _, row, _ in ROWS)


@pytest.mark.parametrize(("row", "code"), [each[1:] for each in ROWS], ids=[n for n, _, _ in ROWS])
def test_a_bad_row_alone(shop: Shop, row: bytes, code: str) -> None:
    """It is told of by its line and code, in a sentence that repeats nothing of it."""
    before = last_number(shop)
    said = send(shop, b"\n\n" + row)
    assert said.status == 200, said.body
    assert (said.json["read"], said.json["added"], said.json["refused"]) == (1, 0, 1)
    (problem,) = said.json["problems"]
    assert (problem["line"], problem["code"]) == (3, code)
    assert re.fullmatch(r"[ -~…“”]+", problem["detail"])
    assert b"script>" not in said.body
    assert last_number(shop) == before


def test_all_bad_rows_together(shop: Shop) -> None:
    """However many there are, those between them go in."""
    good = book_with().encode()
    lines = [line for _, row, _ in ROWS for line in (row, good)]
    said = send(shop, b"\r\n".join(lines)).json
    assert (said["read"], said["added"], said["refused"]) == (len(lines), len(ROWS), len(ROWS))
    told = [(each["line"], each["code"]) for each in said["problems"]]
    assert told == [(2 * place + 1, code) for place, (_, _, code) in enumerate(ROWS)]
    assert "Traceback" not in shop.log


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b""])
def test_what_looks_odd_and_is_right(shop: Shop, end: bytes) -> None:
    """Blanks around a row, escapes in it, and an ISBN with hyphens are taken."""
    rows = [b" " + book_with().encode() + b"\t ", book_with(title="\u00e9\U0001f600").encode()]
    rows.append(book_with(title="\u00e9").encode().replace(b'"title"', b'"\\u0074itle"'))
    said = send(shop, b"\n".join(rows) + end).json
    assert (said["added"], said["problems"]) == (3, [])
