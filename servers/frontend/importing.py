"""An import: books from a stream of rows, a few at a time, and the tale of what became of each.

What a row must be is known to the catalog. Here a row is a line of text with a number, that goes
in under a key of its own: sent again, it is not added twice.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from servers.domain.errors import BodyTooLarge, InvalidRequest, NotNow, OutcomeUnknown, ShopError
from servers.frontend.wire import ImportBody, RowProblem
from servers.web.answers import answer, problem
from servers.web.limits import (
    IMPORT_BATCH_BYTES,
    IMPORT_BATCH_ROWS,
    MAX_ROW_BYTES,
    MAX_ROW_PROBLEMS,
)
from servers.web.lines import LineSplitter

if TYPE_CHECKING:
    from collections.abc import Callable

    from servers.frontend.backends import RowBackend
    from servers.web.answers import Answer
    from servers.web.call import Call
    from servers.web.lines import Line
    from servers.web.stream import BodyStream

_Row: TypeAlias = "tuple[int, str | ShopError]"
"""The number of a line with its text, or with what is wrong with it already."""

_ADDED, _REFUSED = 201, 400
_A_TURN_BYTES = 2 * 1024
"""Of how much in one turn of the event loop lines are looked for: there may be nothing but ends."""

_decode_problem = msgspec.json.Decoder(dict[str, object]).decode


@dataclass(frozen=True)
class Importer:
    """Adds the books of whole bodies; a call of the catalog's has ``patience_s`` to succeed."""

    catalog: RowBackend
    new_key: Callable[[], str]
    patience_s: float

    async def run(self, call: Call) -> Answer:
        """Answer what became of the rows of a request, once all of them are read.

        What ends it early is raised; it names the line up to which all is done.
        """
        under_way = _Import(self, call, call.idempotency_key())
        try:
            await under_way.read(call.body)
        except ShopError as error:
            raise under_way.ended_by(error) from error
        told = under_way.told
        call.note = f',"rows":{told.read},"added":{told.added}'
        return answer(told)


class _Import:
    """One import under way: what waits to be sent, and what became of the rest."""

    def __init__(self, by: Importer, call: Call, key: str | None) -> None:
        self.told = ImportBody()
        self._by = by
        self._call = call
        self._key = key or by.new_key()
        self._made_key = None if key else self._key
        self._done_to = 0
        self._waiting: list[_Row] = []
        self._waiting_bytes = 0

    async def read(self, body: BodyStream) -> None:
        """Take the whole body, one batch after the other. Raises what ends it early."""
        lines = LineSplitter(MAX_ROW_BYTES)
        while data := await body.read():
            for begin in range(0, len(data), _A_TURN_BYTES):
                for line in lines.feed(data[begin : begin + _A_TURN_BYTES]):
                    await self._take(line)
                await asyncio.sleep(0)
        for line in lines.end():
            await self._take(line)
        await self._send()

    def ended_by(self, error: ShopError) -> ShopError:
        """Return the problem of an import that ended early."""
        done = f"All up to line {self._done_to} is done." if self._done_to else "No line is done."
        why = f"{error.detail.split('. ')[0].rstrip('.')}. {done} Repeated with the same key, "
        detail = f"{why}nothing is added twice."
        members: dict[str, object] = {**error.members, "line": self._done_to}
        if self._made_key is not None:
            members["idempotency_key"] = self._made_key
        # What says that nothing was done is right of the last batch alone. What is replayed may
        # have been added by a call of this import that got no answer.
        partly = isinstance(error, NotNow) and self.told.added + self.told.replayed > 0
        return (OutcomeUnknown if partly else type(error))(detail, **members)

    async def _take(self, line: Line) -> None:
        size = len(line.data or b"")
        if self._waiting_bytes + size > IMPORT_BATCH_BYTES:
            await self._send()
        self._waiting.append((line.number, _text(line)))
        self._waiting_bytes += size
        if len(self._waiting) >= IMPORT_BATCH_ROWS:
            await self._send()

    async def _send(self) -> None:
        """Have what waits added, and note what became of it."""
        rows = [(row, self._key_of(line)) for line, row in self._waiting if isinstance(row, str)]
        answers = iter(await self._add(rows))
        for line, row in self._waiting:
            self._note(line, next(answers) if isinstance(row, str) else problem(row))
            self._done_to = line
        self._waiting.clear()
        self._waiting_bytes = 0

    async def _add(self, rows: list[tuple[str, str]]) -> list[Answer]:
        if not rows:
            await asyncio.sleep(0)
            return []
        due_s = asyncio.get_running_loop().time() + self._by.patience_s
        due_s = min(due_s, self._call.deadline_s)
        return await self._by.catalog.add_rows(rows, self._call.request_id, due_s)

    def _note(self, line: int, said: Answer) -> None:
        told = self.told
        told.read += 1
        if said.status == _ADDED or (said.status < _REFUSED and self._made_key is not None):
            told.added += 1  # Nobody else has a key that was made here.
        elif said.status < _REFUSED:
            told.replayed += 1
        else:
            told.refused += 1
            if len(told.problems) < MAX_ROW_PROBLEMS:
                told.problems.append(_row_problem(line, said))
            else:
                told.problems_left_off += 1

    def _key_of(self, line: int) -> str:
        """Return the key of a row: another one for each line of each import."""
        return sha256(f"bookstore import\n{line}\n{self._key}".encode()).hexdigest()


def _text(line: Line) -> str | ShopError:
    """Return the text of a line, or why it has none that can be sent on."""
    if line.data is None:
        return BodyTooLarge(f"A row may have {MAX_ROW_BYTES} bytes at most.")
    try:
        return line.data.decode()
    except UnicodeDecodeError:
        return InvalidRequest("The row must be UTF-8.")


def _row_problem(line: int, said: Answer) -> RowProblem:
    problem = _decode_problem(said.body)
    field = problem.get("field")
    return RowProblem(
        line, str(problem["code"]), str(problem["detail"]), str(field) if field else None
    )
