"""The throwaway shops of the demo: real servers, real databases, real commands.

Lives here: opening a shop in a folder, closing it whatever happens, and running the command
`bookstore` on it. What is done in the shop lives in ``acts`` and ``races``.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from bookstore_cli.demo.proxy import HoldingProxy
from servers import listening, settings
from servers.access import tokens
from servers.child import Child, lifeline_pipe
from servers.domain.errors import Internal
from servers.supervisor import serve_command

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from pathlib import Path

PATIENCE_S: Final = 30.0
_FIRST: Final = "frontend"
_NO_LOG: Final = {"access_log": False, "log_level": "error"}
_WIDTH: Final = "80"


@dataclass(frozen=True)
class DemoShop:
    """A shop that is open: its folder and the frontend's URL."""

    folder: Path
    url: str

    @property
    def admin_token(self) -> str:
        """The token of those who may add and delete books."""
        return (self.folder / "admin.token").read_text(encoding="ascii").strip()


@contextlib.asynccontextmanager
async def open_shop(folder: Path) -> AsyncIterator[DemoShop]:
    """Run `bookstore up` on free ports while the block does."""
    log = folder.with_suffix(".log")
    # Should this process be killed, the shop closes with the pipe.
    with lifeline_pipe() as lifeline:
        with log.open("wb") as stderr:
            process = await asyncio.create_subprocess_exec(
                *command_line("--data", str(folder), "up", "--port", "0"),
                stdin=lifeline,
                stdout=asyncio.subprocess.PIPE,
                stderr=stderr,
                env={**_without_ours(os.environ), f"{settings.PREFIX}PARENT_PIPE": "true"},
            )
        try:
            yield DemoShop(folder, await _announced_url(process, log))
        finally:
            await _stop(process)


@contextlib.asynccontextmanager
async def open_held_shop(folder: Path) -> AsyncIterator[tuple[DemoShop, HoldingProxy]]:
    """Run the three servers with a proxy between order and catalog while the block does."""
    given = settings.load({"data": str(folder), **_NO_LOG}, {})
    tokens.load(given)
    async with contextlib.AsyncExitStack() as stack:
        sockets = {
            name: stack.enter_context(listening.listen(listening.INNER_HOST, 0))
            for name, _ in listening.PORT_OFFSETS
        }
        urls = {name: listening.url_of(each) for name, each in sockets.items()}
        proxy = await stack.enter_async_context(HoldingProxy(urls["catalog"]))
        wired = replace(given, catalog_url=urls["catalog"], order_url=urls["order"])
        held = replace(wired, catalog_url=proxy.url)
        children = [
            Child(
                name,
                urls[name],
                sockets[name],
                held if name == "order" else wired,
                serve_command(name),
            )
            for name in sockets
        ]
        # Should this process be killed, the servers end with the pipe.
        lifeline = stack.enter_context(lifeline_pipe())
        stack.push_async_callback(_stop_all, children)
        stack.callback(proxy.release)  # A server does not stop while it waits for an answer.
        for child in children:
            await child.start(lifeline)
        async with asyncio.timeout(PATIENCE_S):
            ready = await asyncio.gather(*[child.until_ready() for child in children])
        if not all(ready):
            raise Internal("A server of the demo ended before it was ready; see the lines above.")
        yield DemoShop(folder, urls[_FIRST]), proxy


def command_line(*words: str) -> Sequence[str]:
    """Return the command that runs `bookstore` with these words, whatever folder we are in."""
    return [*serve_command(_FIRST)[:-2], *words]


async def run_command(folder: Path, words: Sequence[str], color: str) -> int:
    """Run `bookstore` on a shop as a person would; it prints to our output. Return its exit."""
    sys.stdout.flush()
    process = await asyncio.create_subprocess_exec(
        *command_line(*words),
        stdin=asyncio.subprocess.DEVNULL,
        stderr=sys.stdout.fileno(),  # So that data and words stand in the order they were said.
        env=_for_people(folder, color),
    )
    return await _ended(process)


async def run_quietly(folder: Path, words: Sequence[str]) -> tuple[int, str]:
    """Run `bookstore` on a shop; return its exit code and what it printed."""
    process = await asyncio.create_subprocess_exec(
        *command_line(*words),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=_for_people(folder, "never"),
    )
    try:
        printed, _ = await process.communicate()
    finally:
        code = await _ended(process)
    return code, printed.decode(errors="replace")


def _for_people(folder: Path, color: str) -> dict[str, str]:
    """Return the environment in which a command prints tables, also where it is piped."""
    width = {} if sys.stdout.isatty() else {"COLUMNS": _WIDTH}
    shop = {"DATA": str(folder), "OUTPUT": "table", "COLOR": color}
    ours = {settings.PREFIX + name: value for name, value in shop.items()}
    return {**_without_ours(os.environ), **width, **ours}


def _without_ours(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without what a person has set for a shop of theirs."""
    return {name: value for name, value in environ.items() if not name.startswith(settings.PREFIX)}


async def _announced_url(process: asyncio.subprocess.Process, log: Path) -> str:
    """Wait until `bookstore up` has named its three servers; return the frontend's URL."""
    assert process.stdout is not None  # noqa: S101  # It is a pipe.
    urls = {}
    async with asyncio.timeout(PATIENCE_S):
        for _ in listening.PORT_OFFSETS:
            name, _, url = (await process.stdout.readline()).decode().strip().partition(" ")
            urls[name] = url
    if not urls.get(_FIRST):
        said = log.read_text()  # noqa: ASYNC240  # Nothing else goes on that it could hold up.
        raise Internal(f"The demo's shop did not open. It said:\n{said}")
    return urls[_FIRST]


async def _stop(process: asyncio.subprocess.Process) -> None:
    """End a process as Ctrl-C would, and the hard way if it does not."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
    await _ended(process)


async def _ended(process: asyncio.subprocess.Process) -> int:
    """Wait for the end of a process; whatever happens meanwhile, it does end."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            return await process.wait()
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def _stop_all(children: Sequence[Child]) -> None:
    """End the servers one after the other, each once nobody asks it any more."""
    for name in ("frontend", "order", "catalog"):
        for child in children:
            if child.name == name and child.process is not None:
                await _stop(child.process)
