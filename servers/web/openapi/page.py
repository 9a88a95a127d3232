"""The page ``/docs``: an OpenAPI document for people, as one file of HTML.

It loads nothing and runs nothing: no script, no font, no other site. All that is put in is
escaped, whatever it is; the one style is let in by its hash.
"""

from __future__ import annotations

import base64
import json
from hashlib import sha256
from html import escape
from typing import TYPE_CHECKING, Any

from servers.web.openapi.curl import curl_line
from servers.web.openapi.document import CLI

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    Json = dict[str, Any]

STYLE = """
:root { color-scheme: light dark; --ink: #1b1b1f; --soft: #5c5c66; --paper: #fdfdfb;
  --box: #f1f1ec; --line: #d8d8d0; --mark: #0b5c7a; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e6e3; --soft: #a3a3a0;
  --paper: #17181a; --box: #222427; --line: #3a3c40; --mark: #7cc4e0; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 60rem; padding: 1rem; color: var(--ink);
  background: var(--paper); font: 1rem/1.5 system-ui, sans-serif; }
a { color: var(--mark); }
h2 { margin-top: 2.5rem; border-bottom: 1px solid var(--line); }
h3 { margin: 2rem 0 .25rem; font-size: 1.05rem; }
h4 { margin: .75rem 0 .25rem; font-size: .9rem; color: var(--soft); }
h3 code, nav code { overflow-wrap: anywhere; }
nav ul { columns: 18rem; padding-left: 1rem; margin: .25rem 0 1rem; }
pre { margin: .25rem 0; padding: .5rem .75rem; overflow-x: auto; background: var(--box);
  border: 1px solid var(--line); border-radius: .25rem; }
code { font: .875rem/1.45 ui-monospace, Menlo, Consolas, monospace; }
.line { user-select: all; -webkit-user-select: all; white-space: pre-wrap; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; }
th, td { padding: .2rem .75rem .2rem 0; text-align: left; vertical-align: top;
  border-bottom: 1px solid var(--line); }
th { color: var(--soft); font-weight: 600; }
summary { cursor: pointer; color: var(--mark); font-size: .9rem; }
.role { color: var(--soft); font-size: .85rem; }
"""

_STYLE_HASH_PREFIX = "sha256-"


def security_policy() -> str:
    """Return the Content-Security-Policy of the page: its own style and nothing else."""
    digest = base64.b64encode(sha256(STYLE.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src '{_STYLE_HASH_PREFIX}{digest}'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    )


def docs_page(document: Json) -> str:
    """Return the page about a server's routes."""
    title = escape(document["info"]["title"])
    return "\n".join(
        [
            '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{title}</title><style>{STYLE}</style></head><body>",
            f"<header><h1>{title}</h1>",
            *(_paragraphs(document["info"]["description"])),
            "<p>The same for programs: <a href='/openapi.json'>openapi.json</a>.</p>",
            "<h4>Set these two first; a click on a line takes all of it</h4>",
            _line("SHOP=http://127.0.0.1:8000"),
            _line('TOKEN=$(cat "$BOOKSTORE_DATA/admin.token")'),
            "</header><nav aria-label='Routes'>",
            *(_contents(document)),
            "</nav><main>",
            *(_sections(document)),
            "</main></body></html>\n",
        ]
    )


def _operations(document: Json, tag: str) -> Iterator[tuple[str, str, Json]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if tag in operation["tags"]:
                yield method.upper(), path, operation


def _contents(document: Json) -> Iterator[str]:
    for tag in document["tags"]:
        yield f"<strong>{escape(tag['name'])}</strong><ul>"
        for method, path, operation in _operations(document, tag["name"]):
            anchor = escape(operation["operationId"])
            yield f"<li><a href='#{anchor}'><code>{escape(f'{method} {path}')}</code></a></li>"
        yield "</ul>"


def _sections(document: Json) -> Iterator[str]:
    for tag in document["tags"]:
        yield f"<h2>{escape(tag['name'])}</h2>"
        yield from _paragraphs(tag["description"])
        for method, path, operation in _operations(document, tag["name"]):
            yield from _section(document, method, path, operation)


def _section(document: Json, method: str, path: str, operation: Json) -> Iterator[str]:
    roles = [role for way in operation["security"] for role in way]
    yield f"<section id='{escape(operation['operationId'])}'>"
    yield f"<h3><code>{escape(f'{method} {path}')}</code></h3>"
    needs = f" <span class='role'>needs a token: {escape(', '.join(roles))}</span>" if roles else ""
    yield f"<p>{escape(operation['summary'])}.{needs}</p>"
    yield from _paragraphs(operation.get("description", ""))
    yield _line(curl_line(document, method, path, operation))
    if CLI in operation:
        yield _line(operation[CLI])
    yield from _parameters(document, operation)
    yield from _good_answers(document, operation)
    yield from _problems(document, operation)
    yield "</section>"


def _parameters(document: Json, operation: Json) -> Iterator[str]:
    rows = []
    for each in operation["parameters"]:
        parameter = resolved(document, each)
        needed = "required" if parameter["required"] else "optional"
        said = parameter.get("description") or _form(parameter["schema"])
        rows.append((f"{parameter['name']}", parameter["in"], needed, said))
    yield from _details("What it takes", _table(("name", "in", "", ""), rows))


def _good_answers(document: Json, operation: Json) -> Iterator[str]:
    for status, each in operation["responses"].items():
        if int(status) >= 400:
            continue
        response = resolved(document, each)
        yield f"<h4>{escape(status)}: {escape(response['description'])}</h4>"
        for content in response.get("content", {}).values():
            if "example" in content:
                yield f"<pre><code>{escape(_shown(content['example']))}</code></pre>"


def _problems(document: Json, operation: Json) -> Iterator[str]:
    rows = []
    for status, each in operation["responses"].items():
        if int(status) < 400:
            continue
        for content in resolved(document, each)["content"].values():
            rows += [
                (status, example["value"]["code"], example["value"]["detail"])
                for example in content["examples"].values()
            ]
    yield from _details("What may go wrong", _table(("status", "code", "for example"), rows))


def resolved(document: Json, part: Json) -> Json:
    """Return a part of a document, or what it refers to."""
    if "$ref" not in part:
        return part
    found: Json = document
    for name in part["$ref"].removeprefix("#/").split("/"):
        found = found[name]
    return found


def _details(title: str, inside: str) -> Iterator[str]:
    yield f"<details><summary>{escape(title)}</summary><div class='wide'>{inside}</div></details>"


def _table(names: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = "".join(f"<th scope='col'>{escape(name)}</th>" for name in names)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _paragraphs(text: str) -> list[str]:
    return [f"<p>{escape(each)}</p>" for each in text.split("\n\n") if each]


def _line(text: str) -> str:
    return f"<pre><code class='line'>{escape(text)}</code></pre>"


def _shown(example: object) -> str:
    if isinstance(example, str):
        return example
    return json.dumps(example, indent=2, ensure_ascii=False)


def _form(schema: Json) -> str:
    """Say in a few words what a parameter may be."""
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    bounds = [str(schema[name]) for name in ("minimum", "maximum") if name in schema]
    return f"{schema.get('type', '')} {' to '.join(bounds)}".strip()
