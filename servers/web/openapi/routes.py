"""The routes that tell what a server answers: ``/openapi.json``, and ``/docs`` for people.

Both are made from all routes of the server, these two among them, when somebody first asks, for
most processes are never asked; then they are kept as bytes.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec

from servers.web.answers import Answer, answer
from servers.web.openapi.described import Description, Good
from servers.web.openapi.document import OPENAPI, document
from servers.web.openapi.page import docs_page, security_policy
from servers.web.routes import PAGE, Route

if TYPE_CHECKING:
    from collections.abc import Iterable

    from servers.web.auth import Role
    from servers.web.call import Call
    from servers.web.openapi.document import About

HTML = "text/html; charset=utf-8"
TAG = "documents"

_PAGE_HEADERS = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}


class Documents:
    """Makes and answers what is told of a server.

    ``roles`` is who may ask for it, nobody named means anyone; only with ``page`` is there a
    page for people.
    """

    def __init__(
        self, about: About, routes: Iterable[Route], roles: frozenset[Role], *, page: bool
    ) -> None:
        own = (self._document_route(roles), *([self._page_route(roles)] if page else []))
        self.routes = (*routes, *own)
        self._about = about

    @cached_property
    def _made(self) -> dict[str, Any]:
        return document(self._about, self.routes)

    @cached_property
    def _document(self) -> Answer:
        return answer(self._made)

    @cached_property
    def _page(self) -> msgspec.Raw:
        return msgspec.Raw(docs_page(self._made).encode())

    async def openapi(self, _call: Call) -> Answer:
        """Answer the OpenAPI document."""
        return self._document

    async def page(self, _call: Call) -> Answer:
        """Answer the page for people."""
        policy = {"Content-Security-Policy": security_policy()}
        return Answer(200, self._page, {**policy, **_PAGE_HEADERS}, HTML)

    def _document_route(self, roles: frozenset[Role]) -> Route:
        shape = {"type": "object", "required": ["openapi", "info", "paths", "components"]}
        example = {"openapi": OPENAPI, "info": {}, "paths": {}, "components": {}}
        told = Description(
            name="getDocument",
            tag=TAG,
            answers=(Good(200, "The document", shape, example),),
        )
        summary = "This API as an OpenAPI document"
        return Route("GET", "/openapi.json", self.openapi, summary, roles=roles, description=told)

    def _page_route(self, roles: frozenset[Role]) -> Route:
        page = Good(
            200,
            "The page",
            str,
            "<!DOCTYPE html>…",
            ("Content-Security-Policy", *_PAGE_HEADERS),
            media_type=HTML,
        )
        told = Description(name="getDocs", tag=TAG, answers=(page,))
        return Route("GET", PAGE, self.page, "This API for people", roles=roles, description=told)
