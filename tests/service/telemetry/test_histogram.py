"""A histogram that takes values in batches."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram, generate_latest

from stream_al.service.telemetry.histogram import BatchHistogram

BOUNDS = (0.1, 0.5, 1.0)


@settings(derandomize=True, deadline=None)
@given(st.lists(st.lists(st.floats(0, 2) | st.sampled_from(BOUNDS), max_size=9), max_size=5))
def test_it_exposes_the_same_series_as_the_client_library(batches: list[list[float]]) -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    quick = BatchHistogram("size", "Sizes.", BOUNDS, ours)
    usual = Histogram("size", "Sizes.", buckets=BOUNDS, registry=theirs)
    for batch in batches:
        quick.observe(batch)
        for value in batch:
            usual.observe(value)
    assert _lines(ours) == _lines(theirs)


def _lines(registry: CollectorRegistry) -> list[tuple[str, float]]:
    lines = generate_latest(registry).decode().splitlines()
    shown = (line.rsplit(" ", 1) for line in lines if "_created" not in line and not line.startswith("#"))
    return [(name, round(float(value), 9)) for name, value in shown]
