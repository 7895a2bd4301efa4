"""Figures as text for Prometheus: one answer for all worker processes.

Layer: web. What was counted is summed over the workers, those that have ended included; how things are now
is told of each worker that lives, under its process id.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from gridlore import __version__
from gridlore.web.metrics import BOUNDS, Durations, Figures

MEDIA_TYPE = "text/plain; version=0.0.4"

REQUEST = ["method", "route"]


def write_exposition(ended: Sequence[Figures], living: Sequence[Figures], late: int | None) -> bytes:
    """The text that is answered to a scrape; ``late``: how many sensors are late, None when unknown."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Families([*_counted([*ended, *living]), *_present(living, late)]))
    return generate_latest(registry)


class _Families(Collector):
    """The form in which the library takes what is to be written."""

    def __init__(self, families: Sequence[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def _counted(figures: Sequence[Figures]) -> Iterable[Metric]:
    numbers: dict[tuple[str, str, int], int] = {}
    times: dict[tuple[str, str], Durations] = {}
    for one in figures:
        for route, method, status, durations in one.requests:
            key = (method, route, status)
            numbers[key] = numbers.get(key, 0) + sum(durations.counts)
            times.setdefault((method, route), Durations()).add(durations)
    requests = CounterMetricFamily(
        "gridlore_http_requests", "Requests answered, by status.", labels=[*REQUEST, "status"]
    )
    for (method, route, status), number in sorted(numbers.items()):
        requests.add_metric([method, route, str(status)], number)
    yield requests
    seconds = HistogramMetricFamily(
        "gridlore_http_request_duration_seconds", "From a request's headers to its answer.", labels=REQUEST
    )
    for labels, durations in sorted(times.items(), key=lambda item: item[0]):
        seconds.add_metric(list(labels), _buckets(durations), durations.total)
    yield seconds
    values = CounterMetricFamily(
        "gridlore_values", "Values of posts that were answered with 200.", labels=["outcome"]
    )
    values.add_metric(["stored"], sum(one.totals.stored for one in figures))
    values.add_metric(["unchanged"], sum(one.totals.unchanged for one in figures))
    yield values
    commits = Durations()
    for one in figures:
        commits.add(one.totals.commits)
    family = HistogramMetricFamily("gridlore_commit_duration_seconds", "Transactions of the writer.")
    family.add_metric([], _buckets(commits), commits.total)
    yield family
    yield CounterMetricFamily(
        "gridlore_commit_batches",
        "Messages written; per commit: divide by gridlore_commit_duration_seconds_count.",
        sum(one.totals.batches for one in figures),
    )
    yield CounterMetricFamily(
        "gridlore_commit_blocks", "Blocks judged.", sum(one.totals.blocks for one in figures)
    )


def _present(living: Sequence[Figures], late: int | None) -> Iterable[Metric]:
    version = GaugeMetricFamily("gridlore_info", "Which version serves.", labels=["version"])
    version.add_metric([__version__], 1)
    yield version
    if late is not None:
        yield GaugeMetricFamily("gridlore_late_sensors", "Sensors whose data is late.", late)
    label = ["worker"]
    batches = GaugeMetricFamily("gridlore_queue_batches", "Messages that wait to be written.", labels=label)
    queued = GaugeMetricFamily("gridlore_queue_bytes", "What these take in memory.", labels=label)
    memory = GaugeMetricFamily("gridlore_process_resident_memory_bytes", "Memory in use.", labels=label)
    cpu = CounterMetricFamily("gridlore_process_cpu_seconds", "Processor time used.", labels=label)
    for one in living:
        name = [str(one.worker)]
        batches.add_metric(name, one.queued_batches)
        queued.add_metric(name, one.queued_bytes)
        cpu.add_metric(name, one.cpu_seconds)
        if one.memory_bytes is not None:
            memory.add_metric(name, one.memory_bytes)
    yield from (batches, queued, memory, cpu)


def _buckets(durations: Durations) -> list[tuple[str, float]]:
    return list(zip([*map(str, BOUNDS), "+Inf"], accumulate(durations.counts), strict=True))
