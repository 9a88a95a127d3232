"""The whole catalogue: what may come in over a socket, one case a request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.inputs import bodies, heads, imports, inside, searches, shapes

if TYPE_CHECKING:
    from tests.inputs.case import Case


def all_cases() -> list[Case]:
    """Return every case, each with a name of its own."""
    makers = (
        *(heads.paths, heads.topics, heads.queries, heads.doors, heads.methods, heads.http),
        *(bodies.purchases, bodies.media, bodies.new_books, bodies.edits, bodies.stocks),
        *(bodies.keys, bodies.versions, bodies.inside),
        *(inside.paths, inside.queries, inside.headers, inside.http, inside.methods),
        *(shapes.shapes, shapes.media, shapes.lost_orders),
        *(imports.imports, imports.import_bodies),
        *(searches.searches, searches.cursors),
    )
    cases = [case for maker in makers for case in maker()]
    assert len({case.name for case in cases}) == len(cases)
    return cases
