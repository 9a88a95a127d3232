"""From a request to its answer: methods, doors, bodies, deadlines, overload, errors, the log."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import pytest

from tests.support.services import ADMIN_TOKEN, SERVICE_TOKEN, wait_until

if TYPE_CHECKING:
    from tests.support.services import Web
    from tests.web.conftest import Echo, Log

JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


async def test_an_answer(web: Web) -> None:
    """An answer is JSON, with an id of its request."""
    said = await web.ask("GET", "/show?limit=3")
    assert (said.status, said.headers["Content-Type"]) == (200, "application/json")
    assert said.json["query"] == {"limit": 3}
    assert said.headers["X-Request-Id"].startswith("made-")
    assert said.headers["Server"] == "bookstore"


async def test_head(web: Web) -> None:
    """HEAD is answered as GET, without the body but with its length."""
    got = await web.ask("GET", "/refuse")
    head = await web.ask("HEAD", "/refuse")
    assert (head.status, head.body) == (got.status, b"")
    for name in ("Content-Type", "Content-Length"):
        assert head.headers[name] == got.headers[name]


async def test_options(web: Web) -> None:
    """OPTIONS says which methods a path answers."""
    said = await web.ask("OPTIONS", "/plain/1")
    assert (said.status, said.body) == (204, b"")
    assert said.headers["Allow"] == "GET, HEAD, OPTIONS, PUT"


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, "not_found"),
        ("OPTIONS", "/nothing", 404, "not_found"),
        ("GET", "/plain/x", 404, "not_found"),
        ("GET", "/plain/%00", 400, "invalid_request"),
        ("DELETE", "/plain/1", 405, "method_not_allowed"),
        ("GET", "/body", 405, "method_not_allowed"),
        ("TRACE", "/show", 405, "method_not_allowed"),
        ("GET", "/show?limit=0", 400, "invalid_request"),
        ("GET", "/show?limits=1", 400, "invalid_request"),
        ("GET", "/plain/1?limit=1", 400, "invalid_request"),
        ("GET", "/refuse", 409, "out_of_stock"),
    ],
)
async def test_refusals(web: Web, method: str, path: str, status: int, code: str) -> None:
    """Every refusal is one problem object with its code."""
    said = await web.ask(method, path)
    assert (said.status, said.code) == (status, code)
    assert said.json["type"] == f"/problems/{code}"
    assert said.json["status"] == status
    assert (status == 405) == ("Allow" in said.headers)


@pytest.mark.parametrize(
    ("path", "body", "headers", "shown"),
    [
        ("/body", b'{"count":2}', JSON, {"count": 2}),
        (
            "/body",
            b'{"count":2}',
            {"Content-Type": "Application/JSON; charset=utf-8"},
            {"count": 2},
        ),
        ("/body", b'{"count":2}', {**JSON, "Content-Encoding": "identity"}, {"count": 2}),
        ("/optional", b'{"count":2}', JSON, {"count": 2}),
        ("/optional", b"", JSON, {"count": 1}),
        ("/optional", b"", FORM, {"count": 1}),
        ("/nobody", b"", FORM, None),
        ("/nobody", b"{}", JSON, None),
        ("/raw", b"{}", JSON, "{}"),
        ("/raw", b"", FORM, ""),
        ("/body", b'{"count":2}' + b" " * 65_525, JSON, {"count": 2}),
    ],
    ids=lambda value: repr(value)[:30],
)
async def test_good_bodies(
    web: Web, path: str, body: bytes, headers: dict[str, str], shown: object
) -> None:
    """A JSON body is read; where none is sent its type does not matter."""
    said = await web.ask("POST", path, body, headers)
    assert said.status == 200, said
    assert said.json["body"] == shown


@pytest.mark.parametrize(
    ("path", "body", "headers", "code"),
    [
        ("/body", b"", JSON, "invalid_request"),
        ("/body", b"[]", JSON, "invalid_request"),
        ("/body", b'{"count":11}', JSON, "invalid_request"),
        ("/nobody", b'{"count":1}', JSON, "invalid_request"),
        ("/body", b"count=1", FORM, "unsupported_media_type"),
        ("/body", b"{}", {"Content-Type": "text/plain"}, "unsupported_media_type"),
        ("/body", b"{}", {"Content-Type": "application/jsonp"}, "unsupported_media_type"),
        ("/optional", b"x", FORM, "unsupported_media_type"),
        ("/raw", b"{}", FORM, "unsupported_media_type"),
        ("/body", b"{}", {**JSON, "Content-Encoding": "gzip"}, "unsupported_media_type"),
        ("/raw", b"{}", {**JSON, "Content-Encoding": "br"}, "unsupported_media_type"),
        ("/body", b" " * 65_537, JSON, "body_too_large"),
        ("/raw", b" " * 101, JSON, "body_too_large"),
    ],
    ids=lambda value: repr(value)[:30],
)
async def test_bad_bodies(
    web: Web, echo: Echo, path: str, body: bytes, headers: dict[str, str], code: str
) -> None:
    """A body of another type, encoding, size or form is refused before the handler runs."""
    said = await web.ask("POST", path, body, headers)
    assert said.code == code
    assert echo.handled == 0


async def test_a_body_in_pieces(web: Web) -> None:
    """A body that says no length is counted as it comes."""

    async def pieces(count: int) -> int:
        async def stream() -> object:
            for _ in range(count):
                yield b" " * 1000
            yield b"{}"

        url = f"{web.urls['frontend']}/body"
        async with web.session.post(url, data=stream(), headers=JSON) as answer:
            return answer.status

    assert await pieces(2) == 200
    assert await pieces(70) == 413


@pytest.mark.parametrize(
    ("path", "header", "status"),
    [
        ("/inside", None, 401),
        ("/inside", "", 401),
        ("/inside", f"Bearer {'0' * 64}", 401),
        ("/inside", f"Basic {SERVICE_TOKEN}", 401),
        ("/inside", SERVICE_TOKEN, 401),
        ("/inside", f"Bearer {SERVICE_TOKEN[:-1]}", 401),
        ("/inside", f"Bearer {SERVICE_TOKEN}, Bearer {SERVICE_TOKEN}", 401),
        ("/inside", f"Bearer {SERVICE_TOKEN}", 200),
        ("/inside", f"bearer {SERVICE_TOKEN}", 200),
        ("/inside", f"Bearer {ADMIN_TOKEN}", 200),
        ("/staff", None, 401),
        ("/staff", f"Bearer {'0' * 64}", 401),
        ("/staff", f"Bearer {SERVICE_TOKEN}", 403),
        ("/staff", f"Bearer {ADMIN_TOKEN}", 200),
        ("/show", f"Bearer {'0' * 64}", 200),
    ],
)
async def test_doors(web: Web, echo: Echo, path: str, header: str | None, status: int) -> None:
    """A route lets in whoever it is for; a refusal does not tell one wrong token from another."""
    headers = {} if header is None else {"Authorization": header}
    said = await web.ask("GET", path, headers=headers)
    assert said.status == status
    assert echo.handled == (status == 200)
    assert (status == 401) == ("WWW-Authenticate" in said.headers)
    assert SERVICE_TOKEN not in said.body.decode()


async def test_the_door_comes_before_the_body(web: Web) -> None:
    """Who may not come in is not told what is wrong with the query."""
    assert (await web.ask("GET", "/staff?wrong=1")).status == 401


@pytest.mark.parametrize(("given", "at_most_s"), [(None, 10.0), ("2000", 2.0), ("60000", 10.0)])
async def test_the_deadline(web: Web, given: str | None, at_most_s: float) -> None:
    """A request has the time that its caller gives it, and never more than the server's."""
    headers = {} if given is None else {"X-Deadline-Ms": given}
    said = await web.ask("GET", "/show", headers=headers)
    assert at_most_s - 5 < said.json["left_s"] <= at_most_s


async def test_a_deadline_that_is_over(web: Web, echo: Echo) -> None:
    """What nobody waits for any more is refused before anything is done; health is answered."""
    said = await web.ask("GET", "/show", headers={"X-Deadline-Ms": "0"})
    assert (said.status, said.code) == (503, "overloaded")
    assert said.headers["Retry-After"] == "1"
    assert echo.handled == 0
    assert (await web.ask("GET", "/livez", headers={"X-Deadline-Ms": "0"})).status == 200


@pytest.mark.parametrize("given", ["", "x", "-1", "+1", "1.5", "60001", "9" * 30, "1e3", "\u0661"])
async def test_a_bad_deadline(web: Web, given: str) -> None:
    """A deadline that is no number of milliseconds is refused by the header's name."""
    said = await web.ask("GET", "/show", headers={"X-Deadline-Ms": given})
    assert (said.status, said.json["header"]) == (400, "X-Deadline-Ms")


async def test_overload(web: Web, echo: Echo) -> None:
    """Beyond its limit a server answers at once to come back later; health goes on."""
    waiting = [asyncio.ensure_future(web.ask("GET", "/wait")) for _ in range(4)]
    done, pending = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    while len(done) < 2:
        more, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        done |= more
    for each in done:
        assert (each.result().status, each.result().code) == (503, "overloaded")
        assert each.result().headers["Retry-After"] == "1"
    assert (await web.ask("GET", "/livez")).status == 200
    echo.release.set()
    assert [(await each).status for each in pending] == [200, 200]
    assert (await web.ask("GET", "/show")).status == 200


async def test_a_bug(web: Web, caplog: pytest.LogCaptureFixture) -> None:
    """A bug is one problem object that tells nothing of the inside; the log tells all."""
    with caplog.at_level(logging.ERROR):
        said = await web.ask("GET", "/fail", headers={"X-Request-Id": "who-1"})
    assert (said.status, said.code) == (500, "internal")
    assert b"secret" not in said.body
    assert "request who-1 failed" in caplog.text
    assert "a secret of the inside" in caplog.text


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("abc-1.2_3", True),
        ("x" * 64, True),
        ("x" * 65, False),
        ("", False),
        ('a"b', False),
        ("a b", False),
        ("\u00e9", False),
    ],
)
async def test_request_ids(web: Web, log: Log, given: str, kept: bool) -> None:
    """A short printable request id is kept, any other replaced; the log has the same one."""
    said = await web.ask("GET", "/show", headers={"X-Request-Id": given})
    assert (said.headers["X-Request-Id"] == given) == kept
    await wait_until(log.lines, "the line is written")
    assert log.lines()[0]["request_id"] == said.headers["X-Request-Id"]


async def test_the_log(web: Web, log: Log) -> None:
    """Each request is one line that is JSON, without queries, tokens or bodies."""
    await web.ask("GET", '/show?limit=7&x="', token=ADMIN_TOKEN)
    await web.ask("POST", "/body", {"count": 9})
    await web.ask("GET", "/%22%0A%1B[31m")
    await wait_until(lambda: len(log.lines()) == 3, "the lines are written")
    assert [(line["request"], line["status"]) for line in log.lines()] == [
        ("GET /show", 400),
        ("POST /body", 200),
        ("GET /%22%0A%1B[31m", 404),
    ]
    assert set(log.lines()[0]) == {
        *("at", "server", "request", "status", "ms", "bytes", "request_id"),
    }
    assert ADMIN_TOKEN.encode() not in log.data
    assert b"limit" not in log.data
