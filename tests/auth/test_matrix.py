"""Every role at every route of the three servers, as the route tables have them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from servers import settings
from servers.access import token_files, token_list
from servers.web.auth import Role
from tests.repo.test_routes import EXAMPLES
from tests.support.shop import Shop, open_shop, wait_until
from tests.support.tables import tables

if TYPE_CHECKING:
    from collections.abc import Iterator

    from servers.web.routes import Route

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
ROUTES = [
    pytest.param(server, route, id=f"{server} {route.method} {route.path}")
    for server, routes in tables().items()
    for route in routes
]
CALLERS: dict[str, Role | None] = {
    "anonymous": Role.PUBLIC,
    "garbage": None,
    "another scheme": None,
    "digest": None,
    "service": Role.SERVICE,
    "admin": Role.ADMIN,
    "admin before": Role.ADMIN,
    "revoked": None,
}
"""Who comes, and the role that the token gives; None where it is not a token of the shop."""


@dataclass(frozen=True)
class Guarded:
    """A shop whose admin token was exchanged, and what each caller sends."""

    shop: Shop
    sent: dict[str, str | None]

    def answer(self, server: str, method: str, path: str, caller: str) -> tuple[int, str]:
        """Return status and code of a request that carries nothing but a caller's token."""
        given = self.sent[caller]
        headers = {} if given is None else {"Authorization": given}
        reply = self.shop.request(
            method, path, b"" if method != "GET" else None, headers, server=server
        )
        problem = reply.headers.get("content-type") == "application/problem+json"
        return reply.status, str(reply.json["code"]) if problem else ""


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """A shop with two valid admin tokens and one that was revoked."""
    with open_shop(tmp_path_factory.mktemp("matrix") / "shop") as shop:
        given = settings.load({"data": shop.data}, {})
        first = shop.token()
        shop.command("token", "new", "admin", check=True)
        second = shop.token()
        shop.command("token", "new", "admin", check=True)
        third = shop.token()
        assert token_list.entry_of(first, "admin", 0).id not in {
            each.id for each in token_list.valid(given)
        }
        listed = token_list.entry_of(third, "admin", 0)
        sent = {
            "anonymous": None,
            "garbage": "Bearer " + "0" * 64,
            "another scheme": f"Basic {third}",
            "digest": f"Bearer {listed.sha256}",
            "service": f"Bearer {token_files.read(given.service_token_file)}",
            "admin": f"Bearer {third}",
            "admin before": f"Bearer {second}",
            "revoked": f"Bearer {first}",
        }
        opened = Guarded(shop, sent)
        for server in shop.urls:
            path = "/orders" if server != "catalog" else "/books"

            def follows(server: str = server, path: str = path) -> bool:
                return [opened.answer(server, "GET", path, each)[0] for each in CALLERS][-3:] == [
                    *[opened.answer(server, "GET", path, "admin")[0]] * 2,
                    401,
                ]

            wait_until(follows, within_s=2.0, what=f"{server} knows the tokens")
        yield opened


def path_of(route: Route) -> str:
    """Return an example of a route's path."""
    return re.sub(r"{\w+:(\w+)}", lambda found: EXAMPLES[found[1]], route.path)


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize(("server", "route"), ROUTES)
def test_who_comes_in_where(guarded: Guarded, server: str, route: Route, caller: str) -> None:
    """401 without a token of the shop, 403 with one of another role, else the route answers."""
    role = CALLERS[caller]
    status, code = guarded.answer(server, route.method, path_of(route), caller)
    if not route.roles or role in route.roles:
        assert status not in {401, 403}, code
    elif role in {Role.PUBLIC, None}:
        assert (status, code) == (401, "unauthorized")
    else:
        assert (status, code) == (403, "forbidden")


@pytest.mark.parametrize("server", tables())
def test_other_methods_are_no_door(guarded: Guarded, server: str) -> None:
    """A method that a path does not have is 405 for anyone, and lets nobody in."""
    paths: dict[str, set[str]] = {}
    for route in tables()[server]:
        paths.setdefault(path_of(route), set()).add(route.method)
    tried = 0
    for path, known in paths.items():
        for method in sorted(set(METHODS) - known):
            for caller in ("anonymous", "admin"):
                assert guarded.answer(server, method, path, caller)[0] == 405, (method, path)
                tried += 1
    assert tried > 20


def test_two_tokens_in_one_request_are_none(guarded: Guarded) -> None:
    """Of two Authorization headers, or two tokens in one, no server picks the right one."""
    both = f"{guarded.sent['garbage']}, {guarded.sent['admin']}"
    for server, path in (("frontend", "/orders"), ("catalog", "/books"), ("order", "/orders")):
        reply = guarded.shop.request("GET", path, headers={"Authorization": both}, server=server)
        assert reply.status == 401
        twice = {
            "Authorization": str(guarded.sent["admin"]),
            "authorization": str(guarded.sent["garbage"]),
        }
        assert guarded.shop.request("GET", path, headers=twice, server=server).status == 401
