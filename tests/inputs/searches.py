"""Searches: what is none, and texts that are words and nothing else, on frontend and catalog."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from servers.domain.limits import MAX_ID
from servers.web.codec import make_cursor
from tests.inputs.case import LONG, SERVICE, Case, short
from tests.support.raw import http_request

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LISTS = (("frontend", "/books"), ("catalog", "/books/search"))
"""Where a search is asked for: by customers, and by the frontend."""

ODD_TITLE = "Near col and or not title rowid"
PLAIN_WORDS = {
    "near": True,
    "NEAR(near col, 7)": False,
    "NEAR(near col)": True,
    '"near"': True,
    '"near col"': True,
    '"col near"': True,
    '"near': True,
    'near""col': True,
    "near*": True,
    "n*r": False,
    "ne*": True,
    "-near": True,
    "near -col": True,
    "near - col": True,
    "near NOT col": True,
    "near NOT absent": False,
    "near OR absent": False,
    "near AND col": True,
    "AND": True,
    "OR OR": True,
    "NOT": True,
    "title:near": True,
    "col:near": True,
    "absent:near": False,
    "-title : near": True,
    "{title col}: near": True,
    "^near": True,
    "near + col": True,
    "near; col": True,
    "near&topic=absent": False,
    "rowid:1": False,
    "' OR 1=1 --": False,
    'near" OR "near': True,
    "near%": True,
    "ne_r": False,
    "%": False,
    "near\\": True,
    "\u201cnear\u201d": True,
    "ne\u0301ar": True,
    "\uff4eear": True,
    "near\u202ecol": False,
    "near\ufffd": True,
    "near \U0001f4d6": True,
    "near <b>col</b>": False,
    "near\u00a0col": True,
    "near #col": True,
    "near/col": True,
    "near+col": True,
    "$1": False,
    "?1 :near @near": False,
    "\u4e00\u4e8c\u4e09": False,
    "\u3316" * 256: False,
    "a " * 127 + "b": False,
    "\U0001f4d6" * 256: False,
    **dict.fromkeys(('"', '""', '"""', "'", "*", "-", "--", "(", ")", "()", ":", "^", "+"), False),
    **dict.fromkeys((".", "..", "/", "\\", "_", "!?", "\u2026", "{}", "[]", "<>", "&", "="), False),
}
"""Texts to search for, and whether a book of `ODD_TITLE` has all their words."""


def searches() -> Iterator[Case]:
    """Parameters of a search that are none: each by itself, twice, or together with another."""
    for query in (*_numbers(), *_choices(), *_texts(), *_forms()):
        for server, path in LISTS:
            yield _search(server, path, query, 400, "invalid_request")
    for server, path in LISTS:
        yield _search(server, path, f"q={LONG}", 414, "uri_too_long")
        yield _search(server, path, f"q={'%41' * 6000}", 414, "uri_too_long")


def cursors() -> Iterator[Case]:
    """Cursors that nobody gave, or that another list, order or search gave."""
    by_price = repr(("books", None, None, False, "price"))
    by_relevance = repr(("books", "near", None, False, "relevance"))
    yield from _cursors("catalog", "sort=price&", (*_NO_CURSORS, *_forged(by_price, "[0,1]")))
    yield from _cursors("frontend", "q=near&", (*_NO_CURSORS, *_forged(by_relevance, "[1]")))
    for server, query, kept, wrong in (
        ("catalog", "", ("books", None, None, False, "id"), "[0,1]"),
        ("frontend", "sort=price&", ("books", None, None, False, "price"), "[1]"),
        ("frontend", "sort=title&", ("books", None, None, False, "title"), "[1,1,1]"),
        ("catalog", "sort=title&", ("books", None, None, False, "title"), f"[{MAX_ID}]"),
        ("catalog", "q=near&sort=id&", ("books", "near", None, False, "id"), "[1,1,1]"),
        ("frontend", "topic=tests&in_stock=true&", ("books", None, "tests", True, "id"), "[]"),
    ):
        # A place that is one in another order only, or of a book that never was.
        others = [make_cursor(other, "[1]") for other in _OTHER_LISTS if other != repr(kept)]
        yield from _cursors(server, query, (make_cursor(repr(kept), wrong), *others))


def _cursors(server: str, query: str, wrong: Iterable[str]) -> Iterator[Case]:
    path = dict(LISTS)[server]
    for number, cursor in enumerate(wrong):
        raw = http_request("GET", f"{path}?{query}cursor={cursor}", [SERVICE])
        name = f"cursor {number} of {server}: {query}{short(cursor)}"
        yield Case(name, raw, 400, "invalid_request", server)


def _forged(own: str, position: str) -> Iterator[str]:
    """Return cursors of a list of its own making, and a good one that was changed."""
    yield from (make_cursor(own, wrong) for wrong in _WRONG_POSITIONS)
    good = make_cursor(own, position)
    yield from (f"{good}=", f"{good}A", good[:-1], f"%20{good}", f"{good}%0A", good.swapcase())


_WRONG_POSITIONS = (
    *("x", "1", "null", "true", "{}", "[]", "[[]]", "[null]", "[true]", '["1"]', '{"0":1}'),
    *("[-1]", "[-1,-1]", "[1.0]", "[1.0,1.0]", "[1e3]", "[NaN]", "[Infinity]", "[1,1,1,1]"),
    *("[9223372036854775808]", "[9223372036854775808,1]", "[1", "1]", "[1]]", "[1],", "[1,]"),
    *("[1]\x00", "[\u0661]", f"[{'9' * 4400}]", "[" * 3000, f"{'[' * 900}{']' * 900}"),
    *("[0,1,9223372036854775808]", "[0,-1,1]", "[0.5,1,1]", "[null,null,null]"),
)
_OTHER_LISTS = (
    *(repr(("books", None, None, False, order)) for order in ("id", "title", "price")),
    *(repr(("books", "near", None, stock, "relevance")) for stock in (True, False)),
    *(repr(("books", "Near", None, False, order)) for order in ("id", "relevance")),
    *(repr(("books", None, topic, True, "id")) for topic in ("test", "travel")),
    *("books", "orders", "search", "ledger", "", "('books',)"),
)
_NO_CURSORS = (
    *("", "x", "%00", "%ff", "%C3%A9", "%2B%2F", "AAAA", "====", "a" * 3000, "..", "null", "0"),
    *("WzFd", "<script>", "MTIzNDU2Nzg5MA", "Mjk4NWNjNjMnIg"),
)


def _numbers() -> Iterator[str]:
    for value in (
        *("0", "-1", "201", "5000", "1.0", "1.5", "1e2", "%2B1", "01", "%201", "1%20"),
        *("0x1", "1_0", "99999999999999999999"),
        *("%D9%A1", "%EF%BC%91", "9" * 30, "9" * 4000, "9223372036854775808", "", "x", "true"),
        *("null", "NaN", "[1]", "%00", "1%00", "%ff", "1,2", "<script>"),
    ):
        yield f"limit={value}"


def _choices() -> Iterator[str]:
    for value in ("", "1", "0", "yes", "TRUE", "True", "truE", "true%20", "%20true", "null", "on"):
        yield f"in_stock={value}"
    yield from ("in_stock", "in_stock=%00", "in_stock=true%00", "in_stock=%ff", "in_stock=<script>")
    for value in ("", "ID", "Id", "id%20", "stock", "version", "-id", "id,title", "rowid"):
        yield f"sort={value}"
    yield from ("sort", "sort=%00", "sort=id%00", "sort=%ff", "sort=<script>", "sort=id;title")
    yield from ("sort=relevance", "sort=relevance&topic=a", "sort=relevance&in_stock=true")
    for order in ("title", "price"):
        yield from (f"q=a&sort={order}", f"topic=a&sort={order}", f"sort={order}&q=a&topic=a")


def _texts() -> Iterator[str]:
    for value in ("", "%00", "a%1b", "%C2%85", "%20", "%E2%80%8B", "a%ff", "%ED%A0%80", "a" * 257):
        yield f"topic={value}"
    for value in (
        *("", "%00", "a%00", "%00a", "a%00b", "%0a", "a%0Ab", "a%0D", "%09", "%1b[31m", "%7f"),
        *("%C2%80", "%C2%85", "a%C2%9Bb", "%20", "+", "%20%20", "%C2%A0", "%E2%80%8B"),
        *("%E2%80%AE", "%EF%BB%BF", "%E3%80%80", "%E2%80%A8", "%F3%A0%80%81", "%EF%BF%BF"),
        *("%ff", "a%ff", "%C3%28", "%C3", "%C0%AF", "%C0%80", "%E0%80%AF", "%F5%80%80%80"),
        *("%ED%A0%80", "%ED%BF%BF", "%ED%A0%BD%ED%B2%A9", "%F4%90%80%80", "%80", "a%E2%82"),
        *("a" * 257, "%C3%A9" * 257, "%20" * 257, "e%CC%81" * 257, "%F0%9F%93%96" * 257),
        "%EF%AC%AC" * 200,  # One character that is three in NFC.
    ):
        yield f"q={value}"


def _forms() -> Iterator[str]:
    for name, value in (
        *(("q", "a"), ("topic", "a"), ("in_stock", "true"), ("sort", "id"), ("limit", "1")),
        ("cursor", "a"),
    ):
        yield f"{name}={value}&{name}={value}"
        yield f"{name}={value}&%{ord(name[0]):X}{name[1:]}={value}"
        yield f"{name.upper()}={value}"
        yield f"{name}[]={value}"
        yield f"%20{name}={value}"
    yield from ("x=1", "<script>=1", "q=a&x=1", "offset=1", "after=1", "page=1", "tombstones=1")
    yield from ("&", "=", "q=a&", "&q=a", "q=a&&limit=1", "q", "q=a&topic", "=a", "%ff=1", "%00=1")
    yield from ("__class__=1", "q.x=1", "%71%00=a", "?q=a")


def _search(server: str, path: str, query: str, status: int, code: str) -> Case:
    raw = http_request("GET", f"{path}?{query}", [SERVICE])
    return Case(f"search of {server}: {short(query)}", raw, status, code, server)


def answered() -> list[tuple[Case, bool]]:
    """Return searches that are answered, and whether each finds the book of `ODD_TITLE`."""
    asked = {quote(words, safe=""): found for words, found in PLAIN_WORDS.items()}
    cases = []
    for query, found in (asked | _AS_TYPED).items():
        for server, path in LISTS:
            raw = http_request("GET", f"{path}?q={query}&limit=200", [SERVICE])
            cases.append((Case(f"words for {server}: {short(query)}", raw, 200, "", server), found))
    return cases


_NOT_FOUND = ("%", "%%", "%zz", "%u006Eear", "near%2", "%4near", "near;limit=x")
_AS_TYPED = {
    **dict.fromkeys(_NOT_FOUND, False),
    **dict.fromkeys(("near%", "near%20%", "near+col", "%6Eear"), True),
}
"""A percent sign that begins no escape is a sign like any other, and so is a semicolon."""
