"""Tracing: a sample's way to the model as OpenTelemetry has it; off, and not even imported, by default.

A *trace* is one sample's way, through every program that hands on the header `traceparent` (W3C Trace
Context; `tracestate` goes with it). A *span* is one step of it. Names, kinds and attributes are those of the
semantic conventions for messaging:

    sample ── traceparent ──> select samples    CONSUMER
                              └ send queries    PRODUCER ── traceparent ──> annotator
                                                                               │
                              intake labels     CONSUMER <── traceparent ── label
                              └ send examples   PRODUCER ── traceparent ──> learn examples   CONSUMER

- Only a sample that is selected makes spans. One without the header begins a trace of its own.
- A label that brings a traceparent continues that one, and links to its query; one that brings none
  continues the query's, which the header of the query in its topic still tells after a restart.
- Every replica learns every example. What it learns at once is one span, with a link to each example; it
  lies in the first one's trace, so that whoever samples that trace sees it learned as well. What a start
  replays was learned before, and makes no span.
- Spans end when their batch is applied (`service.loops.consumer`), and only what has ended is exported: what
  was   dropped and done again is told once.

What is exported where, and which share of the traces, its own variables say: OTEL_TRACES_EXPORTER,
OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_TRACES_SAMPLER, OTEL_RESOURCE_ATTRIBUTES and the others. Spans wait in a
queue of limited length and a thread sends them; while the collector is away some are lost, and nothing waits.

Headers come from strangers. One that is not what it should be, or is there twice, is as good as none.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from stream_al import __version__
from stream_al.errors import Misconfigured, Unavailable
from stream_al.service.broker.protocols import Ack, Headers, Record
from stream_al.service.timing.clock import SYSTEM_CLOCK, Clock
from stream_al.service.timing.deadline import run_in_thread, within
from stream_al.settings import Settings

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
    from opentelemetry.trace import Link, Span, SpanKind

__all__ = ["OFF", "Step", "Tracing", "tracing"]

FIELDS = ("traceparent", "tracestate")
MAX_CHARACTERS = 512
"""Of one of them, as the specification has it for the second."""
EXPORTERS = "opentelemetry_traces_exporter"
PROTOCOLS = {"grpc": "otlp_proto_grpc", "http/protobuf": "otlp_proto_http"}


class Step:
    """A record that leads to another: what the other has to carry."""

    headers: Headers = ()

    def done(self, ack: Ack) -> None:
        """The batch is applied, and the other is there."""


class Tracing:
    """What the stages tell. This one takes no notice."""

    _nothing = Step()

    def step(
        self, stage: str, record: Record, to: str, sample_id: str, after: Headers = (), **facts: Any
    ) -> Step:
        """A stage was led by a record to send one to another topic.

        Args:
            stage: Which.
            record: What it read.
            to: The other topic.
            sample_id: Whose way it is.
            after: What this continues if the record says nothing itself.
            facts: What was decided.
        """
        return self._nothing

    def learned(self, records: Sequence[Record], seconds: float) -> None:
        """Examples were learned, and how long that took."""

    def carried(self, headers: Headers) -> Headers:
        """Those of a record's headers that say which trace it belongs to."""
        return ()

    async def stop(self, seconds: float) -> None:
        """Send what still waits, or give it up."""


OFF = Tracing()


def tracing(settings: Settings, clock: Clock = SYSTEM_CLOCK) -> Tracing:
    """The tracing that the settings ask for.

    Raises:
        Misconfigured: It is not installed, or its variables name an exporter that is not.
    """
    if not settings.tracing.enabled:
        return OFF
    try:
        return _On(settings.application, _processors(), clock)
    except ImportError:
        raise Misconfigured(
            "tracing.enabled: for that, run `python -m pip install 'stream_al[otel]'`"
        ) from None


class _On(Tracing):
    """Makes spans.

    Args:
        application: Names the service where OpenTelemetry's variables do not, and the consumer groups.
        processors: Where spans go.
        clock: Says when spans end that were not begun.
    """

    def __init__(
        self, application: str, processors: Iterable[SpanProcessor], clock: Clock = SYSTEM_CLOCK
    ) -> None:
        from opentelemetry import trace  # noqa: PLC0415 - an extra, and nothing of it is loaded when off
        from opentelemetry.context import Context  # noqa: PLC0415
        from opentelemetry.trace.propagation import tracecontext  # noqa: PLC0415

        self._trace = trace
        self._nowhere = Context()  # the steps of a record belong to its own trace, whatever runs around us
        self._application = application
        self._clock = clock
        self._provider = _provider(application, processors)
        self._tracer = self._provider.get_tracer("stream_al", __version__)
        self._propagator = tracecontext.TraceContextTextMapPropagator()
        # What a stranger writes into a header is no reason to write into our log.
        logging.getLogger("opentelemetry.trace.span").setLevel(logging.ERROR)

    def step(
        self, stage: str, record: Record, to: str, sample_id: str, after: Headers = (), **facts: Any
    ) -> Step:
        """Begin the spans of a record read and of the one that it leads to."""
        kinds = self._trace.SpanKind
        own, before = self._context(record.headers), self._context(after)
        read = self._span(
            stage,
            record.topic,
            kinds.CONSUMER,
            own or before,
            {
                **_place(record.partition, record.offset),
                "messaging.consumer.group.name": f"{self._application}.{stage}",
                "messaging.message.id": sample_id,
                **{f"stream_al.{name}": fact for name, fact in facts.items()},
            },
            self._links([before] if own else []),
        )
        sent = self._span("send", to, kinds.PRODUCER, self._within(read), {"messaging.message.id": sample_id})
        carrier: dict[str, str] = {}
        self._propagator.inject(carrier, self._within(sent))
        return _Begun(read, sent, tuple((name, text.encode()) for name, text in carrier.items()))

    def learned(self, records: Sequence[Record], seconds: float) -> None:
        """One span for what was learned at once, if any of it belongs to a trace that is sampled."""
        found = [context for record in records if (context := self._context(record.headers))]
        links = [link for link in self._links(found) if link.context.trace_flags.sampled]
        if not links:
            return
        now = int(self._clock.wall() * 1e9)
        span = self._span(
            "learn",
            records[0].topic,
            self._trace.SpanKind.CONSUMER,
            self._within(self._trace.NonRecordingSpan(links[0].context)),
            {"messaging.batch.message_count": len(records)},
            links,
            now - int(seconds * 1e9),
        )
        span.end(now)

    def carried(self, headers: Headers) -> Headers:
        """Traceparent and tracestate, if they can be what they should be."""
        found = [header for header in headers if header[0] in FIELDS]
        names = [name for name, _ in found]
        if names.count("traceparent") != 1 or any(len(value) > MAX_CHARACTERS for _, value in found):
            return ()
        return tuple(found) if len(found) <= len(FIELDS) else tuple(h for h in found if h[0] == "traceparent")

    async def stop(self, seconds: float) -> None:
        """Send what still waits, in time."""
        with suppress(Unavailable):
            await within(seconds, "the last spans", run_in_thread(self._provider.shutdown))

    def _context(self, headers: Headers) -> Context | None:
        """The context that a record carries, if it carries a sound one."""
        carrier = {name: value.decode("ascii", "replace") for name, value in self.carried(headers)}
        context = self._propagator.extract(carrier, self._nowhere) if carrier else None
        return context or None

    def _links(self, contexts: Iterable[Context | None]) -> list[Link]:
        spans = (self._trace.get_current_span(context).get_span_context() for context in contexts if context)
        return [self._trace.Link(context) for context in spans]

    def _within(self, span: Span) -> Context:
        return self._trace.set_span_in_context(span, self._nowhere)

    def _span(
        self,
        name: str,
        topic: str,
        kind: SpanKind,
        parent: Context | None,
        attributes: Mapping[str, Any],
        links: Sequence[Link] = (),
        start_ns: int | None = None,
    ) -> Span:
        common = {
            "messaging.system": "kafka",
            "messaging.operation.name": name,
            "messaging.operation.type": "send" if kind is self._trace.SpanKind.PRODUCER else "process",
            "messaging.destination.name": topic,
        }
        return self._tracer.start_span(
            f"{name} {topic}", parent or self._nowhere, kind, {**common, **attributes}, links, start_ns
        )


class _Begun(Step):
    """Two spans that have begun."""

    def __init__(self, read: Span, sent: Span, headers: Headers) -> None:
        self._read, self._sent, self.headers = read, sent, headers

    def done(self, ack: Ack) -> None:
        """End both."""
        if ack.replaced:
            from opentelemetry.trace import StatusCode  # noqa: PLC0415 - an extra

            self._sent.set_status(StatusCode.ERROR)
            self._sent.set_attribute("error.type", "message_too_large")
        else:
            self._sent.set_attributes(_place(ack.partition, ack.offset))
        self._sent.end()
        self._read.end()


def _place(partition: int, offset: int) -> dict[str, Any]:
    return {"messaging.destination.partition.id": str(partition), "messaging.kafka.offset": offset}


def _provider(application: str, processors: Iterable[SpanProcessor]) -> TracerProvider:
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415

    resource = Resource.create()  # of OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES
    if str(resource.attributes["service.name"]).startswith("unknown_service"):
        resource = resource.merge(Resource({"service.name": application}))
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    for processor in processors:
        provider.add_span_processor(processor)
    return provider


def _processors(environ: Mapping[str, str] = os.environ) -> list[SpanProcessor]:
    """What hands spans to the exporters that the environment names."""
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
        f"tracing.enabled: no package that is installed exports by {entry or name!r}; install one, such as "
        "opentelemetry-exporter-otlp-proto-grpc, or set OTEL_TRACES_EXPORTER to otlp, console or none and "
        "OTEL_EXPORTER_OTLP_PROTOCOL to http/protobuf"
    )
