"""How old unfinished orders are, and that no order is remembered which has its end."""

from __future__ import annotations

import asyncio

from servers.domain.order import Order, placed
from servers.order.ages import Ages
from tests.support.services import purchase


class TimedAges(Ages):
    """Ages on a clock that the test moves."""

    def __init__(self) -> None:
        super().__init__()
        self._loop = self  # type: ignore[assignment]  # all that is asked of it is the time
        self.now_s = 0.0

    def time(self) -> float:
        return self.now_s


def order() -> Order:
    """Return a pending order."""
    return placed(purchase(1), 0)


async def test_an_age_runs_from_the_first_sight() -> None:
    """An order is as old as it was written or first read, whichever was before."""
    ages, written, read = TimedAges(), order(), order()
    ages.begin(written.id)
    ages.now_s = 3.0
    assert ages.listed([written, read], 3.0, are_all=True) == [(written, 3.0), (read, 0.0)]
    ages.begin(written.id)
    ages.now_s = 5.0
    assert ages.listed([written, read], 5.0, are_all=False) == [(written, 5.0), (read, 2.0)]


async def test_what_ends_while_it_is_read_is_forgotten() -> None:
    """A row that comes late is not remembered for ever; one that is written meanwhile is."""
    ages, ended, written = TimedAges(), order(), order()
    ages.begin(ended.id)
    ages.now_s = 2.0
    ages.end(ended.id)
    ages.begin(written.id)
    assert ages.listed([ended], 1.0, are_all=True) == [(ended, 0.0)]
    assert len(ages) == 2
    ages.now_s = 9.0
    assert ages.listed([written], 3.0, are_all=True) == [(written, 7.0)]
    assert len(ages) == 1


async def test_a_list_that_is_cut_off_forgets_nothing() -> None:
    """Where more orders are unfinished than were read, one that was not read may be unfinished."""
    ages, first, second = TimedAges(), order(), order()
    ages.begin(first.id)
    ages.begin(second.id)
    ages.now_s = 1.0
    ages.listed([first], 1.0, are_all=False)
    assert len(ages) == 2


async def test_the_clock_is_the_loops() -> None:
    """Ages run on the clock that time-outs run on, and not on the time of day."""
    ages, one = Ages(), order()
    asked_s = asyncio.get_running_loop().time()
    assert ages.listed([one], asked_s, are_all=True) == [(one, 0.0)]
    await asyncio.sleep(0.01)
    ((_, age_s),) = ages.listed([one], asked_s, are_all=True)
    assert 0.01 <= age_s < 10
