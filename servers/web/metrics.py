"""What a server counts, for Prometheus.

One registry per application, so that several can live in one process. Label values come
from the route table and are therefore few. Requests are counted in plain lists and made
into the library's shapes when somebody asks: its own counters take a lock and a second
look-up each, which is a tenth of what a small request costs.
"""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Gauge, ProcessCollector
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from servers.web.answers import Answer, text_answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prometheus_client import Metric

METRICS_TEXT = CONTENT_TYPE_PLAIN_0_0_4
"""The media type of what is answered."""

_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class _Counted:
    """The answers of one route with one status: how many in each bucket, how long in all."""

    __slots__ = ("buckets", "seconds")

    def __init__(self) -> None:
        self.buckets = [0] * (len(_BUCKETS_S) + 1)
        self.seconds = 0.0


class _Requests:
    """Gives what was counted to the library, in its shapes."""

    def __init__(self, counted: dict[tuple[str, str, int], _Counted]) -> None:
        self._counted = counted

    def collect(self) -> Iterator[Metric]:
        """Yield the count by route and status, and the durations by route."""
        requests = CounterMetricFamily(
            "bookstore_requests",
            "Requests answered, by route and status.",
            labels=("method", "route", "status"),
        )
        by_route: dict[tuple[str, str], _Counted] = {}
        for (method, route, status), counted in self._counted.items():
            requests.add_metric((method, route, str(status)), sum(counted.buckets))
            total = by_route.setdefault((method, route), _Counted())
            total.seconds += counted.seconds
            total.buckets = [a + b for a, b in zip(total.buckets, counted.buckets, strict=True)]
        yield requests
        durations = HistogramMetricFamily(
            "bookstore_request_duration_seconds",
            "Time from a request's head to its answer.",
            labels=("method", "route"),
        )
        for labels, total in by_route.items():
            durations.add_metric(labels, _cumulative(total.buckets), total.seconds)
        yield durations


class Metrics:
    """Requests by route and status, their duration, and gauges that others add."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._counted: dict[tuple[str, str, int], _Counted] = {}
        self.registry.register(_Requests(self._counted))

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answered request."""
        counted = self._counted.get((method, route, status))
        if counted is None:
            counted = self._counted[method, route, status] = _Counted()
        counted.buckets[bisect_left(_BUCKETS_S, seconds)] += 1
        counted.seconds += seconds

    def gauge(self, name: str, help_text: str, read: Callable[[], float]) -> None:
        """Show a number that is read when somebody asks."""
        Gauge(f"bookstore_{name}", help_text, registry=self.registry).set_function(read)

    def answer(self) -> Answer:
        """Return all of it in the Prometheus text format."""
        text = generate_latest(self.registry).decode()
        return text_answer(text, content_type=METRICS_TEXT)


def _cumulative(buckets: list[int]) -> list[tuple[str, float]]:
    """Return how many took at most as long as each bound, the last of which has no end."""
    bounds = [*(str(bound) for bound in _BUCKETS_S), "+Inf"]
    return list(zip(bounds, accumulate(buckets), strict=True))
