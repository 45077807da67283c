"""A histogram that takes a batch of values at once.

The histogram of the client library takes one value at a time, and needs a microsecond for each. Both expose
the same series.
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
    """The distribution of values over buckets.

    Args:
        name: The name of the metric.
        documentation: Its help text.
        buckets: Upper bounds in rising order; a last bucket without a bound is added.
        registry: The registry that exposes it.

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
        self._bound_texts = [*map(floatToGoString, buckets), "+Inf"]
        self._counts = np.zeros(len(buckets) + 1, dtype=np.int64)
        self._sum = 0.0
        registry.register(self)

    @property
    def counts(self) -> list[int]:
        """How many values each bucket has had, the last one without a bound."""
        found: list[int] = self._counts.tolist()
        return found

    def observe(self, values: Sequence[float]) -> None:
        """Add values."""
        given = np.asarray(values, dtype=np.float64)
        places = np.searchsorted(self._bounds, given)  # a value equal to a bound belongs to that bucket
        self._counts += np.bincount(places, minlength=len(self._counts))
        self._sum += float(given.sum())

    def collect(self) -> Iterator[Metric]:
        """The metric as it is scraped."""
        counts = [float(count) for count in self._counts.cumsum()]
        buckets = list(zip(self._bound_texts, counts, strict=True))
        yield HistogramMetricFamily(self._name, self._documentation, buckets=buckets, sum_value=self._sum)
