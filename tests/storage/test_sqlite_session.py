"""One text for every engine, one error tree for every driver."""

from __future__ import annotations

from typing import TYPE_CHECKING

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from servers.storage.database import (
    StorageDamaged,
    StorageError,
    StorageUnavailable,
    UniqueViolation,
)
from servers.storage.sqlite_session import question_marks, storage_error
from tests.storage.shelf import ids, put

if TYPE_CHECKING:
    from servers.storage.database import Database, Row, Transaction


@pytest.mark.parametrize(
    ("sql", "rewritten"),
    [
        ("SELECT $1", "SELECT ?1"),
        ("SELECT $2, $1, $2", "SELECT ?2, ?1, ?2"),
        ("SELECT $12", "SELECT ?12"),
        ("SELECT '$1', $1", "SELECT '$1', ?1"),
        ("SELECT 'it''s $1', $1", "SELECT 'it''s $1', ?1"),
        ('SELECT "$1", $1', 'SELECT "$1", ?1'),
        ("SELECT a$1, $1", "SELECT a$1, ?1"),
        ("SELECT $1 -- it's $2\n, $2", "SELECT ?1 -- it's $2\n, ?2"),
        ("SELECT /* '$1\n$2 */ $1", "SELECT /* '$1\n$2 */ ?1"),
    ],
)
def test_only_values_are_rewritten(sql: str, rewritten: str) -> None:
    """A dollar in a text, a name or a comment stays what it is."""
    assert question_marks(sql) == rewritten


@given(text=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_any_text_survives(text: str) -> None:
    """Whatever stands between quotes reaches SQLite unchanged, and values keep their numbers."""
    quoted = text.replace("'", "''")
    connection = apsw.Connection(":memory:")
    sql = question_marks(f"SELECT $2, '{quoted}', $1")
    assert connection.execute(sql, ("one", "two")).fetchall() == [("two", text, "one")]
    connection.close()


async def test_values_go_by_number(database: Database) -> None:
    """``$2`` before ``$1`` takes the second value, not the first."""

    async def unit(tx: Transaction) -> Row | None:
        return await tx.fetch_one("SELECT $2, $1, '$1'", "one", "two")

    assert await database.read(unit) == ("two", "one", "$1")


async def test_rows_changed(database: Database) -> None:
    """A change says how many rows it met, and none if it met none."""
    await database.write(put(1))
    await database.write(put(2))

    async def unit(tx: Transaction) -> list[int]:
        return [
            await tx.execute("UPDATE shelf SET stock = stock + 1"),
            await tx.execute("UPDATE shelf SET stock = 0 WHERE id = $1", 99),
            await tx.execute("DELETE FROM shelf WHERE id = $1 RETURNING id", 2),
        ]

    assert await database.write(unit) == [2, 0, 1]
    assert await database.read(ids) == [1]


async def test_many_rows_in_one_call(database: Database) -> None:
    """A statement runs once for each row of values, and what comes back is in their order."""

    async def unit(tx: Transaction) -> list[Row]:
        sql = "INSERT INTO shelf (id, stock) VALUES ($2, $1) ON CONFLICT DO NOTHING RETURNING id"
        return await tx.fetch_many(sql, [(5, 3), (5, 1), (5, 3), (5, 2)])

    assert await database.write(unit) == [(3,), (1,), (2,)]
    assert await database.read(ids) == [1, 2, 3]


async def test_one_of_many_rows_fails(database: Database) -> None:
    """Where a row is refused, nothing of the whole call is kept."""
    await database.write(put(2))

    async def unit(tx: Transaction) -> list[Row]:
        return await tx.fetch_many(
            "INSERT INTO shelf (id, stock) VALUES ($1, 0)", [(1,), (2,), (3,)]
        )

    with pytest.raises(UniqueViolation):
        await database.write(unit)
    assert await database.read(ids) == [2]


async def test_no_row(database: Database) -> None:
    """A statement without rows gives None or an empty list."""

    async def unit(tx: Transaction) -> tuple[Row | None, list[Row]]:
        sql = "SELECT id FROM shelf"
        return await tx.fetch_one(sql), await tx.fetch_all(sql)

    assert await database.read(unit) == (None, [])


@pytest.mark.parametrize(
    ("columns", "constraint"),
    [
        ({"book_id": 1}, "shelf.id"),
        ({"book_id": 2, "isbn": "x"}, "shelf.isbn"),
        ({"book_id": 2, "title": "WALDEN"}, "shelf_title"),
    ],
)
async def test_unique_violation(
    database: Database, columns: dict[str, str], constraint: str
) -> None:
    """A second row of its kind is refused under the name of its columns or its index."""
    await database.write(put(1, isbn="x", title="Walden"))
    with pytest.raises(UniqueViolation) as caught:
        await database.write(put(**columns))  # type: ignore[arg-type]
    assert caught.value.constraint == constraint
    assert await database.read(ids) == [1]


async def test_other_constraints(database: Database) -> None:
    """A CHECK that refuses a row is a bug of the caller, not a double."""
    with pytest.raises(StorageError, match="CHECK") as caught:
        await database.write(put(1, stock=-1))
    assert type(caught.value) is StorageError


async def test_hidden_failure(database: Database) -> None:
    """A unit that hides the failure of a statement is refused with it and leaves nothing."""
    await database.write(put(1))

    async def unit(tx: Transaction) -> str:
        await put(2)(tx)
        try:
            await put(1)(tx)
        except UniqueViolation:
            return "all is well"
        return "no failure"

    with pytest.raises(UniqueViolation):
        await database.write(unit)
    assert await database.read(ids) == [1]


async def test_nothing_after_a_failure(database: Database) -> None:
    """After a failure the transaction takes no further statement, as on other engines."""
    seen: list[BaseException] = []

    async def unit(tx: Transaction) -> None:
        for statement in ("SELECT nonsense", "SELECT 1"):
            try:
                await tx.fetch_all(statement)
            except StorageError as error:
                seen.append(error)

    with pytest.raises(StorageError, match="nonsense") as caught:
        await database.write(unit)
    assert seen == [caught.value, caught.value]


async def test_transaction_ends_with_its_unit(database: Database) -> None:
    """A transaction that was smuggled out of its unit takes no statement."""

    async def unit(tx: Transaction) -> Transaction:
        return tx

    for smuggled in (await database.write(unit), await database.read(unit)):
        with pytest.raises(StorageError, match="over"):
            await put(1)(smuggled)


async def test_quoted_names_are_no_texts(database: Database) -> None:
    """A misspelt column in double quotes is an error and not a text."""

    async def unit(tx: Transaction) -> Row | None:
        return await tx.fetch_one('SELECT "stokc" FROM shelf')

    with pytest.raises(StorageError, match="stokc"):
        await database.read(unit)


@pytest.mark.parametrize("kind", apsw.Error.__subclasses__())
def test_no_foreign_error(kind: type[apsw.Error]) -> None:
    """Every error of the driver has an error of the seam."""
    assert isinstance(storage_error(kind("of its own")), StorageError)


@pytest.mark.parametrize(
    "kind",
    [apsw.FullError, apsw.CantOpenError, apsw.BusyError, apsw.IOError, apsw.ConnectionClosedError],
)
def test_not_now(kind: type[apsw.Error]) -> None:
    """What may pass by itself is told from a bug."""
    assert isinstance(storage_error(kind("disk")), StorageUnavailable)


@pytest.mark.parametrize("kind", [apsw.CorruptError, apsw.NotADBError, apsw.FormatError])
def test_a_damaged_file(kind: type[apsw.Error]) -> None:
    """A file that is not what it was is told from a statement that is wrong."""
    assert isinstance(storage_error(kind("disk")), StorageDamaged)
    assert not isinstance(storage_error(apsw.SQLError("syntax")), StorageDamaged)
