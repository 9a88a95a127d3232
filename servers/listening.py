"""The three sockets of a shop that is kept by a supervisor.

Lives here: which address each server listens on, and what is said when it cannot be had.
"""

from __future__ import annotations

import contextlib
import errno
import socket
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from servers.settings import Settings

# Only the frontend is for others; catalog and order talk to it and to each other.
INNER_HOST: Final = "127.0.0.1"
PORT_OFFSETS: Final = (("frontend", 0), ("catalog", 1), ("order", 2))

_MAX_PORT: Final = 65535
_BACKLOG: Final = 1024
_LOOPBACK_OF: Final = (("0.0.0.0", "127.0.0.1"), ("::", "::1"))


class SupervisorError(Exception):
    """The shop cannot be started as asked; the sentence says why and what to do."""

    exit_code = 8


class InUse(SupervisorError):
    """Another process has the shop's folder or a port: nothing was done, it may go later."""

    exit_code = 9


def three_sockets(settings: Settings) -> dict[str, socket.socket]:
    """Return a listening socket for each server, by name.

    The frontend gets the port of the settings, catalog and order the next two; port 0 stands
    for three free ones. Raises `SupervisorError`, `InUse` where another has a port, and
    leaves no socket open then.
    """
    first = settings.port_of("frontend")
    if first + len(PORT_OFFSETS) - 1 > _MAX_PORT:
        raise SupervisorError(
            f"Port {first} leaves no room for the next two, which catalog and order take."
            f" Choose one up to {_MAX_PORT - 2} with --port."
        )
    sockets = {}
    with contextlib.ExitStack() as opened:
        for name, offset in PORT_OFFSETS:
            host = settings.host if name == "frontend" else INNER_HOST
            sockets[name] = opened.enter_context(listen(host, first + offset if first else 0))
        opened.pop_all()
    return sockets


def url_of(listener: socket.socket, *, secure: bool = False) -> str:
    """Return the URL under which this machine reaches a listening socket."""
    host, port = listener.getsockname()[:2]
    host = dict(_LOOPBACK_OF).get(host, host)
    scheme = "https" if secure else "http"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens there; port 0 takes a free one.

    Raises `SupervisorError`, `InUse` where another program listens there.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:  # The latter from names that no DNS name can be.
        why = getattr(error, "strerror", None) or error
        raise SupervisorError(
            f"{host} is not an address to listen on ({why}). Choose one with --host."
        ) from error
    # Where a name has both, the older family is what more clients try first.
    family, kind, protocol, _, address = min(found, key=lambda each: each[0] != socket.AF_INET)
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise _why_not(host, port, error) from error
    return listener


def _why_not(host: str, port: int, error: OSError) -> SupervisorError:
    if error.errno == errno.EADDRINUSE:
        return InUse(
            f"Port {port} on {host} is in use by another program, perhaps by a shop that is open"
            f" already. Stop that, or choose another port with --port (0 takes free ones)."
        )
    if error.errno == errno.EACCES:
        return SupervisorError(
            f"Port {port} on {host} is only for the administrator of this machine. Choose one"
            f" from 1024 on with --port."
        )
    return SupervisorError(
        f"Cannot listen on port {port} of {host}: {error.strerror}."
        f" Choose others with --host and --port."
    )
