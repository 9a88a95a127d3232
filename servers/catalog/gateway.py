"""The catalog as the frontend uses it: every read in a batch, every answer passed through.

The answers are made by the catalog and stay bytes on the way. Rows of an import go one call
after the other. What a customer may ask is the frontend's to decide; how to ask the catalog is
known here.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec

from servers.catalog.rows import RowItem
from servers.catalog.wire import InfoItem, SearchItem
from servers.domain.errors import OutcomeUnknown, Unavailable, error_of
from servers.web.batching import NOTHING_DONE, Batcher, answers_in
from servers.web.hop import NoAnswerError, NotSentError

if TYPE_CHECKING:
    from asyncio import Future
    from collections.abc import Sequence
    from random import Random

    from servers.domain.protocols import TopicPage
    from servers.web.answers import Answer
    from servers.web.hop import Hop

_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 0.5

_encode = msgspec.json.Encoder().encode


class CatalogGateway:
    """Asks the catalog for books and pages of topics, many in a call.

    ``deadline_s`` is on the event loop's clock. What cannot be answered by then is
    answered 503: a read has no effect.
    """

    def __init__(self, hop: Hop, *, call_s: float, random: Random) -> None:
        self._hop = hop
        self._call_s = call_s
        self._random = random
        self._infos: Batcher[InfoItem] = Batcher(hop, "/books/batch", call_s=call_s, random=random)
        self._searches: Batcher[SearchItem] = Batcher(
            hop, "/search/batch", call_s=call_s, random=random
        )

    def info(self, book_id: int, request_id: str, deadline_s: float) -> Future[Answer]:
        """Return one book as the catalog has it now."""
        return self._infos.submit(InfoItem(book_id, request_id), deadline_s)

    def search(self, page: TopicPage, request_id: str, deadline_s: float) -> Future[Answer]:
        """Return a page of a topic; the header ``Next`` has the id that the next begins after."""
        item = SearchItem(page.topic, page.limit, page.after_id, request_id)
        return self._searches.submit(item, deadline_s)

    async def add_rows(
        self, rows: Sequence[tuple[str, str]], request_id: str, deadline_s: float
    ) -> list[Answer]:
        """Add rows, each a text and a key, and return what became of each.

        They have keys, so a call that brought no answer is made again until ``deadline_s``.
        Raises `Unavailable` where nothing was done, `OutcomeUnknown` where that is not known,
        and what the catalog refuses them all for.
        """
        body = _encode([RowItem(row, key) for row, key in rows])
        doubtful, pause_s = False, _FIRST_PAUSE_S
        while True:
            try:
                return await self._add(body, len(rows), request_id, deadline_s)
            except NotSentError as error:
                why = str(error)
            except NoAnswerError as error:
                doubtful, why = True, str(error)
            left_s = deadline_s - asyncio.get_running_loop().time() - pause_s
            if left_s <= 0 or self._hop.closed:
                if doubtful:
                    raise OutcomeUnknown(f"It is not known whether more was added: {why}.")
                raise Unavailable(f"Nothing more can be added now: {why}. Try again.")
            await asyncio.sleep(pause_s * self._random.uniform(0.5, 1.0))
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)

    async def _add(
        self, body: bytes, count: int, request_id: str, deadline_s: float
    ) -> list[Answer]:
        """Make one call. Raises `NotSentError` also where the catalog says that it did nothing."""
        left_s = deadline_s - asyncio.get_running_loop().time()
        said = await self._hop.call(
            "POST",
            "/books/batch-add",
            body=body,
            headers={"X-Request-Id": request_id},
            timeout_s=min(self._call_s, left_s),
        )
        if said.status < 400 or said.status in (500, *NOTHING_DONE):
            return answers_in(said, count, self._hop.name)
        try:
            refusal = msgspec.json.decode(said.body, type=dict[str, object])
        except msgspec.MsgspecError as error:
            raise NoAnswerError(f"the {self._hop.name} server answered nonsense") from error
        raise error_of(refusal)
