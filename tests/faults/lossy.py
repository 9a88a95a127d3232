"""A link to another network namespace that loses packets: the kernel's own TCP has to cope.

Two TUN devices, one here and one over there, and a thread that carries packets from one to the
other, or does not. Needs root, `ip`, `unshare` and `nsenter`; no firewall, and nothing of it
is left when the block ends. `tests.faults.wire` loses what has arrived already; here TCP sends
it again, later and later.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import struct
import subprocess
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from random import Random

# Reserved for tests of networks (RFC 2544).
HERE: Final = "198.18.77.1"
THERE: Final = "198.18.77.2"

_DEVICE: Final = "/dev/net/tun"
_PACKET_BYTES: Final = 65536
# linux/if_tun.h: TUNSETIFF; IFF_TUN and IFF_NO_PI, packets without a head of its own.
_SET_NAME: Final = 0x400454CA
_TUN_WITHOUT_HEAD: Final = 0x0001 | 0x1000
_COMMAND_S: Final = 10.0


class NoLink(Exception):
    """There can be no such link on this machine, for this user."""


@dataclass
class Link:
    """A link; ``to`` and ``fro`` are the chances of a packet to be lost on its way.

    ``inside`` is to be put before a command that is to run at the far end.
    """

    inside: Sequence[str]
    to: float = 0.0
    fro: float = 0.0
    lost: int = 0
    _random: Random = field(kw_only=True)

    def carry(self, here: int, there: int, end: int) -> None:
        """Carry packets until ``end`` can be read from."""
        while True:
            ready, _, _ = select.select([here, there, end], [], [])
            if end in ready:
                return
            for source in ready:
                packet = os.read(source, _PACKET_BYTES)
                if self._random.random() < (self.to if source == here else self.fro):
                    self.lost += 1
                    continue
                os.write(there if source == here else here, packet)


@contextlib.contextmanager
def lossy_link(chance: Random) -> Iterator[Link]:
    """Make a link and carry its packets while the block runs. Raises `NoLink`."""
    with contextlib.ExitStack() as stack:
        far = _far_end()
        stack.enter_context(far)
        stack.callback(far.kill)
        assert far.stdout is not None
        if not far.stdout.readline():
            raise NoLink(f"a network namespace cannot be made: {far.communicate()[1].decode()}")
        inside = ("nsenter", f"--net=/proc/{far.pid}/ns/net")
        here, near_name = _tun(stack)
        there, far_name = _tun(stack)
        _run("ip", "link", "set", far_name, "netns", str(far.pid))
        for command, name, address, peer in (
            ((), near_name, HERE, THERE),
            (inside, far_name, THERE, HERE),
        ):
            _run(*command, "ip", "address", "add", address, "peer", peer, "dev", name)
            _run(*command, "ip", "link", "set", name, "up")
        stop, stopping = os.pipe()
        stack.callback(os.close, stop)
        link = Link(inside, _random=chance)
        carrier = threading.Thread(target=link.carry, args=(here, there, stop))
        carrier.start()
        # Closing this end is what tells it to stop.
        stack.callback(carrier.join)
        stack.callback(os.close, stopping)
        yield link


def _far_end() -> subprocess.Popen[bytes]:
    """Start a process that does nothing but hold a network namespace of its own."""
    try:
        return subprocess.Popen(
            ["unshare", "--net", "sh", "-c", "echo; exec cat"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
    except OSError as error:
        raise NoLink(f"unshare cannot be run: {error}") from error


def _tun(stack: contextlib.ExitStack) -> tuple[int, str]:
    """Make a TUN device, which is gone when the stack closes; return it and its name."""
    try:
        device = os.open(_DEVICE, os.O_RDWR)
        stack.callback(os.close, device)
        asked = struct.pack("16sH22x", b"bookstore%d", _TUN_WITHOUT_HEAD)
        named = fcntl.ioctl(device, _SET_NAME, asked)
    except OSError as error:
        raise NoLink(f"a TUN device cannot be made: {error}") from error
    return device, named[:16].rstrip(b"\0").decode()


def _run(*command: str) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=_COMMAND_S)
    except OSError as error:
        raise NoLink(f"{command[0]} cannot be run: {error}") from error
    except subprocess.CalledProcessError as error:
        raise NoLink(f"{' '.join(command)}: {error.stderr.decode().strip()}") from error
