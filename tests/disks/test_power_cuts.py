"""Power cuts at every system call: no answer becomes untrue, no file is damaged."""

from __future__ import annotations

import os
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from servers.upkeep.shop_files import check
from tests.disks.day import NAMES, Answers, asked_again, open_day, violations
from tests.disks.recorder import Platter, Recording, RecordingVFS, written_out
from tests.support.memory import folder_in_memory
from tests.support.services import purchase
from tests.support.tally import note

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.disks.day import Shop

STATES = int(os.environ.get("BOOKSTORE_POWER_CUTS", "1000"))
"""How many states after a power cut are looked at; 100,000 take about an hour."""

SECOND_CUTS = 0.1
STATES_TO_FIND_IT = 150
CHECKPOINT_PAGES = 40
"""A log is emptied far earlier than in a shop, so that cuts fall into that too."""


@dataclass
class Day:
    """A recorded day: where its files lay, all changes of them, and all answers.

    From the change numbered ``opened`` on there are books to purchase.
    """

    folder: Path
    recording: Recording
    answers: Answers
    opened: int
    ended: int


@pytest.fixture
def recording() -> Iterator[Recording]:
    """A disk that records."""
    recording = Recording()
    vfs = RecordingVFS(recording)
    yield recording
    vfs.unregister()


async def record_day(folder: Path, recording: Recording, synchronous: str = "full") -> Day:
    """Let two services work for a while, from the first start to a regular end."""
    chance = random.Random(1)
    answers = Answers(lambda: recording.now)
    async with open_day(folder, recording.name) as shop:
        for name in NAMES:
            shop.writer(name).pragma("synchronous", synchronous)
            shop.writer(name).pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
        books = [await answers.add(shop, stock=stock) for stock in (40, 9, 1)]
        for turn in range(12):
            wanted = [purchase(chance.choice(books)) for _ in range(chance.choice((1, 2, 5)))]
            await answers.purchase(shop, wanted)
            if turn % 4 == 1:
                await answers.restock(shop, books[2], 1)
            if turn % 5 == 2:
                await cancel_one(shop, answers, chance)
    return Day(folder, recording, answers, answers.books[2][0], recording.now)


async def cancel_one(shop: Shop, answers: Answers, chance: random.Random) -> None:
    """Cancel one of the orders that were confirmed."""
    confirmed = [order for _, order in answers.orders if order.state == "confirmed"]
    await answers.cancel(shop, chance.choice(confirmed).id)


async def wrong_after_cuts(day: Day, folder: Path, states: int) -> list[str]:
    """Cut the power at each change in turn, and return what was wrong when it came back."""
    changes = day.recording.changes[: day.ended]
    main_files = {str(day.folder / f"{name}.db"): b"" for name in NAMES}
    platter, taken, wrong = Platter(main_files), 0, list[str]()
    # In the order of the moments, so that the recording is gone through once.
    step = max(1, len(changes) // states)
    moments = sorted((number * step % (len(changes) + 1), number) for number in range(states))
    for moment, number in moments:
        platter.take(changes[taken:moment])
        taken = moment
        chance = random.Random(number)
        home = folder / f"{number}"
        written_out(platter.after_power_cut(chance), day.folder, home)
        found = await wrong_in(home, day, moment, chance)
        wrong += [f"cut {number} at {moment}: {each}" for each in found]
        for path in home.iterdir():
            path.unlink()
        del day.recording.changes[day.ended :]  # Of the services that looked, not of the day.
    return wrong


async def wrong_in(home: Path, day: Day, moment: int, chance: random.Random) -> list[str]:
    """Start the services on what a power cut has left, perhaps into a second one."""
    if chance.random() < SECOND_CUTS:
        home = await cut_again(home, day.recording, chance)
    # The same disk, since it need not wait for a real one.
    async with open_day(home, day.recording.name) as shop:
        wrong = await day.answers.still_hold(shop, moment) + await violations(shop)
        if not wrong and moment > day.opened:
            wrong = await asked_again(shop, day.answers)
    for name, found in check(home).items():
        wrong += [f"{name}: {problem}" for problem in found.problems]
    return wrong


async def cut_again(home: Path, recording: Recording, chance: random.Random) -> Path:
    """Cut the power a second time, while the services start after the first."""
    before = contents(home)
    begin = recording.now
    async with open_day(home, recording.name):
        pass
    platter = Platter(before)
    platter.take(recording.changes[begin : chance.randint(begin, recording.now)])
    again = home.with_name(f"{home.name}-again")
    written_out(platter.after_power_cut(chance), home, again)
    return again


def contents(folder: Path) -> dict[str, bytes]:
    """Read all files of a folder."""
    return {str(path): path.read_bytes() for path in folder.iterdir()}


@pytest.mark.timeout(max(120, STATES // 10))
async def test_a_power_cut_takes_nothing_back(tmp_path: Path, recording: Recording) -> None:
    """Whenever the power goes: what was answered is true, the files are whole, all agrees."""
    day = await record_day(tmp_path / "shop", recording)
    assert {order.state for _, order in day.answers.orders} == {
        "confirmed",
        "rejected",
        "cancelled",
    }
    with folder_in_memory() as folder:
        assert await wrong_after_cuts(day, folder, STATES) == []
    note("power cuts, simulated", faults=STATES)


async def test_no_journal_comes_back(tmp_path: Path, recording: Recording) -> None:
    """The journal by which a new file became one with a log is gone for good once it is used.

    If a power cut could bring it back, the next start would roll back all that came after it.
    """
    day = await record_day(tmp_path / "shop", recording)
    platter = Platter({})
    platter.take(recording.changes[: day.opened])
    journals = {change.file for change in recording.changes if change.file.endswith("-journal")}
    assert len(journals) == len(NAMES)
    assert not journals & (platter.durable.keys() | platter.unsynced.keys())


async def test_a_lazier_disk_is_found_out(tmp_path: Path, recording: Recording) -> None:
    """With synchronous=NORMAL answers get lost, so this test would see it in the product."""
    day = await record_day(tmp_path / "shop", recording, synchronous="normal")
    wrong = await wrong_after_cuts(day, tmp_path, STATES_TO_FIND_IT)
    assert any("order " in each for each in wrong)
    assert not any("catalog: " in each or "orders: " in each for each in wrong)
