"""Running the shop: all of it, one server of it, and whether it is well."""

from __future__ import annotations

import os
import time
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bookstore_cli import params
from bookstore_cli.commands import ShopCommand
from bookstore_cli.session import DEFAULT_URL, pass_session
from bookstore_cli.terminal import tell, visible
from servers.domain.errors import InvalidRequest, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bookstore_cli.session import Session
    from bookstore_cli.trust import Trust
    from servers.settings import Settings

SERVERS = ("catalog", "order", "frontend")
STATUS = ("server", "url", "pid", "live", "ready", "detail")
USUAL_URLS = {
    "frontend": DEFAULT_URL,
    "catalog": "http://127.0.0.1:8001",
    "order": "http://127.0.0.1:8002",
}
UNREACHABLE = 9
PROBE_TIMEOUT_S = 2.0

CONFIG = click.option(
    "--config",
    "file",
    envvar="BOOKSTORE_CONFIG",
    show_envvar=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A TOML file with settings.",
)
_HOST = click.option("--host", help="The address to listen on; 127.0.0.1 unless set.")
_TLS_CERT = click.option(
    "--tls-cert", type=params.FILE, help="A certificate in PEM, to be reached by https."
)
_TLS_KEY = click.option("--tls-key", type=params.FILE, help="Its key; only its owner may read it.")
_INSECURE = click.option(
    "--insecure",
    is_flag=True,
    default=None,
    help="Work without TLS, though others could listen in.",
)


@click.command(
    cls=ShopCommand,
    examples=("bookstore up", "bookstore up --port 0 --data ./my-shop"),
)
@click.option(
    "--port", type=params.FIRST_PORT, help="The frontend's port; 8000 unless set, 0: free ones."
)
@_HOST
@_TLS_CERT
@_TLS_KEY
@_INSECURE
@CONFIG
@pass_session
def up(session: Session, /, file: Path | None, **options: object) -> int:
    """Run the whole shop until Ctrl-C.

    Catalog and order listen on the two ports after the frontend's. Prints the three URLs
    when all are ready.
    """
    import asyncio

    from servers import supervisor

    with _explained():
        settings = settings_of(session, options, file)
        _tell_of_a_loss(settings.data)
        return asyncio.run(supervisor.run(settings, click.echo))


@click.command(
    cls=ShopCommand,
    examples=(
        "bookstore serve catalog --data ./my-shop",
        "bookstore serve frontend --port 8080 --catalog-url http://127.0.0.1:8001",
    ),
)
@click.argument("server", type=click.Choice(SERVERS))
@click.option("--port", type=params.PORT, help="The port; 8000, 8001 or 8002 unless set.")
@_HOST
@_TLS_CERT
@_TLS_KEY
@_INSECURE
@click.option("--catalog-url", type=params.URL, help="Where the catalog is.")
@click.option("--order-url", type=params.URL, help="Where the order server is.")
@click.option("--log-level", help="debug, info, warning or error.")
@CONFIG
@pass_session
def serve(session: Session, /, server: str, file: Path | None, **options: object) -> int:
    """Run one server in the foreground, as systemd and containers want it.

    Every setting can also stand in the environment (BOOKSTORE_PORT, …) or in the file.
    """
    with _explained():
        settings = settings_of(session, options, file)
        # What a server needs is only imported once its settings are known to be good.
        from servers.main import serve as serve_one

        return serve_one(server, settings)


@click.command(cls=ShopCommand, examples=("bookstore status", "bookstore status --json"))
@pass_session
def status(session: Session) -> int:
    """Say of each server whether it is live and ready; exit 9 if one is not."""
    from concurrent.futures import ThreadPoolExecutor

    # All at once: they share the time that there is.
    with ThreadPoolExecutor(len(SERVERS)) as probes:
        rows = list(probes.map(lambda server: _probed(session, *server), _servers(session)))
    session.output.rows(STATUS, rows)
    idle = [str(row["server"]) for row in rows if not row["ready"]]
    if idle:
        advice = "`bookstore doctor` says more."
        if not any(row["live"] for row in rows):
            advice = "Start the shop with `bookstore up`, or see what `bookstore doctor` says."
        session.announce(f"Not ready: {', '.join(idle)}. {advice}")
    return UNREACHABLE if idle else 0


def settings_of(session: Session, options: Mapping[str, object], file: Path | None) -> Settings:
    """Return the settings of a server, as it finds them.

    Raises `SettingsError`; `click.BadParameter` where what is wrong was typed as an option.
    """
    from servers import settings

    typed = {**options, **session.typed("data", "ca_file")}
    try:
        return settings.load(typed, os.environ, file)
    except settings.OptionError as error:
        hint = [f"--{error.name.replace('_', '-')}"]
        raise click.BadParameter(error.why, param_hint=hint) from error


def _tell_of_a_loss(folder: Path) -> None:
    """Say so where a shop is opened that has lost one of its databases: it must open for a repair.

    Both are looked at before anyone makes the lost one anew.
    """
    there = [_has_content(folder / name) for name in ("catalog.db", "orders.db")]
    if all(there) or not any(there):
        return  # Nothing is imported for the usual shop, nor for a new one.
    from servers.upkeep.checkup import loss

    told = loss(folder)
    if told is not None:
        tell(visible(told))


def _has_content(path: Path) -> bool:
    try:
        return path.stat().st_size > 0
    except OSError:  # Whoever opens it says why, if it is there at all.
        return False


@contextmanager
def _explained() -> Iterator[None]:
    """Turn what keeps a server from starting into a refusal of the data it was given.

    Where another process is in the way, or a disk, that is no fault of theirs: it may pass.
    """
    from servers.listening import InUse, SupervisorError
    from servers.settings import SettingsError
    from servers.storage.database import (
        StorageDamaged,
        StorageError,
        StorageInUse,
        StorageUnavailable,
    )

    try:
        yield
    except (InUse, StorageInUse, StorageUnavailable) as error:
        raise Unavailable(str(error)) from error
    except StorageDamaged as error:
        from servers.upkeep.shop_files import NEXT_STEP

        raise InvalidRequest(f"{str(error).rstrip('.')}. {NEXT_STEP}") from error
    except (SettingsError, StorageError, SupervisorError) as error:
        raise InvalidRequest(str(error)) from error


def _servers(session: Session) -> list[tuple[str, str, int | None]]:
    """Return name, URL and process id of each server that is known."""
    if session.option("url"):
        return [("frontend", session.url, None)]
    found = []
    for name, usual in USUAL_URLS.items():
        known = session.shop.get(name)
        entry = known if isinstance(known, dict) else {}
        found.append((name, str(entry.get("url", usual)), entry.get("pid")))
    return found


def _probed(session: Session, server: str, url: str, pid: int | None) -> dict[str, object]:
    timeout_s = min(session.timeout_s, PROBE_TIMEOUT_S)
    began_s = time.monotonic()
    live, ready, detail = False, False, "the shop in this folder is not open"
    if not session.closed:
        live, detail = asked(url, "/livez", timeout_s, session.trust)
    if live:
        left_s = max(timeout_s - (time.monotonic() - began_s), 0.01)
        ready, detail = asked(url, "/readyz", left_s, session.trust)
    return {
        "server": server,
        "url": url,
        "pid": pid,
        "live": live,
        "ready": ready,
        "detail": detail,
    }


def asked(url: str, path: str, timeout_s: float, trust: Trust) -> tuple[bool, str]:
    """Ask a health route once; return whether it said yes, and what it said else."""
    from bookstore_cli.connection import AnswerLost, Connection, NotSent, NotTheShop
    from bookstore_cli.deadline import Deadline

    try:
        with closing(Connection(url, Deadline(timeout_s), trust)) as connection:
            answer = connection.exchange("GET", path, None, {"Accept": "application/json"})
    except (NotSent, AnswerLost, NotTheShop) as error:
        return False, str(error)
    except ValueError:
        return False, "not a URL"
    return answer.good, "" if answer.good else _detail(answer.value, answer.status)


def _detail(value: Any, status_code: int) -> str:
    """Return what a server says is not ready, in one line."""
    if not isinstance(value, dict):
        return f"it answered {status_code}"
    if isinstance(value.get("detail"), str):
        return str(value["detail"])
    return ", ".join(f"{name}: {part}" for name, part in value.items())
