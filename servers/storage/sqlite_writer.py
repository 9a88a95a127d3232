"""Group commit: whatever waits goes into one transaction, then one sync for all.

Lives here: the only code that changes a SQLite file. The units of a group run one after
the other on the event loop, each in a savepoint; COMMIT runs in a worker thread, and no
answer leaves before it. A refusal waits for COMMIT too, for it may rest on what an earlier
unit of the same group wrote.

It is a chain of callbacks and not a task, so that nothing can cancel it half way.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar

import apsw

from servers.storage.database import CommitUnknown, StorageUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor
    from concurrent.futures import Future as Commit

    from servers.storage.database import Unit
    from servers.storage.sqlite_session import Session

T = TypeVar("T")

Outcome: TypeAlias = tuple[Any, BaseException | None]

# SQLite wrote no commit record in these cases (sqlite.org/lang_transaction.html), so the
# transaction is undone for sure; every other error of COMMIT leaves it open.
_SURELY_UNDONE = (apsw.FullError, apsw.BusyError, apsw.ConstraintError)


class Job(NamedTuple):
    """A unit and the caller who waits for it."""

    unit: Unit[Any]
    answer: asyncio.Future[Any]


class TransactionLost(Exception):
    """The transaction ended under a unit that failed, and the group with it."""


class GroupCommit:
    """The one writer of a database."""

    def __init__(
        self,
        session: Session,
        committer: Executor,
        on_commit_unknown: Callable[[BaseException], None],
        max_group: int,
        patience_s: float,
    ) -> None:
        self._session = session
        self._committer = committer
        self._on_commit_unknown = on_commit_unknown
        self._max_group = max_group
        self._patience_s = patience_s
        self._last_commit_s = 0.0
        self._loop = asyncio.get_running_loop()
        self._queue: deque[Job] = deque()
        self._busy = False
        self._idle = asyncio.Event()
        self._idle.set()
        self._refusal: str | None = None
        self._broken = False

    def submit(self, unit: Unit[T]) -> asyncio.Future[T]:
        """Queue a unit and return its answer to come. Raises `StorageUnavailable`."""
        if self._refusal is not None:
            raise StorageUnavailable(self._refusal)
        answer: asyncio.Future[T] = self._loop.create_future()
        self._queue.append(Job(unit, answer))
        if not self._busy:
            self._busy = True
            self._idle.clear()
            # Not at once: who becomes ready in the same turn of the loop joins the group.
            self._loop.call_soon(self._run_group)
        return answer

    def stop(self) -> None:
        """Refuse new units from now on."""
        self._refusal = self._refusal or "The database is closed."

    async def finish(self) -> None:
        """Return when the units that wait are answered and the log is empty, if that can be."""
        await self._idle.wait()
        if self._broken:
            return
        try:
            self._session.connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        except apsw.Error:
            # No harm: all is durable in the log, and the next start tries again.
            self._leave_log()

    def _run_group(self) -> None:
        """Run what waits in one transaction and hand it to the committing thread."""
        size = min(len(self._queue), self._max_group)
        group = [self._queue.popleft() for _ in range(size)]
        try:
            outcomes = self._run_units(group)
            if all(error is not None for _, error in outcomes):
                self._session.execute("ROLLBACK")
                self._answer(group, outcomes)
                return
            commit = self._committer.submit(self._commit)
        except Exception as error:  # noqa: BLE001 - whatever it was, nobody may wait for ever
            self._roll_back()
            self._refuse(group, error)
            return
        if self._soon_done(commit):
            self._committed(group, outcomes, commit)
        else:
            commit.add_done_callback(
                lambda done: self._loop.call_soon_threadsafe(self._committed, group, outcomes, done)
            )

    def _soon_done(self, commit: Commit[None]) -> bool:
        """Wait a moment for a disk that was fast the last time; say whether it was again.

        The two threads would else take turns at the interpreter's lock, which takes longer than
        most commits do. A disk that stalls holds up the loop for that moment, once.
        """
        if self._last_commit_s < self._patience_s:
            with suppress(TimeoutError):
                commit.exception(self._patience_s)
        return commit.done()

    def _run_units(self, group: list[Job]) -> list[Outcome]:
        session, outcomes = self._session, list[Outcome]()
        execute, connection = session.execute, session.connection
        shared = len(group) > 1  # One alone needs no savepoint: all of it is rolled back.
        execute("BEGIN IMMEDIATE")
        for unit, _ in group:
            if shared:
                execute("SAVEPOINT unit")
            try:
                outcomes.append((session.run(unit), None))
            except BaseException as error:  # noqa: BLE001 - a cancelled unit is undone as well
                outcomes.append((None, error))
                if shared and connection.in_transaction:
                    execute("ROLLBACK TO unit")
            if not connection.in_transaction:
                raise TransactionLost from outcomes[-1][1]
            if shared:
                execute("RELEASE unit")
        return outcomes

    def _commit(self) -> None:
        """Make the group durable; runs in the worker thread, alone on the connection."""
        begun_s = time.monotonic()
        try:
            self._session.execute("COMMIT")
        finally:
            self._last_commit_s = time.monotonic() - begun_s

    def _committed(self, group: list[Job], outcomes: list[Outcome], done: Commit[None]) -> None:
        error = asyncio.CancelledError() if done.cancelled() else done.exception()
        if error is None:
            self._answer(group, outcomes)
            return
        self._roll_back()
        if done.cancelled() or isinstance(error, _SURELY_UNDONE):
            self._refuse(group, error)
        else:
            self._break(group, error)

    def _break(self, group: list[Job], error: BaseException) -> None:
        """Stop for good: what is on disk can only be learned by opening it anew."""
        self._broken = True
        self._refusal = "A commit failed with an I/O error; the server must be restarted."
        # The next start finds the log as it is now, not as this connection believes it to be.
        self._leave_log()
        waiting = [*self._queue]
        self._queue.clear()
        for job in group:
            unknown = CommitUnknown(f"The change may or may not have been kept: {error}.")
            unknown.__cause__ = error
            _settle(job, (None, unknown))
        self._refuse(waiting, error)
        self._on_commit_unknown(error)

    def _leave_log(self) -> None:
        """Let closing leave the log beside the file."""
        self._session.connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)

    def _roll_back(self) -> None:
        # A failing ROLLBACK ends the transaction too; often SQLite has ended it before.
        with suppress(apsw.Error):
            if self._session.connection.in_transaction:
                self._session.execute("ROLLBACK")

    def _refuse(self, group: list[Job], error: BaseException) -> None:
        reason = error.__cause__ or error
        refusals: list[Outcome] = []
        for _ in group:
            refusal = StorageUnavailable(f"Nothing was kept; try again later: {reason}")
            refusal.__cause__ = reason
            refusals.append((None, refusal))
        self._answer(group, refusals)

    def _answer(self, group: list[Job], outcomes: list[Outcome]) -> None:
        for job, outcome in zip(group, outcomes, strict=True):
            _settle(job, outcome)
        if self._queue:
            # Not at once: those just answered may have more to write, in the next group.
            self._loop.call_soon(self._run_group)
        else:
            self._busy = False
            self._idle.set()


def _settle(job: Job, outcome: Outcome) -> None:
    value, error = outcome
    if job.answer.done():
        return  # Its caller was cancelled.
    if error is None:
        job.answer.set_result(value)
    else:
        job.answer.set_exception(error)
