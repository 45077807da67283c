"""Spans and the headers of traces, as the tests of tracing look at them."""

from __future__ import annotations

import re
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import format_span_id, format_trace_id

from stream_al.service.broker.protocols import Headers
from tests.support.stream import sample
from tests.support.world import World

ON = "tracing.enabled=true"
ALL = "budget.share=1"
HEADER = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}")


def traceparent(number: int, flags: str = "01") -> Headers:
    """The header of a trace whose ids are a number."""
    return (("traceparent", f"00-{number:032x}-{number:016x}-{flags}".encode()),)


def of(spans: InMemorySpanExporter, name: str, sample_id: str | None = None) -> list[ReadableSpan]:
    """The finished spans of a step; if a sample is named, only those of the sample."""
    found = [span for span in spans.get_finished_spans() if span.name.partition(" ")[0] == name]
    return [s for s in found if sample_id in (None, facts(s).get("messaging.message.id"))]


def facts(span: ReadableSpan) -> dict[str, Any]:
    """The attributes of a span."""
    return dict(span.attributes or {})


def own(span: ReadableSpan) -> tuple[str, str]:
    """The ids of trace and span."""
    return format_trace_id(span.context.trace_id), format_span_id(span.context.span_id)


def parent(span: ReadableSpan) -> tuple[str, str] | None:
    """The ids of trace and span of the parent, if there is one."""
    return (
        (format_trace_id(span.parent.trace_id), format_span_id(span.parent.span_id)) if span.parent else None
    )


def links(span: ReadableSpan) -> list[tuple[str, str]]:
    """The ids of trace and span of each link."""
    return [
        (format_trace_id(link.context.trace_id), format_span_id(link.context.span_id)) for link in span.links
    ]


async def carried(world: World, topic: str, sample_id: str) -> tuple[str, str]:
    """The ids of trace and span in the header of the record about a sample."""
    (record,) = [r for r in await world.records(topic) if r.key == sample_id.encode() and r.value is not None]
    found = HEADER.fullmatch((dict(record.headers)["traceparent"] or b"").decode())
    assert found
    return found[1], found[2]


def learned(spans: InMemorySpanExporter) -> bool:
    """Whether an example was learned and, in another loop, the batch that made it was applied."""
    return bool(of(spans, "learn") and of(spans, "intake"))


async def settled(world: World, number: int) -> None:
    """Label queries until the first samples are decided, and their labels learned."""
    await world.settle([sample(n)["id"] for n in range(number)])
