"""Hears what the servers log while a simulation runs; a traceback is a violation."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Self

from servers.domain.accounts import Violation
from tests.simulation.loop import OWNER

if TYPE_CHECKING:
    from pathlib import Path

    from tests.simulation.loop import SimulatedLoop
    from tests.simulation.trace import Trace

_LOGGERS = ("servers", "aiohttp", "asyncio")


class Witness(logging.Handler):
    """Takes the place of every other handler; what ghosts say is not heard."""

    def __init__(self, loop: SimulatedLoop, trace: Trace, folder: Path) -> None:
        super().__init__(logging.WARNING)
        self.violations: list[Violation] = []
        self._loop = loop
        self._trace = trace
        self._folder = str(folder)
        self._before: list[tuple[logging.Logger, list[logging.Handler], bool]] = []

    def __enter__(self) -> Self:
        for name in _LOGGERS:
            logger = logging.getLogger(name)
            self._before.append((logger, logger.handlers, logger.propagate))
            logger.handlers, logger.propagate = [self], False
        self._loop.on_exception = self._uncaught
        return self

    def __exit__(self, *_: object) -> None:
        for logger, handlers, propagate in self._before:
            logger.handlers, logger.propagate = handlers, propagate

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record down; an error is wrong."""
        owner: Any = OWNER.get()
        if owner is not None and not owner.alive:
            return
        said = record.getMessage().replace(self._folder, "")
        self._trace.note(owner.host if owner is not None else "?", f"logs: {said}")
        if record.levelno >= logging.ERROR or record.exc_info:
            error = record.exc_info[1] if record.exc_info else None
            self.violations.append(Violation("log", repr(owner), f"{said} {error!r}"))

    def _uncaught(self, context: dict[str, Any]) -> None:
        owner: Any = context.get("owner") or OWNER.get()
        if owner is None or owner.alive:
            finding = f"{context.get('message')}: {context.get('exception')!r}"
            self.violations.append(Violation("log", repr(owner), finding))
