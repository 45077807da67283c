"""Tracing: the path of a sample to the model, as OpenTelemetry spans; by default it is off and not imported.

A *trace* is the path of one sample through all programs that pass on the header `traceparent` (W3C Trace
Context; the header `tracestate` goes with it). A *span* is one step of a trace. Names, kinds and attributes
follow the semantic conventions for messaging:

    sample ── traceparent ──> select samples    CONSUMER
                              └ send queries    PRODUCER ── traceparent ──> annotator
                                                                               │
                              intake labels     CONSUMER <── traceparent ── label
                              └ send examples   PRODUCER ── traceparent ──> learn examples   CONSUMER

- Only a selected sample makes spans. A sample without the header begins a new trace.
- A label with a traceparent continues that trace, and links to its query. A label without one continues the
  trace of the query; the header of the query in its topic names this trace, also after a restart.
- Every replica learns every example. The examples that are learned together make one span, with a link to
  each example. The span is in the trace of the first sampled example, so that this trace shows the learning.
  Examples that are replayed at a start were learned before, and make no span.
- Spans end when their batch is applied (`service.loops.consumer`), and only ended spans are exported. So a
  batch that is dropped and done again is exported once.

OpenTelemetry's own variables say what is exported, where, and which share of the traces (`exporters`). Spans
wait in a queue of limited length, and a thread sends them. While the collector is away some spans are lost,
and nothing waits for it.

Headers can come from anybody. An invalid header, or one that is there twice, is ignored.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from stream_al import __version__
from stream_al.errors import Misconfigured, Unavailable
from stream_al.service.broker.protocols import Ack, Headers, Record
from stream_al.service.telemetry import exporters
from stream_al.service.timing.clock import SYSTEM_CLOCK, Clock
from stream_al.service.timing.deadline import run_in_thread, within
from stream_al.settings import Settings

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import SpanProcessor
    from opentelemetry.trace import Link, Span, SpanKind

__all__ = ["OFF", "Step", "Tracing", "tracing"]

FIELDS = ("traceparent", "tracestate")
MAX_CHARACTERS = 512
"""The longest header. The specification sets this limit for `tracestate`."""


class Step:
    """The spans of one record that leads to another record."""

    headers: Headers = ()
    """The headers that the other record has to carry."""

    def done(self, ack: Ack) -> None:
        """End the spans: the batch is applied, and the broker has the other record."""


class Tracing:
    """Where the stages report their steps. This class ignores them: it is for tracing that is off."""

    _nothing = Step()

    def step(
        self, stage: str, record: Record, to: str, sample_id: str, after: Headers = (), **facts: Any
    ) -> Step:
        """Begin the spans of a record that leads a stage to send a record to another topic.

        Args:
            stage: The name of the stage.
            record: The record that the stage has read.
            to: The other topic.
            sample_id: The id of the sample.
            after: The headers of the trace to continue if the record has no such headers.
            facts: What was decided.
        """
        return self._nothing

    def learned(self, records: Sequence[Record], seconds: float) -> None:
        """Report that examples were learned, and how long that took."""

    def carried(self, headers: Headers) -> Headers:
        """The headers of a record that name its trace."""
        return ()

    async def stop(self, seconds: float) -> None:
        """Send the spans that wait; give up after the deadline."""


OFF = Tracing()


def tracing(settings: Settings, clock: Clock = SYSTEM_CLOCK) -> Tracing:
    """The tracing that the settings ask for.

    Raises:
        Misconfigured: OpenTelemetry, or an exporter that its variables name, is not installed.
    """
    if not settings.tracing.enabled:
        return OFF
    try:
        return _OpenTelemetry(settings.application, exporters.processors(), clock)
    except ImportError:
        raise Misconfigured(
            "tracing.enabled: to use tracing, run `python -m pip install 'stream_al[otel]'`"
        ) from None


class _OpenTelemetry(Tracing):
    """Makes spans with OpenTelemetry.

    Args:
        application: The prefix of the consumer groups, and the service name if the variables give none.
        processors: Take the spans that have ended.
        clock: Gives the end of the span of learning.
    """

    def __init__(
        self, application: str, processors: Iterable[SpanProcessor], clock: Clock = SYSTEM_CLOCK
    ) -> None:
        from opentelemetry import trace  # noqa: PLC0415 - an extra, not loaded when off
        from opentelemetry.context import Context  # noqa: PLC0415
        from opentelemetry.trace.propagation import tracecontext  # noqa: PLC0415

        self._trace = trace
        self._no_trace = Context()  # not the current one: a record belongs to its own trace
        self._application = application
        self._clock = clock
        self._provider = exporters.provider(application, processors)
        self._tracer = self._provider.get_tracer("stream_al", __version__)
        self._propagator = tracecontext.TraceContextTextMapPropagator()
        # It would log a warning for each invalid header, and anybody can send such headers.
        logging.getLogger("opentelemetry.trace.span").setLevel(logging.ERROR)

    def step(
        self, stage: str, record: Record, to: str, sample_id: str, after: Headers = (), **facts: Any
    ) -> Step:
        """Begin the span of the record read, and the span of the record that it leads to."""
        kinds = self._trace.SpanKind
        own, earlier = self._context(record.headers), self._context(after)
        read = self._span(
            stage,
            record.topic,
            kinds.CONSUMER,
            own or earlier,
            {
                **_place(record.partition, record.offset),
                "messaging.consumer.group.name": f"{self._application}.{stage}",
                "messaging.message.id": sample_id,
                **{f"stream_al.{name}": fact for name, fact in facts.items() if fact is not None},
            },
            self._links([earlier] if own else []),
        )
        sent = self._span("send", to, kinds.PRODUCER, self._within(read), {"messaging.message.id": sample_id})
        carrier: dict[str, str] = {}
        self._propagator.inject(carrier, self._within(sent))
        return _OpenStep(read, sent, tuple((name, text.encode()) for name, text in carrier.items()))

    def learned(self, records: Sequence[Record], seconds: float) -> None:
        """One span for all examples learned together, if one of them belongs to a sampled trace."""
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
        """Traceparent and tracestate, if they can be valid."""
        found = [header for header in headers if header[0] in FIELDS]
        names = [name for name, _ in found]
        if names.count("traceparent") != 1 or any(len(value or b"") > MAX_CHARACTERS for _, value in found):
            return ()
        return tuple(found) if len(found) <= len(FIELDS) else tuple(h for h in found if h[0] == "traceparent")

    async def stop(self, seconds: float) -> None:
        """Send the spans that wait; give up after the deadline."""
        with suppress(Unavailable):
            await within(seconds, "the last spans", run_in_thread(self._provider.shutdown))

    def _context(self, headers: Headers) -> Context | None:
        """The context that the headers of a record give; None if they give none, or an invalid one."""
        carrier = {name: (value or b"").decode("ascii", "replace") for name, value in self.carried(headers)}
        context = self._propagator.extract(carrier, self._no_trace) if carrier else None
        return context or None

    def _links(self, contexts: Iterable[Context | None]) -> list[Link]:
        spans = (self._trace.get_current_span(context).get_span_context() for context in contexts if context)
        return [self._trace.Link(context) for context in spans]

    def _within(self, span: Span) -> Context:
        return self._trace.set_span_in_context(span, self._no_trace)

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
            f"{name} {topic}", parent or self._no_trace, kind, {**common, **attributes}, links, start_ns
        )


class _OpenStep(Step):
    """Two spans that have begun: of the record read, and of the record sent."""

    def __init__(self, read: Span, sent: Span, headers: Headers) -> None:
        self._read, self._sent, self.headers = read, sent, headers

    def done(self, ack: Ack) -> None:
        """End both spans."""
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
