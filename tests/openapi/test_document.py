"""The documents themselves: well formed, whole, and of one mind with the route tables."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest
import schemathesis

from servers.catalog import descriptions as catalog
from servers.domain.errors import BY_CODE, MethodNotAllowed
from servers.web.openapi.described import Description, Good, described, name_of
from servers.web.openapi.document import About, document
from servers.web.routes import Route
from tests.openapi.documents import (
    PROBLEM,
    SERVERS,
    checker,
    closed,
    document_of,
    found,
    operations,
    responses,
)
from tests.support.tables import NOBODY, tables

if TYPE_CHECKING:
    from collections.abc import Iterator

    Json = dict[str, Any]


def references(part: Any) -> Iterator[str]:
    """Yield what a part of a document refers to."""
    if isinstance(part, list):
        for each in part:
            yield from references(each)
    elif isinstance(part, dict):
        for name, each in part.items():
            if name == "$ref":
                yield each
            else:
                yield from references(each)


@pytest.mark.parametrize("server", SERVERS)
async def test_it_is_openapi_3_1(server: str) -> None:
    """The document is what the schema of OpenAPI 3.1 asks for, and a spoilt one is not."""
    good = await document_of(server)
    assert good["openapi"] == "3.1.0"
    schemathesis.openapi.from_dict(good).validate()
    spoilt = copy.deepcopy(good)
    next(operation for _, operation in operations(spoilt))["responses"]["200"].pop("description")
    with pytest.raises(ValueError, match="description"):
        schemathesis.openapi.from_dict(spoilt).validate()


@pytest.mark.parametrize("server", SERVERS)
async def test_the_routes_are_those_of_the_router(server: str) -> None:
    """Each route stands in the document, under one name, and nothing else does."""
    whole = await document_of(server)
    named = dict(operations(whole))
    routes = {name_of(route): route for route in tables()[server]}
    assert named.keys() == routes.keys()
    ids = [operation["operationId"] for operation in named.values()]
    assert len(set(ids)) == len(ids)
    for name, operation in named.items():
        roles = {role for way in operation["security"] for role in way}
        assert roles == {role.name.lower() for role in routes[name].roles}
        assert operation["summary"] == routes[name].summary
        assert operation["tags"][0] in {tag["name"] for tag in whole["tags"]}


@pytest.mark.parametrize("server", SERVERS)
async def test_every_reference_leads_somewhere(server: str) -> None:
    """What is referred to is there, and every schema that is there is referred to."""
    whole = await document_of(server)
    used = set(references(whole))
    for target in used:
        assert found(whole, {"$ref": target})
    schemas = {f"#/components/schemas/{name}" for name in whole["components"]["schemas"]}
    assert schemas <= used


@pytest.mark.parametrize("server", SERVERS)
async def test_every_example_is_right(server: str) -> None:
    """Each example has the form that it is an example of, and names nothing more."""
    whole = closed(await document_of(server))
    seen = 0
    for name, operation in operations(whole):
        for content in _contents(whole, operation):
            check = checker(whole, content["schema"])
            for example in _examples(content):
                wrong = [str(error) for error in check.iter_errors(example)]
                assert not wrong, (name, wrong, example)
                seen += 1
        for each in operation["parameters"]:
            parameter = found(whole, each)
            if "example" in parameter:
                assert checker(whole, parameter["schema"]).is_valid(parameter["example"])
    for header in whole["components"]["headers"].values():
        assert checker(whole, header["schema"]).is_valid(header["example"])
    assert seen > len(list(operations(whole))) * 5


def _contents(whole: Json, operation: Json) -> Iterator[Json]:
    yield from operation.get("requestBody", {}).get("content", {}).values()
    for response in responses(whole, operation).values():
        yield from response.get("content", {}).values()


def _examples(content: Json) -> list[Any]:
    if "examples" in content:
        return [each["value"] for each in content["examples"].values()]
    return [content["example"]]


@pytest.mark.parametrize("server", SERVERS)
async def test_every_answer_has_an_example(server: str) -> None:
    """Each answer with a body shows one; each problem that a route names, one of each code."""
    whole = await document_of(server)
    for name, operation in operations(whole):
        assert any(int(status) < 400 for status in operation["responses"]), name
        for status, response in responses(whole, operation).items():
            contents = response.get("content", {})
            if int(status) < 400:
                assert bool(contents) == (status not in {"204", "304"}), (name, status)
                continue
            schema = contents[PROBLEM]["schema"]
            kinds = [found(whole, each) for each in schema.get("oneOf", [schema])]
            codes = {kind["properties"]["code"]["const"] for kind in kinds}
            examples = [each["value"] for each in contents[PROBLEM]["examples"].values()]
            assert {each["code"] for each in examples} == codes
            assert {each["status"] for each in examples} == {int(status)}
            assert all(each["type"] == f"/problems/{each['code']}" for each in examples)


async def test_every_problem_is_told_somewhere() -> None:
    """Each code of the tree of errors is an answer of some route; 405 is of no route's own."""
    told = set()
    for server in SERVERS:
        schemas = (await document_of(server))["components"]["schemas"].values()
        told |= {
            each["properties"]["code"]["const"]
            for each in schemas
            if "const" in each.get("properties", {}).get("code", {})
        }
    assert told == BY_CODE.keys() - {MethodNotAllowed.code}


@pytest.mark.parametrize("server", SERVERS)
async def test_what_follows_from_a_route(server: str) -> None:
    """Roles mean 401, parameters 404, bodies 413 and 415, versions 412 and 428, keys 422."""
    whole = await document_of(server)
    for name, operation in operations(whole):
        statuses = {int(status) for status in operation["responses"]}
        headers = {found(whole, each)["name"] for each in operation["parameters"]}
        assert {400, 408, 414, 431, 500, 505} <= statuses, name
        assert (401 in statuses) == bool(operation["security"]), name
        assert ("{" in name) <= (404 in statuses), name
        assert ("requestBody" in operation) <= ({413, 415} <= statuses), name
        assert ("If-Match" in headers) == (428 in statuses), name
        assert ("If-Match" in headers) <= ({410, 412} <= statuses), name
        assert ("Idempotency-Key" in headers) <= (422 in statuses), name
        assert ("/livez" in name) or {429, 503} <= statuses or "health" in operation["tags"], name


def test_a_route_without_a_description_is_refused() -> None:
    """A server whose routes and descriptions do not find each other is not wired."""
    routes = [Route("GET", "/books", NOBODY, "Books")]
    with pytest.raises(ValueError, match="POST /sales"):
        described(routes, catalog.descriptions())
    with pytest.raises(ValueError, match="GET /books"):
        described(routes, {})


def test_an_example_of_nothing_is_refused() -> None:
    """A body of which there is an example must have a type."""
    told = Description(name="odd", tag="t", answers=(Good(204, "Done"),), example={"a": 1})
    route = Route("POST", "/odd", NOBODY, "Odd", description=told)
    with pytest.raises(ValueError, match="odd"):
        document(About("t", "1", "d", {}), [route])
