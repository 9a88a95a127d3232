"""Alive and ready: ``/livez``, ``/readyz``, ``/metrics``, and watching another server.

Alive says that the process answers. Ready says that it can do its work now, and names
what it waits for. A server that is not ready is not waited for by others.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec

from servers.domain.errors import ShopError, Unavailable
from servers.web.answers import answer, problem
from servers.web.hop import HopError
from servers.web.metrics import METRICS_TEXT
from servers.web.openapi.described import Description, Good
from servers.web.routes import Route

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from servers.web.answers import Answer
    from servers.web.call import Call
    from servers.web.hop import Hop
    from servers.web.metrics import Metrics
    from servers.web.routes import Handler

    Check = Callable[[], Awaitable[str | None]]

_CHECK_S = 1.0
_CHECK_AGAIN_S = 0.05
_LONGEST_CHECK_AGAIN_S = 0.5
_CHECK_AGAIN_SHARE = 0.1
"""Of the time for which a server has not been ready: so much later at most is it found again."""

_CHECK_TIMEOUT_S = 1.0
_ONE_CHECK_S = 0.4
"""How long a check may take: `/readyz` answers even where what it looks at does not."""


_BELIEVED_S = 0.5
"""How long a costly check that found all well is not made again."""


class SharedCheck:
    """A check that costs something, made once for all who ask meanwhile.

    However many ask, it is made twice a second at most while all is well. What is wrong is told
    to those who waited for it, and looked at anew for the next.
    """

    def __init__(self, check: Check) -> None:
        self._check = check
        self._loop = asyncio.get_running_loop()
        self._well_until_s = 0.0
        self._under_way: asyncio.Task[str | None] | None = None

    async def __call__(self) -> str | None:
        """Return None, or what is wrong."""
        if self._loop.time() < self._well_until_s:
            return None
        if self._under_way is None:
            self._under_way = self._loop.create_task(self._make())
        # Shielded: who waits no longer does not end it for the others.
        return await asyncio.shield(self._under_way)

    async def _make(self) -> str | None:
        try:
            wrong = await self._check()
        finally:
            self._under_way = None
        if wrong is None:
            self._well_until_s = self._loop.time() + _BELIEVED_S
        return wrong


class Live(msgspec.Struct):
    """``GET /livez``."""

    live: bool = True


class Ready(msgspec.Struct):
    """``GET /readyz``."""

    ready: bool = True


class Health:
    """Answers the health routes of one server.

    ``checks`` has, by name, what must be well: each returns None, or what is wrong.
    """

    def __init__(self, checks: Mapping[str, Check], metrics: Metrics | None) -> None:
        self._checks = checks
        self._metrics = metrics
        self.stopping = False

    async def livez(self, _call: Call) -> Answer:
        """Answer 200 while the process runs."""
        return answer(Live())

    async def readyz(self, _call: Call) -> Answer:
        """Answer 200, or 503 naming each part that is not ready and why."""
        wrong: dict[str, str] = {}
        for name, check in self._checks.items():
            try:
                async with asyncio.timeout(_ONE_CHECK_S):
                    said = await check()
            except TimeoutError:
                said = f"no answer within {_ONE_CHECK_S:g} s"
            if said is not None:
                wrong[name] = said
        if self.stopping:
            wrong["server"] = "stopping"
        if not wrong:
            return answer(Ready())
        listed = "; ".join(f"{name}: {said}" for name, said in wrong.items())
        return problem(Unavailable(f"Not ready: {listed}.", not_ready=wrong))

    async def metrics(self, _call: Call) -> Answer:
        """Answer the counters in the Prometheus text format."""
        if self._metrics is None:
            return problem(Unavailable("Metrics are switched off; see the setting `metrics`."))
        return self._metrics.answer()

    def routes(self) -> tuple[Route, ...]:
        """Return the three health routes, which are open to anyone and never shed."""
        return (
            _route("/livez", self.livez, "Whether the process runs", _told("isLive", Live())),
            _route(
                "/readyz",
                self.readyz,
                "Whether it can work now",
                _told(
                    "isReady",
                    Ready(),
                    Unavailable(
                        "Not ready: catalog: no answer.", not_ready={"catalog": "no answer"}
                    ),
                ),
            ),
            _route("/metrics", self.metrics, "Counters for Prometheus", _told_metrics()),
        )


def _route(path: str, handler: Handler, summary: str, told: Description) -> Route:
    return Route("GET", path, handler, summary, health=True, description=told)


def _told(name: str, body: msgspec.Struct, *problems: ShopError) -> Description:
    good = Good(200, "Yes", type(body), body)
    return Description(name=name, tag="health", answers=(good,), problems=problems)


def _told_metrics() -> Description:
    example = 'bookstore_requests_total{method="GET",route="/livez",status="200"} 1.0\n'
    good = Good(200, "The counters", str, example, media_type=METRICS_TEXT)
    off = Unavailable("Metrics are switched off; see the setting `metrics`.")
    return Description(name="getMetrics", tag="health", answers=(good,), problems=(off,))


class Peer:
    """Knows whether another server is ready, from asking it again and again.

    ``greet`` is called as long as the server answers that it is not ready, and once more when it
    says that it is; then it may raise why it is not after all. With ``guards`` the hop sends
    nothing while the server hangs, so that nobody waits for it.
    """

    def __init__(
        self,
        hop: Hop,
        greet: Callable[[], Awaitable[None]] | None = None,
        *,
        guards: bool = False,
    ) -> None:
        self.name = hop.name
        self.wrong: str | None = "not asked yet"
        self.reachable = False
        self._hop = hop
        self._greet = greet
        self._guards = guards

    @property
    def ready(self) -> bool:
        """Whether the server said that it is ready when last asked."""
        return self.wrong is None

    async def check(self) -> str | None:
        """Return what is wrong with the server, as last heard; a check of `Health`."""
        return self.wrong

    async def ask(self) -> None:
        """Ask the server whether it is ready."""
        loop = asyncio.get_running_loop()
        started_s = loop.time()
        try:
            said = await self._hop.call(
                "GET", "/readyz", timeout_s=_CHECK_TIMEOUT_S, even_if_down=True
            )
        except HopError as error:
            self.wrong = str(error)
            self.reachable = False
            # One that refuses at once does so to everybody, and is found again sooner without.
            hangs = loop.time() - started_s > _CHECK_TIMEOUT_S / 2
            self._hop.down = self.wrong if self._guards and hangs else None
            return
        self.reachable = True
        self._hop.down = None
        if said.status != 200:
            self.wrong = _reason(said.body)
            # It may be because of what we told it once, and that may have changed.
            await self._greeted()
        elif self.wrong is not None:
            self.wrong = await self._greeted()

    async def _greeted(self) -> str | None:
        try:
            if self._greet is not None:
                await self._greet()
        except ShopError as error:
            return error.detail
        return None

    async def until_ready(self) -> None:
        """Return as soon as the server is ready."""
        loop = asyncio.get_running_loop()
        since_s = loop.time()
        await self.ask()
        while not self.ready:
            pause_s = _CHECK_AGAIN_SHARE * (loop.time() - since_s)
            await asyncio.sleep(min(max(pause_s, _CHECK_AGAIN_S), _LONGEST_CHECK_AGAIN_S))
            await self.ask()

    async def watch(self) -> None:
        """Keep asking, for ever."""
        while True:
            if self.ready:
                await asyncio.sleep(_CHECK_S)
            await self.until_ready()


def _reason(body: bytes) -> str:
    try:
        fields = msgspec.json.decode(body, type=dict[str, object])
    except msgspec.MsgspecError:
        return "answered nonsense"
    return str(fields.get("detail", "not ready")).removeprefix("Not ready: ").rstrip(".")
