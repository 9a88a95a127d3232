"""Whatever waits goes into one transaction; each unit stands or falls alone."""

from __future__ import annotations

import asyncio
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from servers.storage.database import StorageUnavailable, UniqueViolation
from tests.storage.shelf import HeldExecutor, Refused, ids, open_shelf, put, put_and_refuse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from servers.storage.database import Database, Transaction, Unit
    from servers.storage.sqlite import SqliteDatabase


@pytest.fixture
def executor() -> HeldExecutor:
    """An executor that counts commits and can hold them back."""
    return HeldExecutor()


@pytest.fixture
async def held(tmp_path: Path, executor: HeldExecutor) -> AsyncIterator[SqliteDatabase]:
    """A database whose commits wait for `executor.release()`, ten units a group at most."""
    database = await open_shelf(tmp_path, executor=executor, max_group=10)
    executor.submitted, executor.held = 0, True
    yield database
    executor.release()
    await database.close()


class Abandoned(BaseException):
    """Stands for what is no `Exception`, as a cancellation is."""


async def suspend(tx: Transaction) -> None:
    """Put a book on the shelf, then wait for something else."""
    await put(1000)(tx)
    await asyncio.sleep(0)


async def turns(count: int = 3) -> None:
    """Let the loop run what is ready, in turns that are counted and not timed."""
    for _ in range(count):
        await asyncio.sleep(0)


async def test_one_commit_for_all(held: SqliteDatabase, executor: HeldExecutor) -> None:
    """Units that wait together share a commit, up to the limit of a group."""
    executor.release()
    writes = [held.write(put(book_id)) for book_id in range(1, 26)]
    assert await asyncio.gather(*writes) == list(range(1, 26))
    assert executor.submitted == 3


async def test_units_gather_behind_a_commit(held: SqliteDatabase, executor: HeldExecutor) -> None:
    """What comes while a commit is away goes together in the next one."""
    writes = [asyncio.ensure_future(held.write(put(1)))]
    await turns()
    writes += [asyncio.ensure_future(held.write(put(book_id))) for book_id in (2, 3, 4)]
    await turns()
    assert executor.submitted == 1
    executor.release()
    assert await asyncio.gather(*writes) == [1, 2, 3, 4]
    assert executor.submitted == 2


async def test_no_answer_before_commit(held: SqliteDatabase, executor: HeldExecutor) -> None:
    """Until the commit is done nobody is answered and no read sees the change."""
    write = asyncio.ensure_future(held.write(put(1)))
    await turns()
    assert executor.submitted == 1
    assert not write.done()
    assert await held.read(ids) == []
    executor.release()
    assert await write == 1
    assert await held.read(ids) == [1]


async def test_refusals_wait_too(held: SqliteDatabase, executor: HeldExecutor) -> None:
    """A refusal that rests on another unit's change is not answered before that is durable."""
    first = asyncio.ensure_future(held.write(put(1)))
    second = asyncio.ensure_future(held.write(put(1)))
    await turns()
    assert not second.done()
    executor.release()
    assert await first == 1
    with pytest.raises(UniqueViolation):
        await second


async def test_units_run_in_order(database: Database) -> None:
    """A unit sees what the units queued before it have done."""

    async def unit(tx: Transaction) -> list[int]:
        seen = await ids(tx)
        await put(len(seen) + 1)(tx)
        return seen

    assert await asyncio.gather(*(database.write(unit) for _ in range(4))) == [
        [],
        [1],
        [1, 2],
        [1, 2, 3],
    ]


@pytest.mark.parametrize("error", [Refused, Abandoned, asyncio.CancelledError])
async def test_a_unit_fails_alone(database: Database, error: type[BaseException]) -> None:
    """What a unit raises reaches its caller; its changes go, those of its neighbours stay."""

    async def unit(tx: Transaction) -> None:
        await put(2)(tx)
        raise error

    answers = await asyncio.gather(
        database.write(put(1)), database.write(unit), database.write(put(3)), return_exceptions=True
    )
    assert answers[0] == 1
    assert type(answers[1]) is error
    assert answers[2] == 3
    assert await database.read(ids) == [1, 3]


async def test_a_lone_unit_fails(database: Database) -> None:
    """A unit that fails in a group of its own leaves nothing, and the next one works."""
    with pytest.raises(Refused):
        await database.write(put_and_refuse(1))
    assert await database.write(put(1)) == 1


async def test_nothing_to_commit(held: SqliteDatabase, executor: HeldExecutor) -> None:
    """A group of nothing but failures needs no commit."""
    answers = await asyncio.gather(
        held.write(put_and_refuse(1)), held.write(put_and_refuse(2)), return_exceptions=True
    )
    assert [type(answer) for answer in answers] == [Refused, Refused]
    assert executor.submitted == 0


async def test_a_unit_must_not_suspend(database: Database) -> None:
    """A unit that waits for anything else is closed, undone and told so; its group goes on."""
    cleaned: list[str] = []

    async def unit(tx: Transaction) -> None:
        try:
            await suspend(tx)
        finally:
            cleaned.append("up")

    answers = await asyncio.gather(
        database.write(put(1)), database.write(unit), return_exceptions=True
    )
    assert answers[0] == 1
    assert isinstance(answers[1], RuntimeError)
    assert "must not suspend" in str(answers[1])
    assert cleaned == ["up"]
    assert await database.read(ids) == [1]


async def test_a_unit_that_is_no_coroutine(database: Database) -> None:
    """A plain function that raises before it returns anything fails alone as well."""

    def unit(tx: Transaction) -> Unit[None]:
        raise StopIteration

    answers = await asyncio.gather(
        database.write(unit),  # type: ignore[arg-type]
        database.write(put(1)),
        return_exceptions=True,
    )
    assert isinstance(answers[0], RuntimeError)
    assert answers[1] == 1


async def test_cancelled_while_waiting(held: SqliteDatabase, executor: HeldExecutor) -> None:
    """A caller who leaves before the unit ran breaks nothing; the unit still runs, once."""
    first = asyncio.ensure_future(held.write(put(1)))
    await turns()
    second = asyncio.ensure_future(held.write(put(2)))
    third = asyncio.ensure_future(held.write(put(3)))
    await turns()
    second.cancel()
    executor.release()
    assert await first == 1
    assert await third == 3
    assert second.cancelled()
    assert await held.read(ids) == [1, 2, 3]


async def test_cancelled_during_commit(held: SqliteDatabase, executor: HeldExecutor) -> None:
    """A caller who leaves while the commit is away leaves no transaction open."""
    write = asyncio.ensure_future(held.write(put(1)))
    await turns()
    write.cancel()
    await turns()
    assert write.cancelled()
    executor.release()
    assert await held.write(put(2)) == 2
    assert await held.read(ids) == [1, 2]


async def test_commit_that_never_ran(held: SqliteDatabase, executor: HeldExecutor) -> None:
    """If the executor drops a commit its units are refused, and nothing of them is kept."""
    write = asyncio.ensure_future(held.write(put(1)))
    await turns()
    executor.drop()
    with pytest.raises(StorageUnavailable):
        await write
    executor.release()
    assert await held.write(put(2)) == 2
    assert await held.read(ids) == [2]


async def test_executor_shut_down(tmp_path: Path) -> None:
    """If no commit can be handed over its units are refused, and the database can be closed."""
    executor = ThreadPoolExecutor(1)
    database = await open_shelf(tmp_path, executor=executor)
    executor.shutdown()
    with pytest.raises(StorageUnavailable, match="after shutdown"):
        await database.write(put(1))
    assert await database.read(ids) == []
    await database.close()


@settings(max_examples=25, deadline=None)
@given(plan=st.lists(st.sampled_from(["put", "refuse", "suspend", "cancel"]), max_size=40))
def test_any_mixture(plan: list[str]) -> None:
    """Whatever mixture waits, exactly the units that did not fail are kept."""

    async def run(folder: Path) -> list[int]:
        database = await open_shelf(folder, max_group=8)
        writes = []
        for book_id, fate in enumerate(plan):
            unit: Unit[object] = {"refuse": put_and_refuse(book_id), "suspend": suspend}.get(
                fate, put(book_id)
            )
            writes.append(asyncio.ensure_future(database.write(unit)))
        await asyncio.sleep(0)
        for write, fate in zip(writes, plan, strict=True):
            if fate == "cancel":
                write.cancel()
        answers = await asyncio.gather(*writes, return_exceptions=True)
        for book_id, (answer, fate) in enumerate(zip(answers, plan, strict=True)):
            assert (answer == book_id) is (fate == "put")
        await database.close()
        reopened = await open_shelf(folder)
        kept = await reopened.read(ids)
        await reopened.close()
        return kept

    with tempfile.TemporaryDirectory() as folder:
        kept = asyncio.run(run(Path(folder)))
    assert kept == [book_id for book_id, fate in enumerate(plan) if fate in {"put", "cancel"}]
