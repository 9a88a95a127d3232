"""What a server counts, for Prometheus.

One registry per application, so that several can live in one process. Label values come
from the route table and are therefore few.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from servers.web.answers import Answer, text_answer

if TYPE_CHECKING:
    from collections.abc import Callable

_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """Requests by route and status, their duration, and gauges that others add."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._requests = Counter(
            "bookstore_requests",
            "Requests answered, by route and status.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self._duration = Histogram(
            "bookstore_request_duration_seconds",
            "Time from a request's head to its answer.",
            ("method", "route"),
            buckets=_BUCKETS_S,
            registry=self.registry,
        )
        # Looking a label up costs more than counting, so each is looked up once.
        self._bound: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answered request."""
        key = (method, route, status)
        bound = self._bound.get(key)
        if bound is None:
            bound = (
                self._requests.labels(method, route, str(status)),
                self._duration.labels(method, route),
            )
            self._bound[key] = bound
        bound[0].inc()
        bound[1].observe(seconds)

    def gauge(self, name: str, help_text: str, read: Callable[[], float]) -> None:
        """Show a number that is read when somebody asks."""
        Gauge(f"bookstore_{name}", help_text, registry=self.registry).set_function(read)

    def answer(self) -> Answer:
        """Return all of it in the Prometheus text format."""
        text = generate_latest(self.registry).decode()
        return text_answer(text, content_type=CONTENT_TYPE_PLAIN_0_0_4)
