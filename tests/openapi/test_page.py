"""The page `/docs`: whole, harmless whatever it shows, and of lines that work when copied."""

from __future__ import annotations

import copy
import html
import re
import shlex
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import click

from bookstore_cli.main import make_cli
from servers.web.openapi.curl import curl_line
from servers.web.openapi.document import CLI
from servers.web.openapi.page import STYLE, docs_page, security_policy
from tests.openapi.documents import document_of, found, operations
from tests.support.services import ADMIN_TOKEN, open_servers

if TYPE_CHECKING:
    from pathlib import Path

HOSTILE = "</code><script>alert(1)</script><img src=x onerror=alert(1)>\"'&"


class Tags(HTMLParser):
    """Notes each element that a browser would make."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.anchors: set[str] = set()
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.attributes += attrs
        self.anchors |= {value or "" for name, value in attrs if name == "id"}

    def handle_data(self, data: str) -> None:
        self.text += data


async def test_each_route_is_on_it() -> None:
    """Every route has a place of its own, with its summary, examples and problems."""
    document = await document_of("frontend")
    page = Tags(docs_page(document))
    for name, operation in operations(document):
        assert name in page.text
        assert operation["summary"] in page.text
        assert operation["operationId"] in page.anchors
        assert operation.get(CLI, "") in page.text
    links = {value or "" for name, value in page.attributes if name == "href"}
    assert {link.removeprefix("#") for link in links if link.startswith("#")} == page.anchors
    for code in ("out_of_stock", "stale_version", "outcome_unknown"):
        assert code in page.text


async def test_it_loads_nothing() -> None:
    """There is no script, no form and nothing of another site; its own style is let in alone."""
    page = docs_page(await document_of("frontend"))
    tags = Tags(page)
    assert not {"script", "iframe", "img", "link", "form", "object"} & set(tags.names)
    loading = {"src", "style", "action", "srcset"}
    names = {name for name, _ in tags.attributes}
    assert not names & loading
    assert not [name for name in names if name.startswith("on")]
    links = [value or "" for name, value in tags.attributes if name == "href"]
    assert all(link.startswith("#") or link == "/openapi.json" for link in links)
    assert "url(" not in STYLE
    assert "@import" not in STYLE
    assert "prefers-color-scheme: dark" in STYLE
    policy = security_policy()
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy


async def test_what_it_shows_is_escaped() -> None:
    """Markup in any text of a document is shown as text, wherever it stands."""
    document = await document_of("frontend")
    plain = Tags(docs_page(document))

    def spoilt(part: Any, name: str = "") -> Any:
        if isinstance(part, dict):
            return {key: spoilt(each, key) for key, each in part.items()}
        if isinstance(part, list):
            return [spoilt(each) for each in part]
        shown = {"summary", "description", "detail", "title", "meaning", CLI, "example"}
        return part + HOSTILE if isinstance(part, str) and name in shown else part

    page = Tags(docs_page(spoilt(copy.deepcopy(document))))
    assert page.names == plain.names
    assert HOSTILE in page.text


async def test_its_command_lines_are_commands() -> None:
    """Each line for `bookstore` is one that the command takes: the command and its options."""
    lines = [
        operation[CLI]
        for _, operation in operations(await document_of("frontend"))
        if CLI in operation
    ]
    assert len(lines) >= 12
    for line in lines:
        program, *words = shlex.split(line)
        assert program == "bookstore"
        command: click.Command = make_cli()
        while isinstance(command, click.Group):
            name = words.pop(0)
            inner = command.get_command(click.Context(command), name)
            assert inner is not None, line
            command = inner
        # Raises a usage error for an option or an argument that the command does not know.
        command.make_parser(click.Context(command)).parse_args(words)


async def test_its_curl_lines_are_answered(tmp_path: Path) -> None:
    """Each line for curl is a whole request: what it names is let in, found and understood."""
    document = await document_of("frontend")
    async with open_servers(tmp_path, sample=True) as web:
        for name, operation in operations(document):
            method, _, path = name.partition(" ")
            words = shlex.split(curl_line(document, method, path, operation))
            assert words[:2] == ["curl", "-s"]
            asked = words[words.index("-X") + 1] if "-X" in words else "GET"
            target = next(word for word in words if word.startswith("$SHOP"))
            headers = dict(
                words[place + 1].split(": ", 1) for place, word in enumerate(words) if word == "-H"
            )
            headers = {
                key: value.replace("$TOKEN", ADMIN_TOKEN).replace("$(uuidgen)", "k" * 20)
                for key, value in headers.items()
            }
            body = words[words.index("-d") + 1].encode() if "-d" in words else None
            said = await web.ask(asked, target.removeprefix("$SHOP"), body, headers)
            # The order and the version of an example are not those of this shop.
            assert said.status < 400 or said.code in {
                *("order_not_found", "stale_version", "isbn_exists"),
            }, (words, said)


async def test_it_is_answered_to_anyone(tmp_path: Path) -> None:
    """The frontend answers page and document to anyone; inside, the document needs a token."""
    async with open_servers(tmp_path) as web:
        said = await web.ask("GET", "/docs")
        assert said.status == 200
        assert said.headers["Content-Type"] == "text/html; charset=utf-8"
        assert said.headers["Content-Security-Policy"] == security_policy()
        assert said.headers["X-Content-Type-Options"] == "nosniff"
        style = re.search("<style>(.*?)</style>", said.body.decode(), re.DOTALL)
        assert style is not None
        assert style[1] == STYLE
        assert html.unescape(style[1]) == STYLE
        document = await document_of("frontend")
        assert (await web.ask("GET", "/openapi.json")).json == document
        nothing = await web.ask("GET", "/")
        assert nothing.status == 404
        assert "/docs" in nothing.json["detail"]
        for server in ("catalog", "order"):
            assert (await web.ask("GET", "/openapi.json", server=server)).status == 401
            assert (await web.ask("GET", "/docs", server=server, token=ADMIN_TOKEN)).status == 404
            told = await web.ask("GET", "/openapi.json", server=server, token=ADMIN_TOKEN)
            assert told.json == await document_of(server)
    assert found(document, {"$ref": "#/info"})["title"] == "Bookstore: frontend"
