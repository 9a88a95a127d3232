"""System calls of a running server that the kernel answers with an error, by strace.

Nothing of the tests stands in between: it is the real file, the real SQLite and the real
process. Needs a strace that may attach to a process of the same user.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.customers import until
from tests.support.shop import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_INJECTED = "(INJECTED)"


@dataclass(frozen=True)
class Fault:
    """A call that fails with an error where it is about a file whose name ends like this."""

    call: str
    error: str
    file: str

    def __str__(self) -> str:
        return f"{self.error} of {self.call} on {self.file}"


@dataclass(frozen=True)
class Trace:
    """What strace has written down."""

    path: Path

    @property
    def injected(self) -> int:
        """How many calls have failed until now."""
        return self.path.read_text(errors="replace").count(_INJECTED)


@contextlib.asynccontextmanager
async def failing(pid: int, fault: Fault, number: int, file: Path) -> AsyncIterator[Trace]:
    """Let the ``number``-th such call of a thread fail, once, from the beginning of the block on.

    ``file`` is the one that the call is about, its path without links. Raises AssertionError if
    strace cannot attach.
    """
    trace = Trace(file.parent.with_name(f"strace-{pid}-{number}"))
    trace.path.touch()
    inject = f"inject={fault.call}:error={fault.error}:when={number}"
    said = trace.path.with_suffix(".said")
    with said.open("wb") as stderr:
        strace = subprocess.Popen(  # noqa: ASYNC220  # it is started, and waited for elsewhere
            [
                *("strace", "-f", "-o", str(trace.path), "-P", str(file)),
                *("-e", f"trace={fault.call}", "-e", inject, "-p", str(pid)),
            ],
            stdin=subprocess.DEVNULL,
            stderr=stderr,
        )
    try:
        await until(lambda: _is_traced(pid) or strace.poll() is not None)
        assert strace.poll() is None, said.read_text(errors="replace")
        yield trace
    finally:
        # It lets go of the server, which goes on; it has ended by itself where the server has.
        strace.terminate()
        await asyncio.to_thread(strace.wait, PATIENCE_S)


def _is_traced(pid: int) -> bool:
    """Tell whether every thread of a process is traced."""
    with contextlib.suppress(OSError):
        tasks = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/status")]
        return bool(tasks) and not any("\nTracerPid:\t0\n" in task for task in tasks)
    return False


async def why_not(folder: Path) -> str | None:
    """Try strace on a process of no importance; return why it cannot be used, or None."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    fault, file = Fault("fdatasync", "EIO", "any"), folder / "trial" / "any"
    file.parent.mkdir()
    file.touch()
    program = "import os, sys; sys.stdin.read(); os.fdatasync(os.open(sys.argv[1], os.O_RDWR))"
    with subprocess.Popen(  # noqa: ASYNC220  # ended below
        [sys.executable, "-c", program, str(file)], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as trial:
        try:
            async with failing(trial.pid, fault, 1, file) as trace:
                await asyncio.to_thread(trial.communicate, timeout=PATIENCE_S)
        except AssertionError as error:
            return f"strace cannot be used here: {error}"
        else:
            return None if trace.injected and trial.returncode else "strace cannot inject errors"
        finally:
            trial.kill()
