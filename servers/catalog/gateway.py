"""The catalog as the frontend uses it: every read in a batch, every answer passed through.

The answers are made by the catalog and stay bytes on the way. What a customer may ask is
the frontend's to decide; how to ask the catalog is known here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from servers.catalog.wire import InfoItem, SearchItem
from servers.web.batching import Batcher

if TYPE_CHECKING:
    from asyncio import Future
    from random import Random

    from servers.domain.protocols import TopicPage
    from servers.web.answers import Answer
    from servers.web.hop import Hop


class CatalogGateway:
    """Asks the catalog for books and pages of topics, many in a call.

    ``deadline_s`` is on the event loop's clock. What cannot be answered by then is
    answered 503: a read has no effect.
    """

    def __init__(self, hop: Hop, *, call_s: float, random: Random) -> None:
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
