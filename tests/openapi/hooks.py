"""What schemathesis is told that no JSON Schema can say, loaded by it through an environment.

A request that was made to be good is made so in full: the check digit of an ISBN, a hash that
fits, something visible in a title. One that was made to be bad stays as it is.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import schemathesis

from servers.domain.money import parse_price
from servers.domain.sale import Purchase

if TYPE_CHECKING:
    from collections.abc import Mapping

ENOUGH_MS = "8000"
"""Less time than a request needs is answered 503, which is right and proves nothing."""

_TEXTS = {"title", "authors", "topics", "topic", "reason"}

_LOST_ORDER = {
    "decided_at": "2026-01-31T12:00:00.250Z",
    "title": "A lost title",
    "unit_price": "1.00",
    "version_after": 2,
    "stock_after": 3,
}
"""What an order that was sold has; of one that was not, it is left unread."""


@schemathesis.serializer("application/x-ndjson")
def lines(ctx: schemathesis.SerializationContext, value: Any) -> bytes:
    """Send a body of lines as the text that it is."""
    del ctx
    return value.encode() if isinstance(value, str) else json.dumps(value).encode()


@schemathesis.hook
def before_call(
    context: schemathesis.HookContext, case: schemathesis.Case[Any], kwargs: dict[str, Any]
) -> None:
    """Make a good request good in what its schema cannot say."""
    del context, kwargs
    given = case.headers.get("X-Deadline-Ms") if case.headers else None
    if given is not None and str(given).isdigit():
        case.headers["X-Deadline-Ms"] = ENOUGH_MS
    mode = case.meta.generation.mode if case.meta is not None else None
    if mode is not schemathesis.GenerationMode.POSITIVE:
        return
    if case.query:
        case.query.pop("cursor", None)
        if {"q", "topic"} & case.query.keys():
            case.query.pop("sort", None)
        for name in ("q", "topic"):
            if name in case.query:
                case.query[name] = _visible(case.query[name])
    if isinstance(case.body, (dict, list)):
        _complete(case.body, case.path_parameters or {})
        counted = isinstance(case.body, dict) and case.body.get("count") is not None
        if counted and case.headers.get("If-Match") == "*":
            case.headers["If-Match"] = '"1"'


def _complete(value: Any, around: Mapping[str, Any]) -> None:
    """Change a body in place; ``around`` is what stands about an order outside of it."""
    if isinstance(value, list):
        for place, each in enumerate(value):
            value[place] = _whole(each)
            _complete(value[place], around)
        return
    if not isinstance(value, dict):
        return
    for name, each in value.items():
        value[name] = _visible(_whole(each)) if name in _TEXTS else _whole(each)
        _complete(value[name], {**around, **value})
    if isinstance(value.get("isbn"), str):
        value["isbn"] = None
    if "state" in value:
        value.update(_LOST_ORDER)
    if "ledger_seen" in value:
        value["ledger_seen"] = 0
    if "fingerprint" in value:
        value["fingerprint"] = _fingerprint({**around, **value}, value)


def _whole(value: Any) -> Any:
    """Return an integer where JSON Schema takes 1.0 for one; the shop does not."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _visible(value: Any) -> Any:
    if isinstance(value, list):
        return [_visible(each) for each in value]
    if isinstance(value, str) and not any("!" <= each <= "~" for each in value):
        return value[1:] + "x"
    return value


def _fingerprint(around: Mapping[str, Any], sale: Mapping[str, Any]) -> str:
    price = sale.get("max_price")
    return Purchase(
        str(around["order_id"]),
        int(around["book_id"]),
        int(sale["quantity"]),
        sale.get("version"),
        None if price is None else parse_price(price),
    ).fingerprint
