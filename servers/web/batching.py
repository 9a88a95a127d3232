"""The batching client: what queued up while calls were away goes out as one call.

A hop through aiohttp's client costs as much as several requests; shared by all that wait
it costs next to nothing, adds no delay when the shop is idle, and every read is still
made after it was asked for: an item never joins a call that has already been sent.
Where many ask, half of them are in one call and half in another, so that this server and
the other one work at the same time.

Each item has a deadline of its own and gets an answer of its own. An item whose call
brought no answer is sent again, because every batched item is safe to repeat, until its
time is out. Then the one question is whether it may have had an effect.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

import msgspec

from servers.domain.errors import OutcomeUnknown, Overloaded, Unavailable
from servers.domain.limits import MAX_BATCH_ITEMS
from servers.web.answers import Answer, problem
from servers.web.hop import NoAnswerError, NotSentError
from servers.web.limits import MAX_CALL_ROWS, MAX_QUEUE_S, SWEEP_S

if TYPE_CHECKING:
    from random import Random

    from servers.web.connection import HopAnswer
    from servers.web.hop import Hop

_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 0.5
_CALLS = 2
"""Calls under way on one hop: the other server works on one while this one works on the other.

The fewer, the more each of them carries, and the less each costs.
"""
_FEW_ITEMS = 8
"""As many as cost hardly more in one call than in two."""
_ANSWERS_A_TURN = 64
"""Answers passed on in one turn of the loop, so that others get theirs between them."""

NOTHING_DONE = frozenset({401, 403, 503})
"""What a server answers to a call of which it has done nothing."""

_encode = msgspec.json.Encoder().encode
_decode_answers = msgspec.json.Decoder(list[Answer]).decode


def answers_in(said: HopAnswer, count: int, name: str) -> list[Answer]:
    """Return what the server of that name answered to each of the items of a call.

    Raises `NotSentError` where it says that it did nothing, `NoAnswerError` where it may have.
    """
    if said.status == 200:
        try:
            answers = _decode_answers(said.body)
        except msgspec.MsgspecError as error:
            raise NoAnswerError(f"the {name} server answered nonsense") from error
        if len(answers) == count:
            return answers
    if said.status in NOTHING_DONE:
        raise NotSentError(f"the {name} server refused the call ({said.status})")
    raise NoAnswerError(f"the {name} server failed ({said.status})")


class BatchItem(Protocol):
    """An item of a batched call: a msgspec struct that names its request and its time."""

    request_id: str
    deadline_ms: int


Item = TypeVar("Item", bound=BatchItem)


class _Entry(Generic[Item]):
    """An item on its way: ``sent`` at least once; ``doubtful`` once a copy may have arrived."""

    __slots__ = ("deadline_s", "doubtful", "future", "item", "last", "old_s", "pause_s", "sent")

    def __init__(self, item: Item, deadline_s: float, future: asyncio.Future[Answer]) -> None:
        self.item = item
        self.deadline_s = deadline_s
        self.future = future
        self.old_s = float("inf")
        self.sent = False
        self.doubtful = False
        self.pause_s = _FIRST_PAUSE_S
        self.last: Answer | None = None


class Batcher(Generic[Item]):
    """Sends items to one path of another server, many in a call.

    ``changes`` says whether an item has effects: then one that may have arrived and got
    no answer ends as ``outcome_unknown``, and one still pending is asked for again.
    """

    def __init__(
        self, hop: Hop, path: str, *, call_s: float, random: Random, changes: bool = False
    ) -> None:
        self._hop = hop
        self._path = path
        self._call_s = call_s
        self._random = random
        self._changes = changes
        self._loop = asyncio.get_running_loop()
        self._queue: deque[_Entry[Item]] = deque()
        self._open: dict[_Entry[Item], None] = {}
        self._calls: set[asyncio.Task[None]] = set()
        self._flush_due = False
        self._sweep: asyncio.TimerHandle | None = None

    def submit(self, item: Item, deadline_s: float) -> asyncio.Future[Answer]:
        """Queue an item; the future has its answer by ``deadline_s`` (the loop's clock)."""
        entry = _Entry(item, deadline_s, self._loop.create_future())
        entry.old_s = self._loop.time() + MAX_QUEUE_S
        self._open[entry] = None
        self._enqueue(entry)
        if self._sweep is None:
            self._sweep = self._loop.call_later(SWEEP_S, self._expire)
        return entry.future

    def _enqueue(self, entry: _Entry[Item]) -> None:
        self._queue.append(entry)
        if not self._flush_due:
            # Whatever else is submitted in this turn of the loop joins the same call.
            self._flush_due = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_due = False
        # Were all that is asked for in one call, each server would wait for the other.
        share = -(-len(self._open) // _CALLS)
        most = min(max(share, _FEW_ITEMS), MAX_BATCH_ITEMS)
        while self._queue and len(self._calls) < _CALLS:
            entries: list[_Entry[Item]] = []
            rows = 0
            while self._queue and len(entries) < most and rows < MAX_CALL_ROWS:
                entry = self._queue.popleft()
                if not entry.future.done():
                    entry.sent = True
                    entries.append(entry)
                    rows += getattr(entry.item, "limit", 1)
            if entries:
                self._calls.add(self._loop.create_task(self._call(entries)))

    async def _call(self, entries: list[_Entry[Item]]) -> None:
        now_s = self._loop.time()
        for entry in entries:
            # Nothing at all would mean that there is no limit.
            entry.item.deadline_ms = max(int((entry.deadline_s - now_s) * 1000), 1)
        try:
            answers = await self._send([entry.item for entry in entries])
        except NotSentError as error:
            for entry in entries:
                self._not_sent(entry, str(error))
        except NoAnswerError:
            for entry in entries:
                entry.doubtful = True
                self._later(entry)
        else:
            self._ended()
            for number, (entry, answer) in enumerate(zip(entries, answers, strict=True), 1):
                self._answered(entry, answer)
                if number % _ANSWERS_A_TURN == 0:
                    await asyncio.sleep(0)
        finally:
            self._ended()

    def _ended(self) -> None:
        """Let the next call go, now that the one of this task is over."""
        task = asyncio.current_task()
        if task is not None:
            self._calls.discard(task)
        if self._queue and not self._flush_due:
            self._flush()

    async def _send(self, items: list[Item]) -> list[Answer]:
        answer = await self._hop.call(
            "POST", self._path, body=_encode(items), timeout_s=self._call_s
        )
        return answers_in(answer, len(items), self._hop.name)

    def _answered(self, entry: _Entry[Item], answer: Answer) -> None:
        if self._changes and answer.status == 202:
            entry.doubtful = True
            entry.last = answer
            self._enqueue(entry)
        elif entry.doubtful and self._changes and answer.status in {500, 503}:
            # An earlier copy may have had an effect, so this is not the last word.
            self._later(entry)
        else:
            self._settle(entry, answer)

    def _not_sent(self, entry: _Entry[Item], why: str) -> None:
        if entry.doubtful:
            self._later(entry)
        else:
            self._settle(entry, problem(Unavailable(f"Nothing was done: {why}. Try again.")))

    def _later(self, entry: _Entry[Item]) -> None:
        """Send the item again after a pause that grows, with jitter."""
        pause_s = entry.pause_s * self._random.uniform(0.5, 1.5)
        entry.pause_s = min(entry.pause_s * 2, _LONGEST_PAUSE_S)
        self._loop.call_later(pause_s, self._enqueue, entry)

    def _settle(self, entry: _Entry[Item], answer: Answer) -> None:
        self._open.pop(entry, None)
        if not entry.future.done():
            entry.future.set_result(answer)

    def _expire(self) -> None:
        """Answer the items whose time has run out."""
        now_s = self._loop.time()
        for entry in [entry for entry in self._open if self._over(entry, now_s)]:
            self._settle(entry, entry.last or self._given_up(entry))
        self._sweep = self._loop.call_later(SWEEP_S, self._expire) if self._open else None

    def _over(self, entry: _Entry[Item], now_s: float) -> bool:
        """Say whether an item ends here: its time, or that for waiting to be sent, is over."""
        if entry.deadline_s <= now_s or entry.future.done() or self._hop.closed:
            return True
        return entry.old_s <= now_s and not entry.sent

    def _given_up(self, entry: _Entry[Item]) -> Answer:
        if not entry.sent:
            detail = f"The {self._hop.name} server is too busy; nothing was done. Try again."
            return problem(Overloaded(detail))
        on_its_way = entry not in self._queue
        if self._changes and (entry.doubtful or on_its_way):
            order_id = getattr(entry.item, "order_id", None)
            detail = (
                f"The {self._hop.name} server did not answer in time; the purchase may have been "
                f"made. Repeat it with the same idempotency key to learn."
            )
            return problem(OutcomeUnknown(detail, order_id=order_id))
        detail = f"The {self._hop.name} server did not answer in time. Try again."
        return problem(Unavailable(detail))
