"""The OpenAPI 3.1 document of a server, made from its described route table.

Nothing is said here of any certain route. The types come from the table and the
descriptions, the problems from the tree of errors, what a problem looks like on the wire
from the code that writes it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec

from servers.web.answers import JSON, PROBLEM, problem
from servers.web.openapi import headers
from servers.web.openapi.described import plain_path
from servers.web.openapi.refusals import refusals
from servers.web.openapi.schemas import PATH_PARAMETERS, REF, components, fields, problem_schema

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from servers.domain.errors import ShopError
    from servers.web.auth import Role
    from servers.web.openapi.described import Description, Good
    from servers.web.routes import Route

    Json = dict[str, Any]

OPENAPI = "3.1.0"
CLI = "x-bookstore-command"
"""Where an operation has the command line that does the same."""

_PARAMETER = re.compile(r"{(\w+):(\w+)}")


@dataclass(frozen=True)
class About:
    """What a document says of its server as a whole; ``tags`` are sentences by tag."""

    title: str
    version: str
    description: str
    tags: Mapping[str, str]


def document(about: About, routes: Iterable[Route]) -> Json:
    """Return the document, as JSON values. Every route must have a description."""
    return _Writer(about, tuple(routes)).document()


@dataclass
class _Writer:
    """Collects what the operations share while it writes them one by one."""

    about: About
    routes: tuple[Route, ...]
    schemas: Json = field(default_factory=dict)
    responses: Json = field(default_factory=dict)
    roles: set[Role] = field(default_factory=set)

    def document(self) -> Json:
        paths: Json = {}
        for route in self.routes:
            operation = self._operation(route, _told(route))
            paths.setdefault(plain_path(route.path), {})[route.method.lower()] = operation
        used = {_told(route).tag for route in self.routes}
        return {
            "openapi": OPENAPI,
            "info": {
                "title": self.about.title,
                "version": self.about.version,
                "description": self.about.description,
            },
            "servers": [{"url": "/"}],
            "tags": [
                {"name": name, "description": said}
                for name, said in self.about.tags.items()
                if name in used
            ],
            "paths": paths,
            "components": {
                "schemas": dict(sorted(self.schemas.items())),
                "responses": dict(sorted(self.responses.items())),
                "parameters": headers.parameters(),
                "headers": headers.response_headers(),
                "securitySchemes": {
                    role.name.lower(): headers.security(role) for role in sorted(self.roles)
                },
            },
        }

    def _operation(self, route: Route, told: Description) -> Json:
        self.roles |= route.roles
        operation: Json = {
            "operationId": told.name,
            "summary": route.summary,
            "tags": [told.tag],
            "parameters": [*self._parameters(route), *headers.taken(route, told)],
            "responses": self._responses(route, told),
            "security": [{role.name.lower(): []} for role in sorted(route.roles)],
        }
        if told.more:
            operation["description"] = told.more
        if told.command:
            operation[CLI] = told.command
        body = self._request_body(route, told)
        if body is not None:
            operation["requestBody"] = body
        return operation

    def _parameters(self, route: Route) -> list[Json]:
        parameters: list[Json] = []
        for name, kind in _PARAMETER.findall(route.path):
            schema, said, example = PATH_PARAMETERS[kind]
            parameters.append(
                {
                    "name": name,
                    "in": "path",
                    "required": True,
                    "description": said,
                    "schema": schema,
                    "example": example,
                }
            )
        if route.query is not None:
            given, required, named = fields(route.query)
            self.schemas |= named
            parameters += [
                {"name": name, "in": "query", "required": name in required, "schema": schema}
                for name, schema in given.items()
            ]
        return parameters

    def _request_body(self, route: Route, told: Description) -> Json | None:
        kind = told.sends or route.body
        if kind is None:
            if told.example is not None:
                message = f"{told.name} has an example of a body whose type is not known"
                raise ValueError(message)
            return None
        content = {"schema": self._schema(kind), "example": msgspec.to_builtins(told.example)}
        media_type = route.stream.media_type if route.stream is not None else JSON
        optional = route.body_optional or route.stream is not None  # A stream may be empty.
        return {"required": not optional, "content": {media_type: content}}

    def _responses(self, route: Route, told: Description) -> Json:
        responses = {str(good.status): self._good(good) for good in told.answers}
        by_status: dict[int, list[ShopError]] = {}
        for error in refusals(route):
            by_status.setdefault(error.status, []).append(error)
        for status, errors in sorted(by_status.items()):
            again = told.replays and any(error in told.problems for error in errors)
            response = self._problem(status, errors, again=again)
            responses[str(status)] = self._shared(errors, response)
        return responses

    def _good(self, good: Good) -> Json:
        response: Json = {
            "description": good.meaning,
            "headers": headers.answered(good.headers),
        }
        if good.body is not None:
            content: Json = {"schema": self._schema(good.body)}
            if good.example is not None:
                content["example"] = msgspec.to_builtins(good.example)
            response["content"] = {good.media_type: content}
        return response

    def _problem(self, status: int, errors: Sequence[ShopError], *, again: bool) -> Json:
        examples: Json = {}
        found: dict[str, None] = {}
        for error in errors:
            sent = problem(error, replayed=again)
            found |= dict.fromkeys(sent.headers)
            number = sum(name.startswith(error.code) for name in examples) + 1
            name = error.code if number == 1 else f"{error.code}_{number}"
            examples[name] = {"value": msgspec.json.decode(sent.body)}
            self._name_problem(error)
        names = list(dict.fromkeys(type(error).__name__ for error in errors))
        schema: Json = {"$ref": REF + names[0]}
        if len(names) > 1:
            mapping = {error.code: REF + type(error).__name__ for error in errors}
            schema = {
                "oneOf": [{"$ref": REF + name} for name in names],
                "discriminator": {"propertyName": "code", "mapping": mapping},
            }
        return {
            "description": HTTPStatus(status).phrase + ": " + ", ".join(_codes(errors)),
            "headers": headers.answered(found),
            "content": {PROBLEM: {"schema": schema, "examples": examples}},
        }

    def _name_problem(self, error: ShopError) -> None:
        """Let the schema of a kind of problem have the members of this one as well."""
        name = type(error).__name__
        members = {key: self._schema(_type_of(value)) for key, value in error.members.items()}
        before = self.schemas.get(name, {"properties": {}})["properties"]
        self.schemas[name] = problem_schema(type(error), {**members, **_members(before)})

    def _shared(self, errors: Sequence[ShopError], response: Json) -> Json:
        """Return a reference to a response that several routes have word for word."""
        name = "Or".join(dict.fromkeys(type(error).__name__ for error in errors))
        if self.responses.setdefault(name, response) != response:
            return response
        return {"$ref": f"#/components/responses/{name}"}

    def _schema(self, kind: object) -> Json:
        if isinstance(kind, dict):
            return kind
        (schema,), named = components((kind,))
        self.schemas |= named
        return schema


def _told(route: Route) -> Description:
    if route.description is None:
        message = f"{route.method} {route.path} has no description"
        raise ValueError(message)
    return route.description


def _codes(errors: Iterable[ShopError]) -> list[str]:
    return list(dict.fromkeys(error.code for error in errors))


def _type_of(value: object) -> object:
    """Return the type of a problem's member; a dictionary's values are all texts."""
    return dict[str, str] if isinstance(value, dict) else type(value)


def _members(properties: Json) -> Json:
    known = {"type", "title", "status", "code", "detail"}
    return {name: schema for name, schema in properties.items() if name not in known}
