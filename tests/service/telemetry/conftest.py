"""Fixtures for the tests of tracing."""

from __future__ import annotations

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from stream_al.service.telemetry import exporters


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    """The spans that a service in this process exports."""
    exporter = InMemorySpanExporter()
    monkeypatch.setattr(exporter, "shutdown", lambda: None)  # it outlives a replica
    monkeypatch.setattr(exporters, "processors", lambda: [SimpleSpanProcessor(exporter)])
    return exporter
