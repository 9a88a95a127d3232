"""The simulated network: connections between hosts, and what may happen to what they carry.

A message is what one ``write`` sends; our clients and servers send each request and each
answer in one go. What a network of TCP connections can do to them is done here: it delays,
holds back, loses (and with it the rest of the stream), resets, and, as a proxy on the way
might, delivers a request once more or a minute late over a connection of its own.
"""

from __future__ import annotations

import asyncio
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from tests.simulation.links import Link, Listening, Port, allowed_s
from tests.simulation.loop import OWNER
from tests.simulation.transport import End, Sink

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from tests.simulation.loop import SimulatedLoop
    from tests.simulation.process import Process
    from tests.simulation.trace import Trace

OUTSIDE = "customers"
"""Where everybody is who is no server of ours."""

_FASTEST_S, _SLOWEST_S = 0.0001, 0.001
_ANSWER_SLACK_S = 0.3
"""By how much an answer may miss its deadline: the sweep that finds it out, twice, and more."""


class Network:
    """All connections of a simulation."""

    def __init__(self, loop: SimulatedLoop, random: Random, trace: Trace) -> None:
        self.loop = loop
        self.ports: dict[str, Port] = {}
        self.overdue: list[str] = []
        self.messages = 0
        self.copies = 0
        self.last_copy_s = 0.0
        self._random = random
        self._trace = trace
        self._links: dict[tuple[str, str], Link] = {}
        self._ends: dict[End, None] = {}
        self._numbers = 0
        self._context = copy_context()
        loop.connect, loop.listen = self._connect, self._listen

    def link(self, source: str, target: str) -> Link:
        """Return one direction between two hosts."""
        found = self._links.get((source, target))
        if found is None:
            found = self._links[source, target] = Link()
        return found

    def heal(self, source: str, target: str) -> None:
        """Let one direction work again; what it held back arrives now."""
        old = self.link(source, target)
        self._links[source, target] = Link()
        for end, kind, data in old.held:
            self._deliver(end, kind, data, 0.0)
        old.healed.set()

    def heal_all(self) -> None:
        """Let everything work again."""
        for source, target in list(self._links):
            if self._links[source, target].troubled:
                self.heal(source, target)

    def break_all(self, one: str, other: str) -> None:
        """Reset every connection between two hosts, at both ends."""
        for end in [each for each in self._ends if {each.host, each.peer.host} == {one, other}]:
            self._schedule(end, "rst", b"", self.loop.time())

    def process_died(self, process: Process, *, dark: bool) -> None:
        """Cut a process off; its peers notice, unless the whole machine has gone ``dark``."""
        port = self.ports[process.host]
        if port.process is process:
            port.process = None
        port.dark = dark
        for end in [each for each in self._ends if each.process is process]:
            if not dark:
                # The system closes what a dead process had open: in order, or with a reset.
                self.send(end, "rst" if self._random.random() < 0.5 else "fin", b"")
            end.closed = end.vanished = True
            self.forget(end)

    def forget(self, end: End) -> None:
        """Keep no connection that is over."""
        self._ends.pop(end, None)

    def still_waiting(self) -> list[str]:
        """Return which requests of customers have had no answer for too long."""
        now_s = self.loop.time()
        return [
            f"{end.host} #{end.number} has not answered for {now_s - end.asked_s:.1f} s"
            for end in self._ends
            if end.asked_s is not None and now_s > end.asked_s + end.allowed_s + _ANSWER_SLACK_S
        ]

    # Messages

    def send(self, end: End, kind: str, data: bytes) -> None:
        """Send something from one end to the other, with what fate has for it."""
        if end.stuck:
            return
        if kind == "data":
            self.messages += 1
            if end.asked_s is not None:
                self._check_answer(end)
        link = self._links.get((end.host, end.peer.host))
        fate = ""
        if link is not None and link.troubled:
            fate = self._fate(link, end, kind, data)
        self._trace.message(end, kind, data, fate)
        if link is not None and link.cut:
            link.hold(end, kind, data, dropped=self._random.random() < 0.5)
        elif not end.stuck:
            self._deliver(end, kind, data, 0.0 if link is None else link.slow_s)

    def _fate(self, link: Link, end: End, kind: str, data: bytes) -> str:
        """Let the troubles of a link befall a message; return what to say of it."""
        if link.cut:
            return " - held back"
        if kind == "data":
            dice = self._random.random()
            for trouble in ("lost", "late", "copied", "reset"):
                dice -= getattr(link, trouble)
                if dice < 0:
                    return self._befalls(trouble, end, data)
        return ""

    def _befalls(self, trouble: str, end: End, data: bytes) -> str:
        is_request = not data.startswith(b"HTTP/")
        if trouble == "copied":
            # No network makes an answer come twice on one connection; a proxy may ask twice.
            spread_s = 5 if self._random.random() < 0.8 else 65
            after_s = self._random.uniform(0, spread_s)
            return self._copy_later(end, data, after_s, "and once more") if is_request else ""
        end.stuck = True
        if trouble == "reset":
            for each in (end, end.peer):
                self._schedule(each, "rst", b"", self.loop.time() + _FASTEST_S)
            return " - reset"
        if trouble == "late" and is_request:
            longest_s = 8 if self._random.random() < 0.7 else 70
            return self._copy_later(end, data, self._random.uniform(2, longest_s), "late")
        return " - lost"

    def _copy_later(self, end: End, data: bytes, after_s: float, word: str) -> str:
        source, target = end.host, end.peer.host
        self.copies += 1
        self.last_copy_s = max(self.last_copy_s, self.loop.time() + after_s)
        self.loop.call_later(
            after_s, self._arrive_copied, source, target, data, context=self._context
        )
        return f" - {word}, after {after_s:.3f} s"

    def _arrive_copied(self, source: str, target: str, data: bytes) -> None:
        port = self.ports[target]
        if port.process is None:
            return
        sender, receiver = self._pair(source, target)
        sender.attach(Sink(), None, self._context)
        self._ends[sender] = None
        self._trace.message(sender, "data", data, " - the copy")
        self.loop.call_soon(self._accept, receiver, context=port.process.context)
        self._deliver(sender, "data", data, 0.0)

    def _deliver(self, end: End, kind: str, data: bytes, slow_s: float) -> None:
        delay_s = self._random.uniform(_FASTEST_S, _SLOWEST_S)
        if slow_s:
            delay_s += slow_s * self._random.random()
        # Never before what was sent earlier on the same connection.
        due_s = max(self.loop.time() + delay_s, end.last_due_s + 1e-9)
        end.last_due_s = due_s
        self._schedule(end.peer, kind, data, due_s)

    def _schedule(self, end: End, kind: str, data: bytes, due_s: float) -> None:
        context = end.context or self._context
        self.loop.call_at(due_s, self._arrived, end, kind, data, context=context)

    def _arrived(self, end: End, kind: str, data: bytes) -> None:
        if end.vanished or end.closed:
            dark = self.ports[end.host].dark if end.host in self.ports else False
            if kind == "data" and not dark and not end.peer.closed:
                self._deliver(end, "rst", b"", 0.0)
            return
        if end.context is not None and OWNER.get() is not end.process:
            # It was accepted while this was on its way: what it causes is the process's doing.
            self.loop.call_soon(self._arrived, end, kind, data, context=end.context)
            return
        end.arrived(kind, data)

    def note_request(self, end: End, data: bytes) -> None:
        """Note when a server has got what a customer asks of it."""
        if end.peer.host == OUTSIDE and end.process is not None:
            end.asked_s, end.allowed_s = self.loop.time(), allowed_s(data)

    def _check_answer(self, end: End) -> None:
        asked_s, end.asked_s = end.asked_s or 0.0, None
        took_s = self.loop.time() - asked_s
        frozen = end.process is not None and end.process.frozen_until_s > asked_s
        if took_s > end.allowed_s + _ANSWER_SLACK_S and not frozen:
            self.overdue.append(f"{end.host} answered after {took_s:.2f} s of {end.allowed_s:.2f}")

    # Connections

    async def _listen(self, factory: Callable[[], Any], *_: Any, sock: Any, **_options: Any) -> Any:
        process = OWNER.get()
        port = self.ports[sock.host]
        port.process, port.factory, port.dark = process, factory, False  # type: ignore[assignment]  # owners are processes
        waiting, port.backlog = port.backlog, []
        for end in waiting:
            self.loop.call_soon(self._accept, end)
        return Listening(port)

    async def _connect(
        self, factory: Callable[[], Any], host: str, *_: Any, **_options: Any
    ) -> tuple[End, Any]:
        process: Any = OWNER.get()
        source = process.host if process is not None else OUTSIDE
        await self._travel(source, host)
        port = self.ports[host]
        if port.process is None and not port.kept:
            await self._travel(host, source)
            raise ConnectionRefusedError(f"nobody listens at {host}")
        while port.dark:  # noqa: ASYNC110  # power comes back without an event
            await asyncio.sleep(0.2)
        client, server = self._pair(source, host)
        if port.process is None:
            port.backlog.append(server)
        else:
            self.loop.call_soon(self._accept, server, context=port.process.context)
        try:
            await self._travel(host, source)
        except asyncio.CancelledError:
            server.closed = True
            raise
        protocol = factory()
        self._ends[client] = None
        client.attach(protocol, process, copy_context() if process is None else process.context)
        return client, protocol

    def _pair(self, source: str, target: str) -> tuple[End, End]:
        self._numbers += 1
        client, server = End(self, self._numbers, source), End(self, self._numbers, target)
        client.peer, server.peer = server, client
        return client, server

    def _accept(self, end: End) -> None:
        port = self.ports[end.host]
        process = port.process
        if end.closed:
            return
        if port.factory is None or process is None or process is not OWNER.get():
            # It stopped listening meanwhile.
            if port.kept:
                port.backlog.append(end)
            else:
                self._deliver(end, "rst", b"", 0.0)
            return
        self._ends[end] = None
        end.attach(port.factory(), process, process.context)

    async def _travel(self, source: str, target: str) -> None:
        await asyncio.sleep(self._random.uniform(_FASTEST_S, _SLOWEST_S))
        link = self._links.get((source, target))
        if link is not None and link.cut:
            await link.healed.wait()
        elif link is not None and link.slow_s:
            await asyncio.sleep(link.slow_s * self._random.random())
