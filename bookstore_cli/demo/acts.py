"""What the demo shows, in the order it is shown, and whether it came out as it should.

Lives here: the acts and the words between them. The commands are the real ones and print
what they print; the races are counted, not told.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import signal
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from bookstore_cli.demo import races
from bookstore_cli.demo.shops import open_held_shop, open_shop, run_command, run_quietly
from servers import listening
from servers.domain.errors import Internal
from servers.settings import DEFAULT_PORTS
from servers.web.room import raise_file_limit

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bookstore_cli.demo.races import Result
    from bookstore_cli.demo.shops import DemoShop
    from bookstore_cli.session import Session

_WIDTH: Final = 72
_AUDIT: Final = "bookstore audit"

# What a newcomer tries first: what it shows, the command, and the exit code it has to have.
_LOOK_AROUND: Final = (
    ("The books of a topic.", 'bookstore search "distributed systems"', 0),
    ("One of them.", "bookstore info 2", 0),
    ("A book that does not exist. Scripts tell by the exit code.", "bookstore info 999", 5),
    ("A purchase.", "bookstore buy 2", 0),
    ("A book that is sold out.", "bookstore buy 39", 6),
)


@dataclass
class Stage:
    """Where an act plays: a folder to be thrown away, and what went wrong so far."""

    folder: Path
    buyers: int
    color: str
    wrong: list[str] = field(default_factory=list)

    def title(self, words: str) -> None:
        """Print the title of an act."""
        click.echo(f"\n--- {words} {'-' * (_WIDTH - len(words) - 5)}")

    def say(self, words: str) -> None:
        """Print a few lines of explanation."""
        click.echo(words)

    async def show(self, shop: Path, command: str, expected: int) -> None:
        """Print a command line, run it on the shop, and check how it exits."""
        click.echo(f"$ {command}")
        code = await run_command(shop, shlex.split(command)[1:], self.color)
        if code:
            click.echo(f"(exit {code})")
        if code != expected:
            self.wrong.append(f"`{command}` exited with {code}, not {expected}")

    def compare(self, naive: Result, bookstore: Result, reason: str) -> None:
        """Print how both shops came through a race, and check it."""
        click.echo(f"naive      {naive}")
        click.echo(f"bookstore  {bookstore}")
        refused = ", ".join(f"{count} x {code}" for code, count in bookstore.refused.items())
        click.echo(f"Why refused: {refused or 'nobody was'}.")
        if not naive.oversold:
            self.wrong.append(f"the naive shop did not oversell: {naive}")
        if not bookstore.is_right(reason, self.buyers):
            self.wrong.append(f"the bookstore {bookstore} ({refused})")

    async def audit(self, shop: Path) -> None:
        """Show that stock, ledger and orders of a shop agree."""
        self.title("The audit")
        self.say("Every copy that was ever received is accounted for.")
        await self.show(shop, _AUDIT, 0)

    async def audit_quietly(self, shop: Path) -> None:
        """Check that stock, ledger and orders of a shop agree; print only if they do not."""
        code, printed = await run_quietly(shop, shlex.split(_AUDIT)[1:])
        if code:
            click.echo(f"$ {_AUDIT}\n{printed}(exit {code})")
            self.wrong.append(f"`{_AUDIT}` of the delete race's shop exited with {code}")


def play(session: Session, act: Callable[[Stage], Awaitable[None]], buyers: int) -> None:
    """Play an act and clean up. Raises Internal if anything was not as it should be."""
    raise_file_limit()  # The naive delete race alone has 256 ends of connections.
    with tempfile.TemporaryDirectory(prefix="bookstore-demo-") as folder:
        stage = Stage(Path(folder), buyers, session.option("color", "auto"))
        try:
            asyncio.run(_until_told_to_stop(act(stage)))
        except asyncio.CancelledError:
            raise click.Abort from None
    sys.stdout.flush()
    if stage.wrong:
        raise Internal(f"The demo did not come out as it should: {'; '.join(stage.wrong)}.")
    session.say("")
    for line in _what_next():
        session.say(line)


async def whole_tour(stage: Stage) -> None:
    """Look around, purchase, see both races."""
    shop_folder = stage.folder / "shop"
    stage.say("Opening a shop of three servers in a folder that is thrown away afterwards ...")
    async with open_shop(shop_folder) as shop:
        stage.say(f"It is open at {shop.url}")
        stage.title("Look around")
        for number, (words, command, code) in enumerate(_LOOK_AROUND):
            stage.say(f"{'' if number == 0 else chr(10)}{words}")
            await stage.show(shop_folder, command, code)
        await _last_copy(stage, shop)
        held = await _delete_race(stage)
        await stage.audit_quietly(held)
        await stage.audit(shop_folder)


async def oversell(stage: Stage) -> None:
    """Let many buy the last copy at once."""
    shop_folder = stage.folder / "shop"
    async with open_shop(shop_folder) as shop:
        await _last_copy(stage, shop)
        await stage.audit(shop_folder)


async def delete_race(stage: Stage) -> None:
    """Delete a book while purchases of it are on their way."""
    await stage.audit(await _delete_race(stage))


async def _last_copy(stage: Stage, shop: DemoShop) -> None:
    stage.title("Race 1: the last copy")
    stage.say(
        f"{stage.buyers} customers purchase at once; there is one copy. The naive shop reads the\n"
        "stock and writes back one less. In the bookstore every sale says for which\n"
        "version of the book it was made, and counts only if the book still has it."
    )
    naive = await races.naive_last_copy(stage.buyers)
    bookstore = await races.last_copy(shop, stage.buyers)
    stage.compare(naive, bookstore, "out_of_stock")


async def _delete_race(stage: Stage) -> Path:
    """Run the race in a shop of its own, closed at the end; return that shop's folder."""
    folder = stage.folder / "race"
    stage.title("Race 2: deleted meanwhile")
    stage.say(
        f"{stage.buyers} customers again, one copy. One purchase is answered; then the book is\n"
        "deleted while the others are on their way, held in a proxy before the catalog."
    )
    naive = await races.naive_delete_race(stage.buyers)
    async with open_held_shop(folder) as (shop, proxy):
        bookstore = await races.delete_race(shop, proxy, stage.buyers)
    stage.compare(naive, bookstore, "book_deleted")
    return folder


async def _until_told_to_stop(act: Awaitable[None]) -> None:
    """Play; SIGTERM and a closed terminal end it as Ctrl-C does, with everything cleaned up."""
    loop = asyncio.get_running_loop()
    playing = asyncio.ensure_future(act)
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # As under nohup.
            loop.add_signal_handler(number, playing.cancel)
    await playing


def _what_next() -> list[str]:
    """Return what to type next, in words that work where the demo was started."""
    program = _program()
    return [
        "Now open a shop that stays. In one terminal:",
        f"  {program} up{'' if _usual_ports_are_free() else ' --port 0'}",
        "and in another:",
        f"  {program} search travel",
        f"  {program} buy 7",
        f"  {program} --help",
    ]


def _program() -> str:
    """Return how `bookstore` is called here: by its name, its path, or through Python."""
    name = Path(sys.argv[0])
    if name.name != "bookstore":
        return f"{shlex.quote(sys.executable)} -m bookstore_cli"
    found = shutil.which("bookstore")
    if found is not None and name.exists() and Path(found).samefile(name):
        return "bookstore"
    return shlex.quote(os.fspath(name))


def _usual_ports_are_free() -> bool:
    try:
        for port in DEFAULT_PORTS.values():
            listening.listen(listening.INNER_HOST, port).close()
    except listening.SupervisorError:
        return False
    return True
