"""The servers: whose ports they are, whether they answer, what time they have."""

from __future__ import annotations

import errno
import re
import socket
import time
from contextlib import closing, suppress
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from bookstore_cli.connection import (
    Answer,
    AnswerLost,
    Connection,
    NotSent,
    NotTheShop,
)
from bookstore_cli.deadline import Deadline
from bookstore_cli.doctor.finding import FAIL, OK, SERVERS, WARN, Finding
from bookstore_cli.locks import owner_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bookstore_cli.doctor.finding import Patient

DATABASES = ("catalog.db", "orders.db")
OFF_S = 2.0
"""The clock of an answer has whole seconds; so much apart says nothing."""

_SOCKET = re.compile(r"socket:\[(\d+)\]")


def ask(patient: Patient, url: str, path: str, *, staff: bool = False) -> Answer | str:
    """Ask a server once; return its answer, or in a few words why there is none."""
    headers = {"Accept": "application/json"}
    if staff and patient.token is not None:
        headers["Authorization"] = f"Bearer {patient.token}"
    try:
        with closing(Connection(url, Deadline(patient.timeout_s), patient.trust)) as connection:
            return connection.exchange("GET", path, None, headers)
    except (NotSent, AnswerLost, NotTheShop) as error:
        return str(error)
    except ValueError:
        return f"{url} is not a URL"


def ports(patient: Patient) -> Iterator[Finding]:
    """Look at each port that the shop has, or would have: ours, free, or another's."""
    for server in SERVERS:
        url = patient.url_of(server) if patient.alive(server) else None
        if url is not None:
            port = urlsplit(url).port
            yield Finding(OK, f"{server} port", f"{port} is this shop's")
            continue
        host, port = _wanted(patient, server)
        if port == 0:
            yield Finding(OK, f"{server} port", "a free one is taken at the start")
        else:
            yield _free_or_whose(patient, server, host, port)


def _wanted(patient: Patient, server: str) -> tuple[str, int]:
    """Return where `bookstore up` would let a server listen; port 0 is a free one."""
    from servers.listening import INNER_HOST, PORT_OFFSETS

    first = patient.settings.port_of("frontend")
    host = patient.settings.host if server == "frontend" else INNER_HOST
    return host, first + dict(PORT_OFFSETS)[server] if first else 0


def _free_or_whose(patient: Patient, server: str, host: str, port: int) -> Finding:
    check = f"{server} port"
    try:
        family, kind, number, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, number) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            return Finding(
                FAIL,
                check,
                f"{port} on {host} cannot be had: {error.strerror}",
                "Choose others with --host and --port.",
            )
        pid = listener_pid(port)
        who, ours = _user_of(patient, host, port)
        told = f"{port} is used by {who}" + (f" (process {pid})" if pid else "")
        if ours and served_pids(patient):
            return Finding(OK, check, f"{told}, and servers of this shop were started one by one")
        return Finding(FAIL, check, told, "Stop that, or choose another port with --port.")
    except OverflowError:
        return Finding(FAIL, check, f"{port} is no port", "Choose a lower one with --port.")
    return Finding(OK, check, f"{port} is free")


def _user_of(patient: Patient, host: str, port: int) -> tuple[str, bool]:
    """Return who listens on a port, in words, and whether it is a bookstore's server."""
    near = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    url = f"http://[{near}]:{port}" if ":" in near else f"http://{near}:{port}"
    answer = ask(patient, url, "/livez")
    ours = isinstance(answer, Answer) and answer.headers.get("server") == "bookstore"
    return ("a bookstore's server" if ours else "another program"), ours


def served_pids(patient: Patient) -> set[int]:
    """Return the processes that have this folder's databases open, whoever started them."""
    pids = set()
    for name in DATABASES:
        with suppress(OSError):
            pids.add(owner_of(patient.folder / f"{name}.lock"))
    return {pid for pid in pids if pid is not None}


def listener_pid(port: int) -> int | None:
    """Return the process that listens on a port, as far as Linux tells us; else None."""
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with suppress(OSError):
            rows = [line.split() for line in Path(table).read_text("ascii").splitlines()[1:]]
            listening = [row for row in rows if row[3] == "0A"]
            inodes |= {row[9] for row in listening if int(row[1].rpartition(":")[2], 16) == port}
    for link in Path("/proc").glob("[0-9]*/fd/*") if inodes else ():
        with suppress(OSError):
            found = _SOCKET.match(str(link.readlink()))
            if found and found[1] in inodes:
                return int(link.parts[2])
    return None


def servers(patient: Patient) -> Iterator[Finding]:
    """Look at which servers run, answer and are ready."""
    if not patient.supervised and not patient.running:
        pids = ", ".join(str(pid) for pid in sorted(served_pids(patient)))
        told = f"started one by one, the databases are open in process {pids}"
        yield Finding(OK, "servers", told if pids else "none is running")
        return
    for server in SERVERS:
        url = patient.url_of(server)
        if url is None or not patient.alive(server):
            advice = "See the log; the supervisor starts it again."
            yield Finding(FAIL, server, "its process is gone", advice)
            continue
        live = ask(patient, url, "/livez")
        if isinstance(live, str) or not live.good:
            why = live if isinstance(live, str) else f"it answered {live.status}"
            yield Finding(
                FAIL, server, f"runs, but does not answer at {url}: {why}", "See the log."
            )
            continue
        ready = ask(patient, url, "/readyz")
        if isinstance(ready, Answer) and ready.good:
            yield Finding(OK, server, f"is ready at {url}")
            continue
        value = None if isinstance(ready, str) else ready.value
        why = str(value.get("detail")) if isinstance(value, dict) else str(ready)
        why = why.removeprefix("Not ready: ").rstrip(".")
        advice = "Do as it says." if "`bookstore " in why else "See the log."
        yield Finding(FAIL, server, f"answers at {url}, but is not ready: {why}", advice)


def clocks(patient: Patient) -> Iterator[Finding]:
    """Look at whether the servers have the time that we have."""
    for server in patient.running:
        before_s = time.time()
        answer = ask(patient, patient.url_of(server) or "", "/livez")
        if isinstance(answer, str):
            continue
        with suppress(ValueError, TypeError):
            theirs_s = parsedate_to_datetime(answer.headers["date"]).timestamp()
            off_s = max(before_s - OFF_S - theirs_s, theirs_s - time.time() - OFF_S, 0.0)
            if off_s:
                told = f"differs from ours by more than {off_s + OFF_S:.0f} s"
                yield Finding(WARN, f"{server} clock", told, "Let NTP set the clocks.")
            else:
                yield Finding(OK, f"{server} clock", "agrees with ours")
