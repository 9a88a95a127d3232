"""One server of the shop as a child process.

Lives here: starting it, learning that it is ready, and how it ended; and both ends of the
pipe by which a child learns that its parent is gone. When to start it again is decided in
`servers.supervisor`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from servers.settings import PREFIX, SettingsError, environment_of

if TYPE_CHECKING:
    import signal
    import socket
    from collections.abc import Iterator, Sequence

    from servers.settings import Settings

_MAX_READY_LINE_BYTES: Final = 4096
_STANDARD_ERROR: Final = 2


@dataclass(eq=False)
class Child:
    """One server, and the process that is it at present.

    ``lived_s`` is how long the last process was ready; ``was_ready`` stays once one was.
    """

    name: str
    url: str
    listener: socket.socket
    settings: Settings
    command: Sequence[str]
    process: asyncio.subprocess.Process | None = None
    ready: bool = False
    was_ready: bool = False
    lived_s: float = 0.0
    _ready_fd: int = -1

    @property
    def pid(self) -> int:
        """The id of the present process or of the last one; 0 before the first."""
        return self.process.pid if self.process else 0

    @property
    def exit_code(self) -> int:
        """The exit code of the last process; 0 where it runs or was killed, or there was none."""
        return max(self.process.returncode or 0, 0) if self.process else 0

    @property
    def label(self) -> str:
        """The name and pid, for a line in the log."""
        return f"{self.name} (pid {self.pid})" if self.pid else self.name

    async def start(self, lifeline: int) -> None:
        """Start the process; its standard input is ``lifeline``. Raises OSError."""
        self._ready_fd, theirs = os.pipe()
        listen_fd = self.listener.fileno()
        try:
            self.process = await asyncio.create_subprocess_exec(
                *self.command,
                stdin=lifeline,
                # Our standard output belongs to the lines that announce the shop.
                stdout=_STANDARD_ERROR,
                env=self._environ(listen_fd, theirs),
                pass_fds=(listen_fd, theirs),
                # In a session of its own, Ctrl-C at the terminal does not reach it.
                start_new_session=True,
            )
        except BaseException:
            os.close(self._ready_fd)
            raise
        finally:
            os.close(theirs)

    async def until_ready(self) -> bool:
        """Wait for the line that says it serves; False if it ended, or will not say so."""
        reader = asyncio.StreamReader(limit=_MAX_READY_LINE_BYTES)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader),
            os.fdopen(self._ready_fd, "rb", buffering=0),
        )
        try:
            line = await reader.readline()
        except ValueError:  # Longer than any such line.
            line = b""
        finally:
            transport.close()
        self.ready = line.endswith(b"\n")
        self.was_ready = self.was_ready or self.ready
        return self.ready

    async def until_ended(self) -> str:
        """Wait for the end of the process and return how it was, to follow its label."""
        if self.process is None:
            return "was never started"
        loop = asyncio.get_running_loop()
        since_s = loop.time()
        code = await self.process.wait()
        self.lived_s = loop.time() - since_s if self.ready else 0.0
        self.ready = False
        return f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process, if there is one and it still runs."""
        if self.process is not None and self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(number)

    def _environ(self, listen_fd: int, ready_fd: int) -> dict[str, str]:
        # What we were told counts once: the settings hold it, our own variables go.
        rest = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        ours = environment_of(
            self.settings,
            listen_fd=listen_fd,
            ready_fd=ready_fd,
            parent_pipe=True,
            log_prefix=f"{self.name:<8} | ",
        )
        return rest | ours


@contextlib.contextmanager
def lifeline_pipe() -> Iterator[int]:
    """Open a pipe into which nothing is ever written: its end is the end of this process."""
    theirs, ours = os.pipe()
    try:
        yield theirs
    finally:
        os.close(ours)
        os.close(theirs)


def end_with_parent(stop: asyncio.Event) -> None:
    """Set ``stop`` when whoever holds the other end of standard input is gone.

    Raises `SettingsError` where there is no other end, as of /dev/null: its end says nothing.
    """
    if not _has_another_end(0):
        raise SettingsError(
            f"environment {PREFIX}PARENT_PIPE: standard input is not a pipe, so its end would not"
            " tell that the parent has ended. Unset the variable, or start the command with a"
            " pipe as its standard input."
        )
    loop = asyncio.get_running_loop()

    def ended() -> None:
        if not os.read(0, 1024):
            loop.remove_reader(0)
            stop.set()

    loop.add_reader(0, ended)


def _has_another_end(descriptor: int) -> bool:
    """Tell whether a file that is open is a pipe, a socket or a terminal."""
    try:
        mode = os.fstat(descriptor).st_mode
    except OSError:  # It is not open.
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or os.isatty(descriptor)
