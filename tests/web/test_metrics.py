"""What a server counts about its requests."""

from __future__ import annotations

from servers.web.metrics import Metrics


def text_of(metrics: Metrics) -> list[str]:
    """Return the lines of the exposition that are about requests."""
    lines = bytes(metrics.answer().body).decode().splitlines()
    return [line for line in lines if line.startswith("bookstore_request")]


def test_requests_are_counted_by_route_and_status() -> None:
    """Each answer counts once, under its route and its status."""
    metrics = Metrics()
    for status in (200, 404, 200):
        metrics.count("GET", "/info/{book_id:id}", status, 0.002)
    route = 'method="GET",route="/info/{book_id:id}"'
    assert [line for line in text_of(metrics) if "_total" in line] == [
        f'bookstore_requests_total{{{route},status="200"}} 2.0',
        f'bookstore_requests_total{{{route},status="404"}} 1.0',
    ]


def test_durations_are_a_histogram() -> None:
    """A bucket holds all that took no longer than its bound; the bound itself belongs to it."""
    metrics = Metrics()
    for seconds in (0.0005, 0.001, 0.3, 99.0):
        metrics.count("GET", "/livez", 200, seconds)
    lines = text_of(metrics)
    buckets = {
        line.split('le="')[1].split('"')[0]: float(line.split()[-1])
        for line in lines
        if "_bucket" in line
    }
    assert buckets["0.001"] == 2
    assert buckets["0.25"] == 2
    assert buckets["0.5"] == 3
    assert buckets["10.0"] == 3
    assert buckets["+Inf"] == 4
    route = '{method="GET",route="/livez"}'
    assert f"bookstore_request_duration_seconds_count{route} 4.0" in lines
    assert f"bookstore_request_duration_seconds_sum{route} 99.3015" in lines
