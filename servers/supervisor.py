"""Keeps the three servers of a shop running, as children of one process.

Lives here: when a server is started, restarted and stopped. What a server does lives in the
server; this process answers no request and opens no database, so that hardly anything can
kill it. ::

    run ─┬─ catalog   bookstore serve catalog      started in this order,
         ├─ order     bookstore serve order        stopped in the opposite one
         └─ frontend  bookstore serve frontend

A child finds in its environment: ``BOOKSTORE_LISTEN_FD``, a socket that listens already and
outlives it, so that a customer who comes while it is restarted waits and is not refused;
``BOOKSTORE_READY_FD``, into which it writes one line once it serves; and
``BOOKSTORE_PARENT_PIPE``: its standard input ends when the supervisor does, however that
dies. Where the supervisor finds that itself, it stops the shop with its own parent.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from servers import listening
from servers.access import exposure, shop_folder, tls, tokens
from servers.child import Child, end_with_parent, lifeline_pipe
from servers.listening import InUse, SupervisorError
from servers.shop_file import (
    is_alive,
    only_supervisor,
    read_shop_file,
    remove_shop_file,
    write_shop_file,
)

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from servers.settings import Settings

__all__ = ["SupervisorError", "is_alive", "read_shop_file", "run", "write_shop_file"]

START_ORDER: Final = ("catalog", "order", "frontend")
FIRST_DELAY_S: Final = 0.1
MAX_DELAY_S: Final = 5.0
GOOD_LIFE_S: Final = 10.0
MAX_FAILED_STARTS: Final = 3

_TOLD: Final = (SupervisorError.exit_code, InUse.exit_code)
"""The exit codes of a server that say why it cannot start; others are its bug."""

# Shares of the time to stop, counted from its beginning. Each server ends by itself after the
# first; one that does not is killed at its own, so that those behind it still get a turn.
_OWN_SHARE: Final = 0.75
_KILL_SHARES: Final = (("frontend", 0.8), ("order", 0.88), ("catalog", 0.95))
# A process closes its files a moment before it ends.
_END_AFTER_CLOSE_S: Final = 1.0
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


async def run(
    settings: Settings,
    announce: Callable[[str], None],
    *,
    command: Callable[[str], Sequence[str]] | None = None,
) -> int:
    """Run the shop until a signal ends it, and return the exit code.

    ``announce`` is called with ``frontend URL``, ``catalog URL`` and ``order URL`` once all
    three are ready. Returns 0 after SIGINT, SIGTERM or SIGHUP, 130 if a second SIGINT cut
    the stop short, 1 if a server cannot be started, 8 if it refused its settings or data, 9 if
    another process has its database or its disk fails. Raises `SupervisorError` if a port cannot
    be had or the tokens cannot be used, `InUse` if the shop is open already or another program
    has the port, `SettingsError` if the frontend would be open to strangers unguarded or
    standard input is not the pipe that ``parent_pipe`` says it is.
    """
    exposure.must_be_guarded(settings)
    tls.server_context(settings)
    for closed in shop_folder.guard(settings.data):
        _say(closed)
    try:
        tokens.load(settings)
    except tokens.TokenError as error:
        raise SupervisorError(str(error)) from error
    with contextlib.ExitStack() as stack:
        stack.enter_context(only_supervisor(settings.data))
        sockets = listening.three_sockets(settings)
        for listener in sockets.values():
            stack.enter_context(listener)
        children = _children(settings, sockets, command or serve_command)
        return await _Supervisor(settings, announce, children).run()


def serve_command(server: str) -> list[str]:
    """Return the command that runs one server in the foreground."""
    # Unless we stand beside the code, Python must not look for modules in the present folder:
    # a json.py or order.py that happens to lie there is none of ours.
    beside_code = Path.cwd() == Path(__file__).resolve().parents[1]
    options = [] if beside_code else ["-P"]
    return [sys.executable, *options, "-m", "bookstore_cli", "serve", server]


def next_delay_s(delay_s: float, lived_s: float) -> float:
    """Return how long to wait before a start, after ``delay_s`` last time (0: none yet)."""
    if delay_s == 0 or lived_s >= GOOD_LIFE_S:
        return FIRST_DELAY_S
    return min(2 * delay_s, MAX_DELAY_S)


def _children(
    settings: Settings,
    sockets: Mapping[str, socket.socket],
    command: Callable[[str], Sequence[str]],
) -> dict[str, Child]:
    """Return the three servers, each with its own settings, in the order of their start."""
    own = {name: _own_settings(name, settings) for name in sockets}
    urls = {
        name: listening.url_of(each, secure=own[name].tls_cert is not None)
        for name, each in sockets.items()
    }
    wired = {
        name: replace(
            own[name],
            port=sockets[name].getsockname()[1],
            catalog_url=urls["catalog"],
            order_url=urls["order"],
            shutdown_s=_OWN_SHARE * settings.shutdown_s,
        )
        for name in START_ORDER
    }
    return {
        name: Child(name, urls[name], sockets[name], wired[name], command(name))
        for name in START_ORDER
    }


def _own_settings(server: str, settings: Settings) -> Settings:
    """Return what differs from server to server, but for ports and addresses."""
    if server == "frontend":
        return settings
    # Catalog and order are reached on this machine alone, where nobody can listen in.
    return replace(settings, host=listening.INNER_HOST, tls_cert=None, tls_key=None)


@dataclass(eq=False)
class _Supervisor:
    """The life of the three children, from the first start to the last end."""

    settings: Settings
    announce: Callable[[str], None]
    children: Mapping[str, Child]
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    killing: asyncio.Event = field(default_factory=asyncio.Event)
    announced: bool = False
    gave_up: int | None = None
    """The exit code, where a server could not be started."""
    failure: OSError | None = None

    async def run(self) -> int:
        """Start all, watch until told to stop, stop all."""
        with _caught(self._on_signal), lifeline_pipe() as lifeline:
            if self.settings.parent_pipe:
                end_with_parent(self.stopping)
            tasks = {
                name: asyncio.create_task(self._keep(child, lifeline))
                for name, child in self.children.items()
            }
            stopping = asyncio.create_task(self.stopping.wait())
            try:
                await asyncio.wait({stopping, *tasks.values()}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                self.stopping.set()
                await self._stop(tasks)
                remove_shop_file(self.settings.data)
        for task in tasks.values():
            task.result()  # A mistake of ours is not to pass for a clean stop.
        if self.failure is not None:
            raise self.failure
        if self.gave_up is not None:
            return self.gave_up
        return 128 + signal.SIGINT if self.killing.is_set() else 0

    def _on_signal(self, number: signal.Signals) -> None:
        if number == signal.SIGINT and self.stopping.is_set():
            self.killing.set()
        self.stopping.set()

    async def _keep(self, child: Child, lifeline: int) -> None:
        """Start a server whenever it does not run, until the shop stops."""
        delay_s, failed = 0.0, 0
        while not self.stopping.is_set():
            end = await self._live(child, lifeline)
            if self.stopping.is_set():
                return
            # A shop that was open once is never given up: what is wrong now may pass.
            failed += not child.was_ready
            if failed == MAX_FAILED_STARTS:
                _say(f"{child.label} {end} before it was ready, for the third time; giving up")
                self.gave_up = child.exit_code if child.exit_code in _TOLD else 1
                self.stopping.set()
                return
            delay_s = next_delay_s(delay_s, child.lived_s)
            _say(f"{child.label} {end}; starting it again in {delay_s:g} s")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.stopping.wait(), delay_s)

    async def _live(self, child: Child, lifeline: int) -> str:
        """Start a server, wait for its end and return how that was."""
        try:
            await child.start(lifeline)
        except OSError as error:
            return f"could not be started ({error.strerror})"
        if self.stopping.is_set():  # The signal to stop went to the process before this one.
            child.send(signal.SIGTERM)
        if await child.until_ready():
            self._on_ready(child)
            return await child.until_ended()
        try:
            return await asyncio.wait_for(child.until_ended(), _END_AFTER_CLOSE_S)
        except TimeoutError:
            child.send(signal.SIGKILL)
            return f"never said that it is ready, and {await child.until_ended()}"

    def _on_ready(self, child: Child) -> None:
        if self.announced:
            _say(f"{child.label} is ready again")
        if self.stopping.is_set() or not all(each.ready for each in self.children.values()):
            return
        try:
            write_shop_file(
                self.settings.data,
                {name: (each.url, each.pid) for name, each in self.children.items()},
                self.settings.tls_cert,
            )
        except OSError as error:
            _say(f"cannot write into {self.settings.data}: {error.strerror}")
        if not self.announced:
            self.announced = True
            try:
                for name, _ in listening.PORT_OFFSETS:
                    self.announce(f"{name} {self.children[name].url}")
            except OSError as error:  # Whoever asked for the shop has gone, and so do we.
                self.failure = error
                self.stopping.set()

    async def _stop(self, tasks: Mapping[str, asyncio.Task[None]]) -> None:
        """End the servers one after the other, each once nobody asks it any more."""
        begin_s = asyncio.get_running_loop().time()
        killing = asyncio.create_task(self.killing.wait())
        for name, share in _KILL_SHARES:
            child, until_s = self.children[name], begin_s + share * self.settings.shutdown_s
            child.send(signal.SIGTERM)
            left_s = max(0.0, until_s - asyncio.get_running_loop().time())
            await asyncio.wait(
                {tasks[name], killing}, timeout=left_s, return_when=asyncio.FIRST_COMPLETED
            )
            if not tasks[name].done():
                _say(f"{child.label} has not stopped yet; killing it")
            child.send(signal.SIGKILL)
        killing.cancel()
        await asyncio.wait(tasks.values())


@contextlib.contextmanager
def _caught(on_signal: Callable[[signal.Signals], None]) -> Iterator[None]:
    """Call ``on_signal`` for the signals that mean stop; nohup's choice is respected."""
    loop = asyncio.get_running_loop()
    caught = [each for each in _SIGNALS if signal.getsignal(each) is not signal.SIG_IGN]
    for number in caught:
        loop.add_signal_handler(number, on_signal, number)
    try:
        yield
    finally:
        for number in caught:
            loop.remove_signal_handler(number)


def _say(event: str) -> None:
    # A log that nobody reads any more is no reason to let the servers go.
    with contextlib.suppress(OSError):
        print(f"supervisor | {event}", file=sys.stderr, flush=True)  # noqa: T201 - it is the log
