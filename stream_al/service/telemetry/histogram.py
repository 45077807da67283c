"""A histogram that takes a batch of values at once.

The client library's takes one value at a time, and a microsecond for each. What is shown is the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

__all__ = ["BatchHistogram"]


class BatchHistogram(Collector):
    """How values are spread.

    Args:
        name: Of the metric.
        documentation: Its help.
        buckets: Upper bounds, rising; one without a bound is added.
        registry: Where to register.

    >>> histogram = BatchHistogram("size", "Sizes.", (1.0, 2.0), CollectorRegistry())
    >>> histogram.observe([0.5, 1.0, 3.0])
    >>> [(s.name, s.labels, s.value) for s in next(histogram.collect()).samples][-1]
    ('size_sum', {}, 4.5)
    """

    def __init__(
        self, name: str, documentation: str, buckets: Sequence[float], registry: CollectorRegistry
    ) -> None:
        self._name, self._documentation = name, documentation
        self._bounds = np.asarray(buckets, dtype=np.float64)
        self._words = [*map(floatToGoString, buckets), "+Inf"]
        self._counts = np.zeros(len(buckets) + 1, dtype=np.int64)
        self._sum = 0.0
        registry.register(self)

    def observe(self, values: Sequence[float]) -> None:
        """Count values in."""
        given = np.asarray(values, dtype=np.float64)
        places = np.searchsorted(self._bounds, given)  # a bound belongs to its bucket
        self._counts += np.bincount(places, minlength=len(self._counts))
        self._sum += float(given.sum())

    def collect(self) -> Iterator[Metric]:
        """What is scraped."""
        counts = [float(count) for count in self._counts.cumsum()]
        buckets = list(zip(self._words, counts, strict=True))
        yield HistogramMetricFamily(self._name, self._documentation, buckets=buckets, sum_value=self._sum)
