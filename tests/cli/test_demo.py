"""The demo, run as a person runs it: the races, the audit, what to type next, no traces."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from http.client import HTTPConnection
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import aiohttp
import pytest

from bookstore_cli.demo import acts, naive, races
from bookstore_cli.demo.races import Result
from bookstore_cli.main import run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PATIENCE_S = 60.0
AUDIT = re.compile(r"audit ok: received (\d+) \+ returned (\d+) = sold (\d+) \+ left (\d+)")


def _demo(folder: Path, *words: str) -> subprocess.Popen[str]:
    """Start a demo whose temporary folder and home are in ``folder``."""
    for name in ("tmp", "home"):
        (folder / name).mkdir()
    clean = {name: value for name, value in os.environ.items() if not name.startswith("BOOKSTORE_")}
    return subprocess.Popen(
        [sys.executable, "-m", "bookstore_cli", "demo", *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**clean, "TMPDIR": str(folder / "tmp"), "HOME": str(folder / "home")},
    )


def _played(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    with _demo(folder, *words) as process:
        out, err = process.communicate(timeout=PATIENCE_S)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the whole tour was played."""
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def tour(folder: Path) -> subprocess.CompletedProcess[str]:
    """The whole tour, played once for this file."""
    return _played(folder)


def test_the_whole_tour_comes_out_right(tour: subprocess.CompletedProcess[str]) -> None:
    """The demo exits 0, and its last line is an audit whose sum is right."""
    assert tour.returncode == 0, tour.stdout + tour.stderr
    audit = AUDIT.fullmatch(tour.stdout.splitlines()[-1])
    assert audit is not None, tour.stdout
    received, returned, sold, left = (int(number) for number in audit.groups())
    assert received + returned == sold + left
    assert sold == 2  # One in the tour, one in the race for the last copy.


def test_the_naive_shop_loses_both_races_and_the_bookstore_none(
    tour: subprocess.CompletedProcess[str],
) -> None:
    """Per race two lines: the naive shop oversold, the bookstore sold one and refused 63."""
    lines = [
        line for line in tour.stdout.splitlines() if re.match(r"(naive|bookstore) +sold", line)
    ]
    last_copy, right, delete_race, right_again = lines
    oversold = re.fullmatch(r"naive +sold (\d+) of 1: oversold(?: \(\d+ refused\))?", last_copy)
    assert oversold is not None, last_copy
    assert 1 < int(oversold[1]) <= 64
    assert re.fullmatch(r"naive +sold 64 of 1: oversold \(63 after the delete\)", delete_race)
    for line in (right, right_again):
        assert re.fullmatch(r"bookstore +sold 1 of 1, refused 63", line)


def test_the_tour_shows_commands_with_what_they_really_print(
    tour: subprocess.CompletedProcess[str],
) -> None:
    """Search, info, a book that is not there, a purchase and a sold-out book are shown."""
    for shown in (
        '$ bookstore search "distributed systems"\n',
        "RPCs for Noobs",
        "$ bookstore info 999\nError: There is no book 999.",
        "(exit 5)\n",
        "Purchased 1 copy of “RPCs for Noobs”",
        "$ bookstore buy 39\nError: Book 39 is sold out.",
        "(exit 6)\n",
        "$ bookstore audit\n",
    ):
        assert shown in tour.stdout


def test_the_tour_is_plain_text_of_80_columns_in_a_pipe(
    tour: subprocess.CompletedProcess[str],
) -> None:
    """No colour, no other control character, no longer line."""
    assert re.search(r"[\x00-\x09\x0b-\x1f\x7f]", tour.stdout) is None
    assert max(len(line) for line in tour.stdout.splitlines()) <= 80


def test_the_tour_leaves_nothing_behind(
    tour: subprocess.CompletedProcess[str], folder: Path
) -> None:
    """The temporary folder and the home are as empty as before, and no server answers."""
    assert tour.returncode == 0
    assert list((folder / "tmp").iterdir()) == []
    assert list((folder / "home").iterdir()) == []
    assert not _answers(tour.stdout)


@pytest.fixture
def shop_of_ones_own(
    tour: subprocess.CompletedProcess[str], tmp_path: Path
) -> Iterator[tuple[list[str], dict[str, str]]]:
    """The shop that the tour says to open, and the commands that it says to try there."""
    # Where others run tests too, the usual ports may be taken; the words stay as printed.
    environ = {**os.environ, "HOME": str(tmp_path), "BOOKSTORE_PORT": "0"}
    commands = [line.strip() for line in tour.stderr.splitlines() if line.startswith("  ")]
    up = subprocess.Popen(
        ["sh", "-c", f"exec {commands[0]}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environ,
    )
    try:
        assert up.stdout is not None
        announced = [up.stdout.readline().split()[0] for _ in range(3)]
        assert b"frontend" in announced
        yield commands[1:], environ
    finally:
        up.terminate()
        assert up.wait(PATIENCE_S) == 0
        if up.stdout is not None:
            up.stdout.close()


def test_what_to_type_next_works_as_printed(
    shop_of_ones_own: tuple[list[str], dict[str, str]],
) -> None:
    """The shop opens, and each command that the demo ends with exits 0 there."""
    commands, environ = shop_of_ones_own
    assert len(commands) >= 2
    for command in commands:
        done = subprocess.run(
            ["sh", "-c", command],
            capture_output=True,
            text=True,
            check=False,
            env=environ,
            timeout=PATIENCE_S,
        )
        assert done.returncode == 0, (command, done.stderr)


@pytest.mark.parametrize("race", ["oversell", "delete-race"])
def test_a_race_is_run_alone(tmp_path: Path, race: str) -> None:
    """One race with fewer buyers ends with an audit as well, and says no more with -q."""
    done = _played(tmp_path, race, "--buyers", "8", "-q")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "bookstore  sold 1 of 1, refused 7\n" in done.stdout
    assert re.search(r"^naive +sold [2-8] of 1: oversold", done.stdout, re.MULTILINE)
    assert AUDIT.fullmatch(done.stdout.splitlines()[-1])
    assert done.stderr == ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demo_cleans_up(tmp_path: Path, number: signal.Signals) -> None:
    """Ctrl-C and SIGTERM in the middle of the tour exit 130; no server and no folder stays."""
    with _demo(tmp_path) as process:
        assert process.stdout is not None
        printed = ""
        while "Look around" not in printed:
            line = process.stdout.readline()
            assert line, printed
            printed += line
        process.send_signal(number)
        process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130
    assert list((tmp_path / "tmp").iterdir()) == []
    assert not _answers(printed)


def test_the_shop_of_a_killed_demo_closes(tmp_path: Path) -> None:
    """A demo that nobody could warn leaves no server behind; only its folder stays."""
    with _demo(tmp_path) as process:
        assert process.stdout is not None
        printed = process.stdout.readline() + process.stdout.readline()
        process.kill()
        process.communicate(timeout=PATIENCE_S)
    until_s = time.monotonic() + PATIENCE_S
    while list((tmp_path / "tmp").glob("*/shop/shop.json")):
        assert time.monotonic() < until_s, "the shop stayed open"
        time.sleep(0.05)
    assert not _answers(printed)


def _answers(printed: str) -> bool:
    """Tell whether the shop whose URL was printed still takes connections."""
    found = re.search(r"http://\S+", printed)
    assert found is not None
    url = urlsplit(found[0])
    connection = HTTPConnection(url.hostname or "", url.port or 0, timeout=PATIENCE_S)
    try:
        connection.connect()
    except ConnectionRefusedError:
        return False
    finally:
        connection.close()
    return True


def test_a_race_that_is_lost_ends_the_demo_with_1(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Were the bookstore to oversell, the demo would print it as it was and exit 1."""

    async def oversold(*_: object) -> Result:
        return Result(2, 0, {"out_of_stock": 2})

    monkeypatch.setattr(races, "last_copy", oversold)
    assert run(["demo", "oversell", "--buyers", "4"]) == 1
    out, err = capfd.readouterr()
    assert "bookstore  sold 2 of 1: oversold (2 refused)\n" in out
    assert "sold 2 of 1" in err


def test_an_audit_that_fails_ends_the_demo_with_1(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The demo exits 1 where its audit does not exit 0."""
    monkeypatch.setattr(acts, "_AUDIT", "bookstore no-audit")
    assert run(["demo", "delete-race", "--buyers", "4"]) == 1
    assert "`bookstore no-audit` exited with 2" in capfd.readouterr().err


@pytest.mark.parametrize(
    "result",
    [
        Result(1, 1, {"book_deleted": 3}),
        Result(0, 0, {"book_deleted": 4}),
        Result(1, 0, {"book_deleted": 2, "undecided": 1}),
        Result(1, 0, {"out_of_stock": 3}),
        Result(2, 0, {"book_deleted": 2}),
    ],
)
def test_only_one_ending_is_right(result: Result) -> None:
    """One sold, the others refused for the one reason: every other ending is wrong."""
    assert Result(1, 0, {"book_deleted": 3}).is_right("book_deleted", 4)
    assert not result.is_right("book_deleted", 4)


async def test_the_naive_shop_is_right_for_one_customer_at_a_time() -> None:
    """Without a race it sells its one copy once, and nothing of a deleted book."""
    async with naive.open_catalog(1) as url, aiohttp.ClientSession() as session:
        assert await naive.purchase(session, url) == "sold"
        assert await naive.purchase(session, url) == "out_of_stock"
        async with session.delete(url + naive.BOOK):
            pass
        assert await naive.purchase(session, url) == "book_not_found"


async def test_the_naive_shop_oversells_every_time() -> None:
    """Whatever the timing, more than one of 64 buyers at once is sold the one copy."""
    for _ in range(5):
        assert (await races.naive_last_copy(64)).oversold
        assert await races.naive_delete_race(16) == Result(16, 15, {})
