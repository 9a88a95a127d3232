"""Many items in a call: who travels with whom, who waits for what, and what is said at the end."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec
import pytest

from servers.web.answers import Answer, answer
from servers.web.batching import Batcher
from servers.web.connection import HopAnswer
from servers.web.hop import Hop, NoAnswerError, NotSentError
from tests.support.services import PATIENCE_S, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

CALLS = 2
"""Most calls under way on one hop."""
NOT_SENT = NotSentError("the other server cannot be reached")
NO_ANSWER = NoAnswerError("the other server did not answer in time")


class Item(msgspec.Struct):
    """An item such as the gateways send."""

    name: str
    order_id: str = "0" * 32
    request_id: str = ""
    deadline_ms: int = 0
    limit: int = 1


@dataclass
class FakeHop(Hop):
    """Another server by script: each call is answered as the next entry says, else well."""

    name: str = "other"
    script: list[object] = field(default_factory=list)
    calls: list[list[Item]] = field(default_factory=list)
    held: bool = False
    closed: bool = False
    go: asyncio.Event = field(default_factory=asyncio.Event)
    say: Callable[[Item], Answer] = lambda item: answer(item.name)

    async def call(
        self,
        method: str,
        path: str,
        *,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        timeout_s: float,
        even_if_down: bool = False,
    ) -> HopAnswer:
        items = msgspec.json.decode(body, type=list[Item])
        self.calls.append(items)
        said = self.script.pop(0) if self.script else None
        if self.held:
            await self.go.wait()
        if isinstance(said, Exception):
            raise said
        if isinstance(said, HopAnswer):
            return said
        return HopAnswer(200, {}, msgspec.json.encode([self.say(item) for item in items]))

    def names(self) -> list[list[str]]:
        """Return the names of the items of each call."""
        return [[item.name for item in call] for call in self.calls]


@pytest.fixture
def hop() -> FakeHop:
    """The other server."""
    return FakeHop()


def batcher(hop: FakeHop, *, changes: bool = False) -> Batcher[Item]:
    """Return a batcher in front of it."""
    return Batcher(hop, "/batch", call_s=1.0, random=random.Random(1), changes=changes)


def in_s(seconds: float) -> float:
    """Return a deadline so many seconds from now."""
    return asyncio.get_running_loop().time() + seconds


def told(said: Answer) -> str:
    """Return the text of a good answer, or the code of a problem."""
    fields = msgspec.json.decode(said.body)
    return str(fields["code"]) if isinstance(fields, dict) else str(fields)


async def ask(asked: Batcher[Item], *names: str, within_s: float = PATIENCE_S) -> list[str]:
    """Submit items at once and return what each is told."""
    futures = [asked.submit(Item(name), in_s(within_s)) for name in names]
    return [told(said) for said in await asyncio.gather(*futures)]


async def test_a_slow_call_holds_up_no_other(hop: FakeHop) -> None:
    """What comes while a call is away goes out beside it."""
    hop.held = True
    asked = batcher(hop)
    slow = asked.submit(Item("a"), in_s(PATIENCE_S))
    await wait_until(lambda: hop.names() == [["a"]], "the first is away")
    other = asked.submit(Item("b"), in_s(PATIENCE_S))
    await wait_until(lambda: hop.names() == [["a"], ["b"]], "the second goes too")
    hop.go.set()
    assert [told(await slow), told(await other)] == ["a", "b"]


async def test_what_is_asked_at_once_goes_out_as_one(hop: FakeHop) -> None:
    """Items of one turn of the loop share a call, and each gets its own answer."""
    assert await ask(batcher(hop), "a", "b", "c") == ["a", "b", "c"]
    assert hop.names() == [["a", "b", "c"]]


async def test_one_alone_is_not_held_back(hop: FakeHop) -> None:
    """An item waits for no other one."""
    assert await ask(batcher(hop), "a") == ["a"]
    assert hop.names() == [["a"]]


async def test_gathered_while_calls_are_away(hop: FakeHop) -> None:
    """What comes while calls are away goes out as one call after them, and never joins them."""
    hop.held = True
    asked = batcher(hop)
    futures = []
    for number in range(10):
        futures.append(asked.submit(Item(f"{number}"), in_s(PATIENCE_S)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    away = hop.names()
    hop.go.set()
    assert [told(said) for said in await asyncio.gather(*futures)] == [*map(str, range(10))]
    assert hop.names()[: len(away)] == away
    assert len(hop.calls) == len(away) + 1
    assert len(away) <= CALLS


async def test_many_are_shared_out_among_the_calls(hop: FakeHop) -> None:
    """Of many that are asked for at once each call has its share, so that both servers work."""
    names = [str(number) for number in range(65)]
    assert await ask(batcher(hop), *names) == names
    assert [len(call) for call in hop.calls] == [33, 32]


async def test_no_more_items_than_a_call_may_have(hop: FakeHop) -> None:
    """More items than a call carries go out in several, in their order."""
    names = [str(number) for number in range(1200)]
    assert await ask(batcher(hop), *names) == names
    assert [len(call) for call in hop.calls] == [512, 512, 176]


async def test_no_more_rows_than_a_call_may_ask_for(hop: FakeHop) -> None:
    """Items that ask for many rows go out in more calls, for each has to be answered soon."""
    asked = batcher(hop)
    futures = [asked.submit(Item(str(n), limit=200), in_s(PATIENCE_S)) for n in range(50)]
    assert [told(said) for said in await asyncio.gather(*futures)] == [str(n) for n in range(50)]
    assert [len(call) for call in hop.calls] == [21, 21, 8]


async def test_the_time_that_remains_is_passed_on(hop: FakeHop) -> None:
    """Each item carries the milliseconds that it has left when it is sent."""
    asked = batcher(hop)
    await asyncio.gather(asked.submit(Item("a"), in_s(5)), asked.submit(Item("b"), in_s(2)))
    assert 4000 < hop.calls[0][0].deadline_ms <= 5000
    assert 1000 < hop.calls[0][1].deadline_ms <= 2000


async def test_a_refused_connection(hop: FakeHop) -> None:
    """Where nothing can have arrived the item is told at once that nothing was done."""
    hop.script = [NOT_SENT]
    assert await ask(batcher(hop, changes=True), "a", "b") == ["unavailable"] * 2
    assert len(hop.calls) == 1


@pytest.mark.parametrize("status", [401, 403, 503])
async def test_a_refused_call(hop: FakeHop, status: int) -> None:
    """A server that refuses a call as a whole did nothing of it."""
    hop.script = [HopAnswer(status, {}, b"{}")]
    assert await ask(batcher(hop, changes=True), "a") == ["unavailable"]


@pytest.mark.parametrize(
    "failure",
    [
        NO_ANSWER,
        HopAnswer(500, {}, b"{}"),
        HopAnswer(200, {}, b"nonsense"),
        HopAnswer(200, {}, b"[]"),
        HopAnswer(200, {}, b'{"status":200}'),
        HopAnswer(302, {"Location": "/"}, b""),
    ],
    ids=repr,
)
@pytest.mark.parametrize("changes", [True, False])
async def test_no_answer_is_asked_again(
    hop: FakeHop, failure: HopAnswer | Exception, changes: bool
) -> None:
    """A call that brought no answer, or none that is understood, is made again."""
    hop.script = [failure, failure]
    assert await ask(batcher(hop, changes=changes), "a", "b") == ["a", "b"]
    assert {name for call in hop.names()[1:] for name in call} == {"a", "b"}


async def test_once_doubtful_always_doubtful(hop: FakeHop) -> None:
    """After a call that may have arrived a refusal is not the last word: it is asked on."""
    refused = HopAnswer(503, {}, b"{}")
    hop.script = [NO_ANSWER, NOT_SENT, refused]
    assert await ask(batcher(hop, changes=True), "a") == ["a"]
    assert len(hop.calls) == 4


@pytest.mark.parametrize("status", [500, 503])
async def test_doubt_outlives_the_answer_to_an_item(hop: FakeHop, status: int) -> None:
    """After a call that may have arrived an item's own failure is not the last word either."""
    said = iter([status, 201])
    hop.script = [NO_ANSWER]
    hop.say = lambda item: answer(item.name, next(said))
    final = await batcher(hop, changes=True).submit(Item("a"), in_s(PATIENCE_S))
    assert (final.status, len(hop.calls)) == (201, 3)


@pytest.mark.parametrize(("changes", "code"), [(True, "outcome_unknown"), (False, "unavailable")])
async def test_out_of_time_without_an_answer(hop: FakeHop, changes: bool, code: str) -> None:
    """A change that may have been made ends unknown, a read merely unavailable."""
    hop.held = True
    (future,) = [batcher(hop, changes=changes).submit(Item("a"), in_s(0.01))]
    said = await future
    assert told(said) == code
    if changes:
        assert msgspec.json.decode(said.body)["order_id"] == "0" * 32
    hop.go.set()


async def test_out_of_time_before_it_was_sent(hop: FakeHop) -> None:
    """A change that still waited in the queue had no effect, and says so."""
    hop.held = True
    asked = batcher(hop, changes=True)
    away = []
    for number in range(CALLS):
        away.append(asked.submit(Item(f"{number}"), in_s(PATIENCE_S)))
        await wait_until(lambda: len(hop.calls) == len(away), "the call is away")
    queued = asked.submit(Item("queued"), in_s(0.01))
    assert told(await queued) == "overloaded"
    hop.go.set()
    await asyncio.gather(*away)
    assert ["queued"] not in hop.names()


@pytest.mark.parametrize("changes", [True, False])
async def test_too_long_in_the_queue(
    hop: FakeHop, monkeypatch: pytest.MonkeyPatch, changes: bool
) -> None:
    """What could not be sent for too long is refused long before its deadline, and never sent."""
    hop.held = True
    asked = batcher(hop, changes=changes)
    away = []
    for number in range(CALLS):
        away.append(asked.submit(Item(f"{number}"), in_s(PATIENCE_S)))
        await wait_until(lambda: len(hop.calls) == len(away), "the call is away")
    monkeypatch.setattr("servers.web.batching.MAX_QUEUE_S", 0.01)
    assert told(await asked.submit(Item("queued"), in_s(PATIENCE_S))) == "overloaded"
    assert not any(each.done() for each in away)
    hop.go.set()
    await asyncio.gather(*away)
    assert ["queued"] not in hop.names()


async def test_each_has_its_own_deadline(hop: FakeHop) -> None:
    """In one call the impatient is answered in its time, and the patient gets the answer."""
    hop.held = True
    asked = batcher(hop)
    impatient = asked.submit(Item("a"), in_s(0.01))
    patient = asked.submit(Item("b"), in_s(PATIENCE_S))
    assert told(await impatient) == "unavailable"
    assert not patient.done()
    hop.go.set()
    assert told(await patient) == "b"
    assert hop.names() == [["a", "b"]]


async def test_pending_is_asked_again(hop: FakeHop) -> None:
    """A change that is pending is asked for again until it is decided."""
    said = iter([202, 202, 201])
    hop.say = lambda item: answer(item.name, next(said))
    (final,) = await asyncio.gather(batcher(hop, changes=True).submit(Item("a"), in_s(PATIENCE_S)))
    assert (final.status, len(hop.calls)) == (201, 3)


async def test_pending_to_the_end(hop: FakeHop) -> None:
    """A change that is still pending when its time is out is answered as pending."""
    hop.say = lambda item: answer("pending", 202)
    final = await batcher(hop, changes=True).submit(Item("a"), in_s(0.05))
    assert (final.status, told(final)) == (202, "pending")


@pytest.mark.parametrize("status", [200, 201, 400, 404, 409, 410, 422, 500, 503])
async def test_an_answer_is_passed_through(hop: FakeHop, status: int) -> None:
    """Whatever an item is answered at first is what its caller gets, headers included."""
    hop.say = lambda item: answer(item.name, status, {"ETag": '"7"'})
    said = await batcher(hop, changes=True).submit(Item("a"), in_s(PATIENCE_S))
    assert (said.status, said.headers) == (status, {"ETag": '"7"'})


async def test_who_no_longer_waits_is_not_sent(hop: FakeHop) -> None:
    """An item whose caller has gone before it was sent does not travel."""
    asked = batcher(hop)
    gone = asked.submit(Item("gone"), in_s(PATIENCE_S))
    gone.cancel()
    assert await ask(asked, "a") == ["a"]
    assert hop.names() == [["a"]]


@pytest.mark.parametrize(("changes", "code"), [(False, "unavailable"), (True, "outcome_unknown")])
async def test_a_hop_that_closes(hop: FakeHop, code: str, *, changes: bool) -> None:
    """Who waits for an answer that will not come is told what is known, long before its time."""
    hop.held = True
    waiting = batcher(hop, changes=changes).submit(Item("a"), in_s(60))
    await wait_until(lambda: hop.calls, "it is sent")
    hop.closed = True
    async with asyncio.timeout(5):
        assert told(await waiting) == code
