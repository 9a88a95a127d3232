"""What one call of the command works with: the options given, the folder, URL, token, output.

Each part is made when a command first asks for it, so that a command which needs no
folder never looks for one.
"""

from __future__ import annotations

import json
import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from servers.domain.errors import (
    AccessRefused,
    InvalidRequest,
    ShopError,
    Unauthorized,
    Unavailable,
)

if TYPE_CHECKING:
    from bookstore_cli.client import Client
    from bookstore_cli.credentials import AdminToken
    from bookstore_cli.output import Output
    from bookstore_cli.trust import Trust

_THIS_MACHINE = frozenset({"127.0.0.1", "::1", "localhost"})
DEFAULT_URL = "http://127.0.0.1:8000"
DEFAULT_TIMEOUT_S = 10.0
SHOP_FILE = "shop.json"


class Session:
    """One call of the command, from its options to its output."""

    def __init__(self) -> None:
        self._options: dict[str, Any] = {}
        self._typed: set[str] = set()
        self._clients: list[Client] = []
        self._sent: AdminToken | None = None

    def remember(self, name: str, value: object, *, typed: bool) -> None:
        """Keep a global option; what was typed beats what the environment says."""
        if typed or name not in self._typed:
            self._options[name] = value
        if typed:
            self._typed.add(name)

    def option(self, name: str, default: Any = None) -> Any:
        """Return a global option; ``default`` where no one named it, nor the environment."""
        return self._options.get(name, default)

    def typed(self, *names: str) -> dict[str, Any]:
        """Return those of the global options that stood on the command line."""
        return {name: self._options[name] for name in names if name in self._typed}

    @property
    def quiet(self) -> bool:
        """Whether words that are neither data nor errors are left out."""
        return bool(self.option("quiet"))

    @property
    def timeout_s(self) -> float:
        """How long a command may wait for the shop, in seconds."""
        return float(self.option("timeout", DEFAULT_TIMEOUT_S))

    @property
    def machine_reads_errors(self) -> bool:
        """Whether refusals go out as problem objects."""
        return self.option("output") in {"json", "ndjson"}

    @cached_property
    def folder(self) -> Path:
        """The shop's folder: databases, tokens and ``shop.json``."""
        if self._named_folder:
            return Path(self._named_folder)
        import platformdirs

        return Path(platformdirs.user_data_dir("bookstore"))

    @cached_property
    def _named_folder(self) -> str | None:
        return self.option("data") or self._configured_data()

    def _configured_data(self) -> str | None:
        """Return the folder that the file of settings names, for the servers as for this."""
        path = os.environ.get("BOOKSTORE_CONFIG")
        if not path:
            return None
        import tomllib

        try:
            named = tomllib.loads(Path(path).read_text(encoding="utf-8")).get("data")
        except (OSError, ValueError) as error:
            raise InvalidRequest(
                f"The settings in {path}, which BOOKSTORE_CONFIG names, cannot be read ({error})."
            ) from error
        return named if isinstance(named, str) else None

    @cached_property
    def shop(self) -> dict[str, Any]:
        """What the running shop wrote about itself; empty where none is running."""
        path = self.folder / SHOP_FILE
        try:
            # A FIFO would be waited for.
            found = None if path.is_fifo() else json.loads(path.read_bytes())
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise InvalidRequest(
                f"{path} cannot be read ({error.strerror}). Name the shop with --url."
            ) from error
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise InvalidRequest(
                f"{path} is not what the shop writes. Delete it and start the shop again, or name "
                "the shop with --url."
            )
        return found

    @cached_property
    def url(self) -> str:
        """The frontend's URL."""
        return self._named_url[0]

    @cached_property
    def closed(self) -> bool:
        """Whether the shop that is meant lies in the folder and does not run."""
        return not self.option("url") and self._folder_is_closed

    @cached_property
    def _folder_is_closed(self) -> bool:
        from bookstore_cli.locks import is_closed

        return is_closed(self.folder, self.shop)

    @cached_property
    def _named_url(self) -> tuple[str, str]:
        """The frontend's URL, and where it came from. Raises `Unavailable` for a closed shop."""
        if self.option("url"):
            return str(self.option("url")), ""
        return self._url_of_folder

    @cached_property
    def _url_of_folder(self) -> tuple[str, str]:
        """The URL of the folder's shop, likewise.

        Whoever listens at the usual address of a closed shop is another shop, or none: it must
        get neither a purchase nor a token.
        """
        if self._folder_is_closed:
            raise Unavailable(
                f"The shop in {self.folder} is not open. Start it with `bookstore up`, or name "
                "where another one is with --url or --data."
            )
        frontend = self.shop.get("frontend")
        if isinstance(frontend, dict) and isinstance(frontend.get("url"), str):
            return frontend["url"], f" (named in {self.folder / SHOP_FILE})"
        return DEFAULT_URL, ""

    @cached_property
    def trust(self) -> Trust:
        """Whose certificate is accepted from the frontend."""
        from bookstore_cli.trust import Trust

        if self.option("ca_file"):
            return Trust(ca_file=str(self.option("ca_file")))
        noted = None if self.option("url") else self.shop.get("frontend")
        found = noted.get("certificate") if isinstance(noted, dict) else None
        return Trust(certificate=found if isinstance(found, str) else None)

    def token(self) -> str:
        """Return the admin token, or raise `Unauthorized` saying how to come by one."""
        from bookstore_cli.credentials import given, of_folder

        typed = "token_file" in self._typed
        self._sent = given(self.option("token_file"), typed=typed) or of_folder(self.folder)
        return self._sent.secret

    def told(self, error: ShopError) -> str:
        """Return an error's sentence; where a server refused the caller, in the command's words."""
        if not isinstance(error, AccessRefused) or not (self._sent or self._clients):
            return error.detail
        from bookstore_cli.credentials import refused

        server = f"The frontend at {self.url}" if self._clients else "The shop"
        return refused(error, server, self._sent)

    def _token_for_frontend(self) -> str:
        """Return the admin token for the shop that is meant. Raises `Unauthorized`.

        Where only a URL was named, another shop must not get the token of one's own.
        """
        named = self.option("token_file") or os.environ.get("BOOKSTORE_ADMIN_TOKEN")
        if self.option("url") and not named and not self._named_folder and self._is_elsewhere():
            raise Unauthorized(
                f"The admin token in {self.folder} is for the shop of that folder, which is not "
                f"known to be open at {self.url}. Name the token for that URL with --token-file, "
                "--data or BOOKSTORE_ADMIN_TOKEN."
            )
        return self.token()

    def _is_elsewhere(self) -> bool:
        """Say whether the folder has a shop of its own that is not at the URL that was named.

        Servers that were started one by one leave no note of where they are.
        """
        try:
            if not self.shop:
                return self._folder_is_closed
            return _address(self.url) != _address(self._url_of_folder[0])
        except (ShopError, ValueError):  # It is closed, or its note makes no sense.
            return True

    def client(self, *, admin: bool = False) -> Client:
        """Return a client of the frontend; only one for staff carries the admin token."""
        from bookstore_cli.client import Client

        token = self._token_for_frontend() if admin else None
        url, source = self._named_url
        try:
            client = Client(
                url,
                timeout_s=self.timeout_s,
                token=token,
                source=source,
                note=self.announce,
                trust=self.trust,
            )
        except ValueError:
            raise InvalidRequest(
                f"{url!r}{source} is not a URL. Name the shop with --url."
            ) from None
        self._clients.append(client)
        return client

    def not_ready(self) -> dict[str, str]:
        """Return which servers of the shop that was asked are not ready, as far as it says."""
        return self._clients[-1].not_ready() if self._clients else {}

    def close(self) -> None:
        """Close the connections that are still open."""
        for client in self._clients:
            client.close()

    @cached_property
    def output(self) -> Output:
        """Where data goes, in the form asked for."""
        from bookstore_cli.output import Output

        return Output(self.option("output"), self.option("color", "auto"), self.say)

    def announce(self, sentence: str) -> None:
        """Tell a person what no program is to find where it looks for a problem object."""
        if not self.machine_reads_errors:
            self.say(sentence)

    def say(self, sentence: str) -> None:
        """Tell the person something beside the data, unless they want quiet."""
        from bookstore_cli.terminal import tell, visible

        if not self.quiet:
            tell(visible(sentence))


pass_session = click.make_pass_decorator(Session)


def _address(url: str) -> tuple[str, int]:
    """Return where a URL leads. Raises ValueError where it is none."""
    from bookstore_cli.connection import parse_url

    base = parse_url(url)
    return "localhost" if base.host in _THIS_MACHINE else base.host, base.port
