"""Where spans go: OpenTelemetry's provider and exporters, as its own environment variables say.

The variables are OTEL_TRACES_EXPORTER, OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_TRACES_SAMPLER,
OTEL_RESOURCE_ATTRIBUTES and others of OpenTelemetry. This module reads only those that choose an exporter;
OpenTelemetry reads the rest.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from stream_al.errors import Misconfigured

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor, TracerProvider

__all__ = ["processors", "provider"]

EXPORTERS = "opentelemetry_traces_exporter"
"""The group of entry points under which packages offer exporters."""
PROTOCOLS = {"grpc": "otlp_proto_grpc", "http/protobuf": "otlp_proto_http"}


def provider(application: str, processors: Iterable[SpanProcessor]) -> TracerProvider:
    """The provider of tracers; the application names the service if the variables do not."""
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - an extra, not loaded when off
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415

    resource = Resource.create()  # from OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES
    if str(resource.attributes["service.name"]).startswith("unknown_service"):
        resource = resource.merge(Resource({"service.name": application}))
    made = TracerProvider(resource=resource, shutdown_on_exit=False)
    for processor in processors:
        made.add_span_processor(processor)
    return made


def processors(environ: Mapping[str, str] = os.environ) -> list[SpanProcessor]:
    """A processor for each exporter that OTEL_TRACES_EXPORTER names; it sends spans from a thread.

    Raises:
        Misconfigured: No installed package offers one of the exporters.
    """
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    names = [name.strip() for name in environ.get("OTEL_TRACES_EXPORTER", "otlp").split(",")]
    return [BatchSpanProcessor(_exporter(name, environ)()) for name in names if name not in ("", "none")]


def _exporter(name: str, environ: Mapping[str, str]) -> Callable[[], Any]:
    entry = name
    if name == "otlp":
        protocol = environ.get("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
        entry = PROTOCOLS.get(environ.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", protocol), "")
    for found in entry_points(group=EXPORTERS, name=entry):
        exporter: Callable[[], Any] = found.load()
        return exporter
    raise Misconfigured(
        f"tracing.enabled: no installed package exports by {entry or name!r}: install one, such as "
        "opentelemetry-exporter-otlp-proto-grpc, or set OTEL_TRACES_EXPORTER to otlp, console or none and "
        "OTEL_EXPORTER_OTLP_PROTOCOL to http/protobuf"
    )
