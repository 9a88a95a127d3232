"""The blocking client of the frontend: repeats what is safe, and says what it knows.

Lives here: which failures are tried again, until when, and which error a command ends
with. The requests themselves live in ``wire``, one exchange in ``connection``, lists
of several pages in ``paging``.

What a failed attempt means::

    no connection was made          nothing happened     tried again for a moment
    503, 429                        nothing happened     tried again, after Retry-After
    answer lost, 504, 500, 502 …    a change is in doubt tried again if repeatable
    not an answer of the shop       a change is in doubt not tried again
    any other problem               decided              not tried again
"""

from __future__ import annotations

import time
import uuid
from contextlib import closing
from typing import TYPE_CHECKING
from urllib.parse import quote

from bookstore_cli import wire
from bookstore_cli.attempts import LONGEST_DELAY_S, Failure, delays
from bookstore_cli.connection import AnswerLost, Connection, NotSent, NotTheShop
from bookstore_cli.deadline import Deadline
from bookstore_cli.trust import SYSTEM
from servers.domain.errors import (
    Internal,
    Missing,
    OutcomeUnknown,
    ShopError,
    Unavailable,
    error_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bookstore_cli.connection import Answer
    from bookstore_cli.trust import Trust
    from bookstore_cli.wire import Request

ANSWER_TRAVELS_S = 0.4
"""How much of its time a command keeps back, for the shop's last word to arrive in."""

QUIET_S = 1.0
"""How long a command tries again before it says so."""
NOBODY_THERE_S = 2.0
"""How long a frontend may be away, as at a restart, before nobody is thought to be there."""
READINESS_S = 1.0
"""How long the frontend may take to say which server is not ready."""


class Client:
    """Asks one frontend, within one time limit for all that a command does.

    ``source`` says where the URL came from, for the sentence when nobody answers there.
    ``note`` is told when the client keeps trying.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout_s: float = 10.0,
        token: str | None = None,
        source: str = "",
        note: Callable[[str], None] = lambda _: None,
        trust: Trust = SYSTEM,
    ) -> None:
        self.deadline = Deadline(timeout_s)
        self._connection = Connection(url, self.deadline, trust)
        self._place = (url, trust)
        self._name = f"The frontend at {url}{source}"
        self._token = token
        self._note = note
        self._noted = False
        self._answers = False

    def close(self) -> None:
        """Close the connection; the next request opens a new one."""
        self._connection.close()

    def restart(self) -> None:
        """Begin anew after a pause: the whole time, and a connection that is not stale."""
        self.close()
        self.deadline.restart()

    def get(self, path: str) -> Answer:
        """Return one thing."""
        return self.call(wire.look_up(path))

    def version_of(self, book_id: int) -> int:
        """Return the version that a book has now."""
        version = self.get(f"/books/{book_id}").value.get("version")
        if not isinstance(version, int) or isinstance(version, bool):
            raise self._stranger(f"it names no version of book {book_id}")
        return version

    def not_ready(self) -> dict[str, str]:
        """Return which servers the frontend says are not ready, and why.

        For a command that is about to end without an outcome: empty where it has no time left,
        where no shop answered it last, and where that one wants to be left alone for longer.
        """
        within_s = min(READINESS_S, self.deadline.remaining_s)
        if not self._answers or within_s <= 0:
            return {}
        url, trust = self._place
        try:
            with closing(Connection(url, Deadline(within_s), trust)) as connection:
                said = connection.exchange("GET", wire.READINESS, None, {})
        except (NotSent, AnswerLost, NotTheShop):
            return {}
        wrong = said.value.get("not_ready") if isinstance(said.value, dict) else None
        if not isinstance(wrong, dict):
            return {}
        # What the frontend finds wrong with itself stands under "server".
        whys = {"frontend" if name == "server" else name: str(why) for name, why in wrong.items()}
        return {name: why.removeprefix("Not ready: ").rstrip(".") for name, why in whys.items()}

    def purchase(self, book_id: int, wishes: Mapping[str, object], key: str) -> Answer:
        """Buy, and wait until the order is decided.

        Raises the refusal; `NotNow` only if no attempt ever reached an order;
        `OutcomeUnknown` where one may have and the time is over.
        """
        request = wire.purchase(book_id, wishes, key)
        answer = self.call(request)
        while answer.pending:
            self._wait_while_pending(answer, request)
            answer = self.call(request, doubtful=True)
        return answer

    def cancel(self, order_id: str) -> Answer:
        """Give an order back, and wait until that is done."""
        request = wire.cancel(order_id)
        answer = self.call(request)
        for delay_s in delays():
            if not answer.pending:
                break
            self._pause(request, max(delay_s, answer.retry_after_s))
            answer = self.call(request, doubtful=True)
        return answer

    def call(self, request: Request, *, doubtful: bool = False) -> Answer:
        """Send a request, again and again as far as that is safe, until it is answered.

        ``doubtful``: an earlier request may have had this one's effect already.
        """
        headers = self._headers(request)
        vain_from_s = time.monotonic() + NOBODY_THERE_S
        for delay_s in delays():
            outcome = self._attempt(request, headers)
            if not isinstance(outcome, Failure):
                return outcome
            doubtful = doubtful or outcome.doubtful
            wait_s = max(delay_s, outcome.after_s)
            vain = outcome.nobody and not doubtful and time.monotonic() + wait_s > vain_from_s
            if vain or not outcome.again or wait_s >= self.deadline.remaining_s:
                raise self._last_word(request, outcome, doubtful)
            if not outcome.nobody or doubtful:
                self._say_that_it_goes_on(outcome.error)
            time.sleep(wait_s)
            if self.deadline.remaining_s <= 0:  # What it met says more than that the time was over.
                raise self._last_word(request, outcome, doubtful)
        raise AssertionError  # The delays never end.

    def _attempt(self, request: Request, headers: Mapping[str, str]) -> Answer | Failure:
        # What the shop says of a server behind it that hangs must still arrive in time here.
        remaining_s = self.deadline.remaining_s
        allowed_s = remaining_s - min(ANSWER_TRAVELS_S, remaining_s / 2)
        allowed_ms = min(max(int(allowed_s * 1000), 1), wire.MAX_DEADLINE_MS)
        timed = {**headers, "X-Deadline-Ms": str(allowed_ms)}
        self._answers = False
        try:
            if request.parts is not None:
                answer = self._connection.upload(request.path, request.parts(), headers)
            else:
                answer = self._connection.exchange(
                    request.method, request.path, request.body, timed
                )
        except NotSent as error:
            return Failure(self._unreachable(str(error)), again=True, nobody=True)
        except AnswerLost as error:
            return Failure(
                self._unreachable(str(error)), again=request.repeatable, doubtful=request.changes
            )
        except NotTheShop as error:
            return Failure(self._stranger(str(error)), doubtful=request.changes)
        kind = None if answer.value is None else type(answer.value)
        if answer.good and kind is request.expects:
            self._answers = True
            return answer
        return self._refusal(request, answer)

    def _refusal(self, request: Request, answer: Answer) -> Failure:
        """Return what an answer that is no success leaves behind."""
        problem = answer.value
        if answer.good or not isinstance(problem, dict) or "code" not in problem:
            error: ShopError = self._stranger(f"it answered {answer.status} with something else")
            doubtful = request.changes and not answer.untouched
        else:
            self._answers = answer.retry_after_s <= self.deadline.timeout_s
            error = error_of(problem)
            doubtful = request.changes and answer.broken and not answer.untouched
        again = (answer.untouched and not request.once) or (answer.broken and request.repeatable)
        return Failure(error, again, doubtful, answer.retry_after_s)

    def _last_word(self, request: Request, failure: Failure, doubtful: bool) -> ShopError:
        """Return the error that a command ends with."""
        error = failure.error
        if not request.changes:
            # A read that ran out of time has changed nothing, whatever it is called.
            return Unavailable(error.detail) if isinstance(error, OutcomeUnknown) else error
        own = isinstance(error, OutcomeUnknown) or (
            isinstance(error, Internal) and not request.purchase
        )
        if failure.decided or own or not doubtful:
            return error
        # "Nothing was done", it may say, and that is so of the last attempt alone. What it
        # advises next, such as another URL, is wrong for the attempts before.
        return _unknown(request, f"The last attempt: {_first_sentence(error)}.")

    def _wait_while_pending(self, answer: Answer, request: Request) -> None:
        order_id = str(answer.value.get("id"))
        for delay_s in delays():
            self._pause(request, max(delay_s, min(answer.retry_after_s, LONGEST_DELAY_S)))
            try:
                order = self.get(f"/orders/{quote(order_id, safe='')}").value
            except Missing:
                return  # The purchase itself, asked again, knows better.
            except ShopError as error:
                raise _unknown(request, error.detail, order_id=order_id) from error
            if order.get("state") != "pending":
                return

    def _pause(self, request: Request, wait_s: float) -> None:
        if wait_s >= self.deadline.remaining_s:
            raise _unknown(request, f"{self._name} has not decided it in time.")
        time.sleep(wait_s)

    def _headers(self, request: Request) -> dict[str, str]:
        own = {"Accept": "application/json", "X-Request-Id": uuid.uuid4().hex}
        if self._token is not None:
            own["Authorization"] = f"Bearer {self._token}"
        return {**own, **request.headers}

    def _say_that_it_goes_on(self, error: ShopError) -> None:
        spent_s = self.deadline.timeout_s - self.deadline.remaining_s
        left_s = self.deadline.remaining_s
        if not self._noted and spent_s >= QUIET_S and left_s >= QUIET_S:
            self._noted = True
            self._note(f"{_first_sentence(error)}. Trying for {left_s:.0f} s more at most.")

    def _unreachable(self, reason: str) -> Unavailable:
        return Unavailable(
            f"{self._name} does not answer ({reason}). Start the shop with `bookstore up`, "
            "or name another with --url."
        )

    def _stranger(self, reason: str) -> Unavailable:
        return Unavailable(
            f"{self._name} does not answer as a bookstore does ({reason}). "
            "Name the right URL with --url."
        )


def _unknown(request: Request, reason: str, **members: object) -> OutcomeUnknown:
    what = "purchase" if request.purchase else "change"
    detail = f"The {what} may or may not have been made. {reason} {request.look}"
    return OutcomeUnknown(detail, **members)


def _first_sentence(error: ShopError) -> str:
    return error.detail.split(". ")[0].rstrip(".")
