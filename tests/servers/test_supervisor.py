"""Three servers kept running: started, watched, restarted and stopped as real processes."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from servers import listening, settings, supervisor
from servers.shop_file import is_alive, read_shop_file, remove_shop_file, write_shop_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
PATIENCE_S = 20.0


def eventually(fact: Callable[[], bool]) -> None:
    """Wait until something is so."""
    until_s = time.monotonic() + PATIENCE_S
    while not fact():
        assert time.monotonic() < until_s, "it never came to be so"
        time.sleep(0.005)


class Shop:
    """A supervisor of fake servers, run as a process of its own."""

    def __init__(self, folder: Path, **options: object) -> None:
        self.folder = folder
        self.log = folder.with_name("log")
        argument = json.dumps({"data": str(folder), "port": 0, **options})
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-Wdefault", "-m", "tests.servers.fake_shop", "up", argument],
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )

    def announced(self) -> dict[str, str]:
        """Wait for the three lines and return the URLs by name."""
        assert self.process.stdout is not None
        return dict(self.process.stdout.readline().split() for _ in range(3))

    def journal(self) -> list[str]:
        """Return what has happened to the servers."""
        path = self.folder / "journal"
        return path.read_text().splitlines() if path.exists() else []

    def logs(self, text: str) -> Callable[[], bool]:
        """Return the question whether the log has a text."""
        return lambda: text in self.log.read_text()

    def pids(self) -> dict[str, int]:
        """Return the pid of each server as the shop's note has it."""
        note = read_shop_file(self.folder)
        assert note is not None
        return {name: note[name]["pid"] for name in supervisor.START_ORDER}

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal to the supervisor and return its exit code."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_S)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return an empty folder for a shop."""
    folder = tmp_path / "shop"
    folder.mkdir()
    return folder


@pytest.fixture
def open_shop(folder: Path) -> Iterator[Callable[..., Shop]]:
    """Return what opens a shop; whatever is left of it is ended after the test."""
    shops: list[Shop] = []

    def open_one(**options: object) -> Shop:
        shops.append(Shop(folder, **options))
        return shops[-1]

    yield open_one
    for shop in shops:
        assert "Warning" not in shop.log.read_text()
        # With the supervisor the servers' standard input ends, and they with it.
        shop.process.kill()
        shop.process.wait(PATIENCE_S)
        if shop.process.stdout is not None:
            shop.process.stdout.close()


def ask(url: str) -> tuple[str, int]:
    """Connect to a fake server and return its name and pid."""
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE_S) as connection:
        name, pid = connection.makefile().read().split()
    return name, int(pid)


def test_an_open_shop_says_where_it_is(open_shop: Callable[..., Shop], folder: Path) -> None:
    """Three lines name the servers, which answer there; the note in the folder agrees."""
    shop = open_shop()
    urls = shop.announced()
    assert list(urls) == ["frontend", "catalog", "order"]
    note = read_shop_file(folder)
    assert note is not None
    assert note.pop("supervisor_pid") == shop.process.pid
    assert note == {
        name: {"url": url, "pid": pid} for name, url in urls.items() for pid in [ask(url)[1]]
    }
    assert {ask(url)[0] for url in urls.values()} == set(urls)


def test_the_servers_know_each_other(open_shop: Callable[..., Shop]) -> None:
    """Each server is told the addresses of the others, and its own port."""
    shop = open_shop()
    urls = shop.announced()
    shared = f"{urls['catalog']} {urls['order']} 127.0.0.1"
    assert sorted(shop.journal()) == sorted(
        f"{name} settings {url.rpartition(':')[2]} {shared}" for name, url in urls.items()
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_closes_the_shop_in_order(
    open_shop: Callable[..., Shop], number: signal.Signals
) -> None:
    """The frontend is stopped first, then order, then catalog; the note goes and exit is 0."""
    shop = open_shop()
    shop.announced()
    assert shop.stop(number) == 0
    assert shop.journal()[-3:] == ["frontend stopped", "order stopped", "catalog stopped"]
    assert read_shop_file(shop.folder) is None


def test_a_shop_can_be_closed_before_it_is_open(
    open_shop: Callable[..., Shop], folder: Path
) -> None:
    """A signal while a server is not ready yet ends all with exit 0, and nothing is announced."""
    (folder / "frontend.dies").touch()
    shop = open_shop()
    eventually(shop.logs("starting it again"))
    assert shop.stop() == 0
    assert shop.process.stdout is not None
    assert shop.process.stdout.read() == ""


def test_ctrl_c_reaches_the_supervisor_alone(open_shop: Callable[..., Shop]) -> None:
    """Every server has a session of its own, which the terminal's signals do not enter."""
    shop = open_shop()
    shop.announced()
    sessions = {os.getsid(pid) for pid in shop.pids().values()}
    assert len(sessions) == 3
    assert os.getsid(shop.process.pid) not in sessions


@pytest.mark.parametrize("name", supervisor.START_ORDER)
def test_a_dead_server_is_replaced_where_it_was(open_shop: Callable[..., Shop], name: str) -> None:
    """A connection made after a server was killed waits, and the next process answers it."""
    shop = open_shop()
    urls = shop.announced()
    old = shop.pids()
    os.kill(old[name], signal.SIGKILL)
    eventually(shop.logs("was killed by signal 9"))
    assert (
        f"supervisor | {name} (pid {old[name]}) was killed by signal 9; starting it again in 0.1 s"
        in shop.log.read_text().splitlines()
    )
    answered, pid = ask(urls[name])
    assert answered == name
    assert pid != old[name]
    eventually(lambda: shop.pids() == old | {name: pid})


def test_a_server_that_keeps_dying_is_given_more_and_more_time(
    open_shop: Callable[..., Shop], folder: Path
) -> None:
    """The wait doubles from death to death; a shop that was open is never given up."""
    shop = open_shop()
    shop.announced()
    (folder / "order.dies").touch()
    os.kill(shop.pids()["order"], signal.SIGKILL)
    for wait in ("0.1 s", "0.2 s", "0.4 s", "0.8 s"):
        eventually(shop.logs(f"starting it again in {wait}\n"))
    (folder / "order.dies").unlink()
    eventually(shop.logs("is ready again"))
    assert "order    | last words" in shop.log.read_text().splitlines()
    assert shop.stop() == 0


@pytest.mark.parametrize(
    ("delay_s", "lived_s", "expected_s"),
    [(0, 0, 0.1), (0.1, 0, 0.2), (0.2, 9.9, 0.4), (3.2, 0, 5.0), (5.0, 0, 5.0), (5.0, 10, 0.1)],
)
def test_the_wait_before_a_start(delay_s: float, lived_s: float, expected_s: float) -> None:
    """The wait is 0.1 s at first, doubles up to 5 s, and is short again after a good life."""
    assert supervisor.next_delay_s(delay_s, lived_s) == expected_s


@pytest.mark.parametrize(
    ("fault", "end", "code"),
    [
        ("dies", "ended with exit code 3", 1),
        ("refuses", "ended with exit code 8", 8),
        ("waits", "ended with exit code 9", 9),
        ("mute", "never said that it is ready", 1),
    ],
)
def test_a_server_that_never_starts_is_given_up(
    open_shop: Callable[..., Shop], folder: Path, fault: str, end: str, code: int
) -> None:
    """After three failed starts the others stop too; exit is 8 for what it refused, 9 in use."""
    (folder / f"catalog.{fault}").touch()
    shop = open_shop()
    assert shop.process.wait(PATIENCE_S) == code
    log = shop.log.read_text()
    assert f"{end}" in log
    assert "for the third time; giving up" in log
    assert [line for line in shop.journal() if "stopped" in line] == [
        "frontend stopped",
        "order stopped",
    ]


def test_a_command_that_does_not_exist_is_given_up(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A server whose program is missing gives a sentence and exit 1."""
    options = settings.load({"data": folder, "port": 0}, {})
    code = asyncio.run(supervisor.run(options, print, command=lambda name: [f"/missing/{name}"]))
    assert code == 1
    assert "could not be started (No such file or directory)" in capfd.readouterr().err


def test_the_servers_do_not_outlive_the_supervisor(open_shop: Callable[..., Shop]) -> None:
    """When the supervisor is killed, each server learns it and ends."""
    shop = open_shop()
    shop.announced()
    pids = shop.pids()
    assert shop.stop(signal.SIGKILL) == -signal.SIGKILL
    ends = {f"{name} orphaned" for name in pids}
    eventually(lambda: ends <= set(shop.journal()))


def test_a_server_that_does_not_stop_is_killed(
    open_shop: Callable[..., Shop], folder: Path
) -> None:
    """A deaf server is killed within the time to stop, and those behind it stop in peace."""
    (folder / "frontend.deaf").touch()
    shop = open_shop(shutdown_s=2)
    shop.announced()
    began_s = time.monotonic()
    assert shop.stop() == 0
    assert time.monotonic() - began_s < 2
    assert shop.journal()[-3:] == ["frontend deaf", "order stopped", "catalog stopped"]
    assert "has not stopped yet; killing it" in shop.log.read_text()


def test_a_second_ctrl_c_kills_at_once(open_shop: Callable[..., Shop], folder: Path) -> None:
    """Somebody who will not wait for the time to stop does not have to."""
    (folder / "frontend.deaf").touch()
    shop = open_shop(shutdown_s=3600)
    shop.announced()
    pids = shop.pids()
    shop.process.send_signal(signal.SIGINT)
    eventually(lambda: "frontend deaf" in shop.journal())
    assert shop.stop(signal.SIGINT) == 130
    assert not any(is_alive(pid) for pid in pids.values())


def test_whoever_asked_for_the_shop_may_leave(open_shop: Callable[..., Shop]) -> None:
    """If nobody reads the announcement, the servers are stopped and none is left behind."""
    shop = open_shop()
    assert shop.process.stdout is not None
    shop.process.stdout.close()
    assert shop.process.wait(PATIENCE_S) != 0
    assert shop.journal()[-3:] == ["frontend stopped", "order stopped", "catalog stopped"]


@pytest.mark.parametrize("taken", [0, 1, 2])
def test_a_port_in_use_is_named(folder: Path, taken: int) -> None:
    """If one of the three ports is taken, the sentence names it and none is kept."""
    first = free_ports_in_a_row()
    options = settings.load({"data": folder, "port": first}, {})
    with socket.create_server(("127.0.0.1", first + taken)):
        with pytest.raises(listening.InUse) as refused:
            listening.three_sockets(options)
        assert f"Port {first + taken} on 127.0.0.1 is in use" in str(refused.value)
        assert "--port" in str(refused.value)
    for each in listening.three_sockets(options).values():
        each.close()


def free_ports_in_a_row() -> int:
    """Return the first of three neighbouring ports that were free a moment ago."""
    while True:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            first: int = probe.getsockname()[1]
        options = settings.load({"data": "/", "port": min(first, 65533)}, {})
        try:
            sockets = listening.three_sockets(options)
        except supervisor.SupervisorError:
            continue
        for each in sockets.values():
            each.close()
        return options.port_of("frontend")


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"port": 65534}, "no room for the next two"),
        ({"host": "192.0.2.1", "port": 0}, "Cannot listen on port 0 of 192.0.2.1"),
        ({"host": "no..such"}, "is not an address to listen on"),
    ],
)
def test_an_address_that_cannot_be_had_is_refused(given: dict[str, object], sentence: str) -> None:
    """The sentence says what is wrong with the address."""
    with pytest.raises(supervisor.SupervisorError, match=sentence):
        listening.three_sockets(settings.load({"data": "/", **given}, {}))


def test_tokens_that_cannot_be_used_are_refused(folder: Path) -> None:
    """A shop whose token is open to others is not opened, and the sentence says why."""
    (folder / "admin.token").touch(mode=0o644)
    options = settings.load({"data": folder, "port": 0}, {})
    with pytest.raises(supervisor.SupervisorError, match="chmod 600"):
        asyncio.run(supervisor.run(options, print))


def test_only_the_frontend_is_opened_to_others() -> None:
    """With --host 0.0.0.0 catalog and order still answer this machine alone."""
    sockets = listening.three_sockets(settings.load({"host": "0.0.0.0", "port": 0}, {}))
    try:
        hosts = {name: each.getsockname()[0] for name, each in sockets.items()}
        assert hosts == {"frontend": "0.0.0.0", "catalog": "127.0.0.1", "order": "127.0.0.1"}
        assert listening.url_of(sockets["frontend"]).startswith("http://127.0.0.1:")
    finally:
        for each in sockets.values():
            each.close()


def test_foreign_modules_are_not_taken_for_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Started in a folder of somebody else's files, a server does not import from there."""
    monkeypatch.chdir(tmp_path)
    assert supervisor.serve_command("order")[1:] == ["-P", "-m", "bookstore_cli", "serve", "order"]
    monkeypatch.chdir(ROOT)
    assert supervisor.serve_command("order")[1:] == ["-m", "bookstore_cli", "serve", "order"]


def test_the_note_of_another_supervisor_stays(folder: Path) -> None:
    """A note is removed by who wrote it; what is no note counts as none."""
    servers = {"frontend": ("http://127.0.0.1:1", 2)}
    write_shop_file(folder, servers)
    assert read_shop_file(folder) == {
        "frontend": {"url": "http://127.0.0.1:1", "pid": 2},
        "supervisor_pid": os.getpid(),
    }
    (folder / "shop.json").write_text('{"supervisor_pid": 1}')
    remove_shop_file(folder)
    assert read_shop_file(folder) == {"supervisor_pid": 1}
    write_shop_file(folder, servers)
    remove_shop_file(folder)
    assert list(folder.iterdir()) == []
    for nonsense in ("", "[]", "{"):
        (folder / "shop.json").write_text(nonsense)
        assert read_shop_file(folder) is None


def test_a_process_is_alive_until_it_ended() -> None:
    """This process lives; one that ended and was waited for does not."""
    assert is_alive(os.getpid())
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait(PATIENCE_S)
    assert not is_alive(process.pid)
