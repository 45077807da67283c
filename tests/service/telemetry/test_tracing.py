"""Tracing: one trace leads from a sample to the model; without tracing nothing is loaded."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, format_span_id, format_trace_id

from stream_al.errors import Misconfigured, Unavailable
from stream_al.service.broker.protocols import Headers, Record
from stream_al.service.telemetry import exporters, tracing
from stream_al.settings import load
from tests.support.flow import run
from tests.support.http_client import client_of
from tests.support.oracles import broker_of
from tests.support.oracles import client_of as log_of
from tests.support.stream import sample
from tests.support.world import MakeWorld, World

ON = "tracing.enabled=true"
ALL = "budget.share=1"
HEADER = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}")


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    exporter = InMemorySpanExporter()
    monkeypatch.setattr(exporter, "shutdown", lambda: None)  # it outlives a replica
    monkeypatch.setattr(exporters, "processors", lambda: [SimpleSpanProcessor(exporter)])
    return exporter


def traceparent(number: int, flags: str = "01") -> Headers:
    return (("traceparent", f"00-{number:032x}-{number:016x}-{flags}".encode()),)


def of(spans: InMemorySpanExporter, name: str, sample_id: str | None = None) -> list[ReadableSpan]:
    """The finished spans of a step; if a sample is named, only those of the sample."""
    found = [span for span in spans.get_finished_spans() if span.name.partition(" ")[0] == name]
    return [s for s in found if sample_id in (None, facts(s).get("messaging.message.id"))]


def facts(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def own(span: ReadableSpan) -> tuple[str, str]:
    """The ids of trace and span."""
    return format_trace_id(span.context.trace_id), format_span_id(span.context.span_id)


def parent(span: ReadableSpan) -> tuple[str, str] | None:
    return (
        (format_trace_id(span.parent.trace_id), format_span_id(span.parent.span_id)) if span.parent else None
    )


def links(span: ReadableSpan) -> list[tuple[str, str]]:
    return [
        (format_trace_id(link.context.trace_id), format_span_id(link.context.span_id)) for link in span.links
    ]


async def carried(world: World, topic: str, sample_id: str) -> tuple[str, str]:
    """The ids of trace and span in the header of the record about a sample."""
    (record,) = [r for r in await world.records(topic) if r.key == sample_id.encode() and r.value is not None]
    found = HEADER.fullmatch(dict(record.headers)["traceparent"].decode())
    assert found
    return found[1], found[2]


def learned(spans: InMemorySpanExporter) -> bool:
    """Whether an example was learned and, in another loop, the batch that made it was applied."""
    return bool(of(spans, "learn") and of(spans, "intake"))


async def settled(world: World, number: int) -> None:
    await world.settle([sample(n)["id"] for n in range(number)])


async def test_one_trace_leads_from_a_sample_to_the_model(
    make_world: MakeWorld, spans: InMemorySpanExporter
) -> None:
    """The header of each record names the span that sent it. Each span is the child of the record it read."""
    world = await make_world(ON)
    replica = await world.start()
    for number in range(30):
        await world.send(world.topics.samples, [sample(number)], headers=traceparent(number + 1))
    await settled(world, 30)
    asked = [q["id"] for q in await world.queries()]
    await world.until(lambda: len(of(spans, "intake")) == len(asked), "all batches are applied")
    assert sorted(facts(s)["messaging.message.id"] for s in of(spans, "select")) == sorted(asked)
    in_the_model = {link for span in of(spans, "learn") for link in links(span)}
    for sample_id in asked:
        number = int(sample_id[1:]) + 1
        trace = f"{number:032x}"
        (select,), (intake,) = of(spans, "select", sample_id), of(spans, "intake", sample_id)
        query, example = sorted(of(spans, "send", sample_id), key=lambda s: s.start_time or 0)
        chain = [(trace, f"{number:016x}"), own(select), own(query), own(intake), own(example)]
        assert [parent(span) for span in (select, query, intake, example)] == chain[:-1]
        assert {found for found, _ in chain} == {trace}
        assert await carried(world, world.topics.queries, sample_id) == own(query)
        assert await carried(world, world.topics.examples, sample_id) == own(example)
        assert own(example) in in_the_model
    await replica.stop()


async def test_spans_have_the_attributes_of_the_conventions_for_messaging(
    memory_world: MakeWorld, spans: InMemorySpanExporter
) -> None:
    world = await memory_world(ON, ALL)
    replica = await world.start()
    await world.send(world.topics.samples, [sample(0)], headers=traceparent(7))
    await settled(world, 1)
    await world.until(lambda: learned(spans), "it is learned")
    (select,), (intake,), (learn,) = of(spans, "select"), of(spans, "intake"), of(spans, "learn")
    query, example = of(spans, "send")
    (sampled,) = await world.records(world.topics.samples)
    group = world.settings.application
    common = {"messaging.system": "kafka", "messaging.message.id": "s0"}
    seen = facts(select)
    assert seen.pop("stream_al.utility") <= 1
    assert seen.pop("stream_al.propensity") <= 1
    assert seen.pop("stream_al.reason") in {"uncertain", "explore", "warmup"}
    assert seen == common | {
        "messaging.operation.name": "select",
        "messaging.operation.type": "process",
        "messaging.destination.name": world.topics.samples,
        "messaging.destination.partition.id": str(sampled.partition),
        "messaging.kafka.offset": sampled.offset,
        "messaging.consumer.group.name": f"{group}.select",
    }
    for span, topic in ((query, world.topics.queries), (example, world.topics.examples)):
        sent = (await world.records(topic))[0]
        assert facts(span) == common | {
            "messaging.operation.name": "send",
            "messaging.operation.type": "send",
            "messaging.destination.name": topic,
            "messaging.destination.partition.id": str(sent.partition),
            "messaging.kafka.offset": sent.offset,
        }
    kinds = [span.kind for span in (select, query, intake, example, learn)]
    assert kinds == [
        SpanKind.CONSUMER,
        SpanKind.PRODUCER,
        SpanKind.CONSUMER,
        SpanKind.PRODUCER,
        SpanKind.CONSUMER,
    ]
    assert select.name == f"select {world.topics.samples}"
    assert facts(intake)["messaging.consumer.group.name"] == f"{group}.intake"
    assert facts(learn)["messaging.batch.message_count"] == 1
    assert parent(learn) == own(example) == links(learn)[0]
    assert select.resource.attributes["service.name"] == group
    await replica.stop()


async def test_a_sample_without_a_header_begins_a_trace_and_one_not_selected_has_none(
    memory_world: MakeWorld, spans: InMemorySpanExporter
) -> None:
    world = await memory_world(ON)
    replica = await world.start()
    await run(world, 60)
    await replica.stop()
    asked = {q["id"] for q in await world.queries()}
    selected = of(spans, "select")
    assert 0 < len(asked) < 60
    assert {facts(s)["messaging.message.id"] for s in selected} == asked
    assert all(span.parent is None for span in selected)
    assert len({own(span)[0] for span in selected}) == len(asked)


async def test_a_label_with_a_trace_continues_it_and_links_to_its_query(
    memory_world: MakeWorld, spans: InMemorySpanExporter
) -> None:
    world = await memory_world(ON, ALL)
    replica = await world.start()
    await world.send(world.topics.samples, [sample(0)], headers=traceparent(7))
    await world.until(lambda: of(spans, "select"), "it is asked for")
    await world.send(world.topics.labels, [{"id": "s0", "label": "up"}], headers=traceparent(9))
    await world.until(lambda: learned(spans), "it is learned")
    (intake,), (query, example) = of(spans, "intake"), of(spans, "send")
    assert parent(intake) == (f"{9:032x}", f"{9:016x}")
    assert links(intake) == [own(query)]
    assert await carried(world, world.topics.examples, "s0") == own(example)
    await replica.stop()


async def test_a_restart_between_query_and_label_does_not_break_the_trace(
    memory_world: MakeWorld, spans: InMemorySpanExporter
) -> None:
    world = await memory_world(ON, ALL)
    replica = await world.start()
    await world.send(world.topics.samples, [sample(0)], headers=traceparent(7))
    await world.until(lambda: of(spans, "select"), "it is asked for")
    await replica.stop()
    await world.start()
    await world.label_queries()
    await world.until(lambda: learned(spans), "it is learned")
    (intake,), (query, _) = of(spans, "intake"), of(spans, "send")
    assert parent(intake) == own(query)


async def test_examples_that_are_replayed_at_a_start_make_no_span(
    memory_world: MakeWorld, spans: InMemorySpanExporter
) -> None:
    world = await memory_world(ON)
    replica = await world.start("a")
    await run(world, 40)
    await replica.stop()
    before = len(of(spans, "learn"))
    assert before
    await world.start("b")  # it has no snapshot, and learns all of it
    assert len(of(spans, "learn")) == before


async def test_examples_learned_together_make_one_span_in_the_first_sampled_trace(
    spans: InMemorySpanExporter,
) -> None:
    """The span links to each of them. Without a sampled trace there is no span."""
    on = tracing.tracing(load(overrides=[ON], environ={}))
    batch = [
        Record("examples", 0, n, 0, b"k", b"v", traceparent(n, "01" if n in (7, 9) else "00"))
        for n in (5, 7, 8, 9)
    ]
    on.learned(batch, 0.5)
    (span,) = spans.get_finished_spans()
    assert parent(span) == (f"{7:032x}", f"{7:016x}")
    assert [trace for trace, _ in links(span)] == [f"{7:032x}", f"{9:032x}"]
    assert facts(span)["messaging.batch.message_count"] == 4
    on.learned([batch[0], Record("examples", 0, 3, 0, b"k", b"v")], 0.5)
    assert len(spans.get_finished_spans()) == 1
    await on.stop(5.0)


async def test_a_batch_that_is_done_again_is_exported_once(
    memory_world: MakeWorld, spans: InMemorySpanExporter
) -> None:
    world = await memory_world(ON, ALL)
    replica = await world.start()
    sent, failures = False, 3

    def fail(step: str, topic: str) -> None:
        nonlocal sent, failures
        sent = sent or (step, topic) == ("sent", world.topics.queries)
        if sent and failures and (step, topic) == ("commit", world.topics.samples):
            failures -= 1
            raise Unavailable("the broker is away")

    log_of(replica).hook = fail
    await world.send(world.topics.samples, [sample(0)], headers=traceparent(7))
    await world.until(lambda: of(spans, "select"), "it is asked for")
    assert not failures
    assert len(await world.queries()) > 1  # it was sent again, under the same key
    assert len(of(spans, "select")) == len(of(spans, "send")) == 1
    await replica.stop()


async def test_a_query_that_is_too_large_ends_its_span_with_an_error(
    memory_world: MakeWorld, spans: InMemorySpanExporter
) -> None:
    world = await memory_world(ON, ALL)
    broker_of(world).config[world.topics.queries] = {"max.message.bytes": "100"}
    replica = await world.start()
    await world.send(world.topics.samples, [sample(0)])
    await world.until(lambda: of(spans, "select"), "it was decided about")
    (send,) = of(spans, "send")
    assert facts(send)["error.type"] == "message_too_large"
    assert not send.status.is_ok
    await replica.stop()


async def test_a_trace_that_is_not_sampled_is_passed_on_and_not_exported(
    memory_world: MakeWorld, spans: InMemorySpanExporter
) -> None:
    world = await memory_world(ON, ALL)
    replica = await world.start()
    await world.send(world.topics.samples, [sample(0)], headers=traceparent(7, "00"))
    await settled(world, 1)
    await replica.stop()
    (record,) = await world.records(world.topics.examples)
    assert dict(record.headers)["traceparent"].startswith(f"00-{7:032x}-".encode())
    assert dict(record.headers)["traceparent"].endswith(b"-00")
    assert not spans.get_finished_spans()


GOOD = traceparent(7)[0][1]
HOSTILE: list[Headers] = [
    (("traceparent", b""),),
    (("traceparent", b"\xff\xfe\x00"),),
    (("traceparent", GOOD + b"x" * 1_000_000),),
    (("traceparent", GOOD.replace(b"00-", b"ff-", 1)),),
    (("traceparent", b"00-" + b"0" * 32 + b"-" + b"0" * 16 + b"-01"),),
    (("traceparent", GOOD.upper().replace(b"7", b"G")),),
    (("traceparent", GOOD), ("traceparent", GOOD)),
    tuple(("traceparent", GOOD) for _ in range(10_000)),
    (("tracestate", b"a=b"),),
]


@pytest.mark.parametrize("headers", HOSTILE, ids=lambda found: repr(found[0][1][:20]))
async def test_an_invalid_traceparent_is_ignored(
    memory_world: MakeWorld, spans: InMemorySpanExporter, headers: Headers, caplog: pytest.LogCaptureFixture
) -> None:
    world = await memory_world(ON, ALL)
    replica = await world.start()
    await world.send(world.topics.samples, [sample(0)], headers=headers)
    await settled(world, 1)
    await replica.stop()
    (select,) = of(spans, "select")
    assert select.parent is None
    assert own(select)[0] != f"{7:032x}"
    assert (await carried(world, world.topics.queries, "s0"))[0] == own(select)[0]
    assert not caplog.records


@pytest.mark.parametrize(
    "state", [b"a=b", b"\xff=;,==", b"x" * 100_000, b"a=b,a=c", b",".join(b"k%d=v" % n for n in range(90))]
)
async def test_a_tracestate_is_passed_on_if_it_is_valid(
    memory_world: MakeWorld, spans: InMemorySpanExporter, state: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    world = await memory_world(ON, ALL)
    replica = await world.start()
    sound = state == b"a=b"
    await world.send(world.topics.samples, [sample(0)], headers=(*traceparent(7), ("tracestate", state)))
    await settled(world, 1)
    await replica.stop()
    (query, _) = await world.records(world.topics.queries)
    assert (dict(query.headers).get("tracestate") == state) is sound
    if len(state) <= tracing.MAX_CHARACTERS:
        assert (await carried(world, world.topics.queries, "s0"))[0] == f"{7:032x}"
    assert not caplog.records


@pytest.mark.parametrize("given", [(), (ON,)])
async def test_a_dead_letter_keeps_its_headers(
    memory_world: MakeWorld, spans: InMemorySpanExporter, given: tuple[str, ...]
) -> None:
    world = await memory_world(*given)
    await world.start()
    headers = (*traceparent(7), ("tracestate", b"a=b"), ("mine", b"\x00"))
    await world.send(world.topics.samples, [b"no json"], headers=headers)
    topic = world.topics.samples + world.topics.dead_letter_suffix

    async def there() -> bool:
        return bool(await world.records(topic))

    await world.until(there, "it is put aside")
    (letter,) = await world.records(topic)
    assert letter.headers[: len(headers)] == headers


async def test_a_request_passes_its_trace_on(memory_world: MakeWorld, spans: InMemorySpanExporter) -> None:
    world = await memory_world(ON, ALL)
    replica = await world.start()
    async with client_of(replica) as http:
        sent = {"traceparent": GOOD.decode()}
        assert (await http.post("/v1/samples", json=sample(0), headers=sent)).status_code == 202
        await world.until(lambda: of(spans, "select"), "it is asked for")
        label = {"id": "s0", "label": "up"}
        assert (await http.post("/v1/labels", json=label, headers=sent)).status_code == 202
    await world.until(lambda: learned(spans), "it is learned")
    for name in ("select", "intake"):
        (span,) = of(spans, name)
        assert parent(span) == (f"{7:032x}", f"{7:016x}")
    await replica.stop()


@contextmanager
def collector(responding: Event) -> Iterator[tuple[str, list[bytes]]]:
    """A collector for OTLP over HTTP: its address, and the bodies that it received."""
    got: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(self.rfile.read(int(self.headers["Content-Length"])))
            responding.wait(20)
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", got
    responding.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("responds", [True, False])
async def test_spans_reach_a_collector_and_a_hanging_collector_delays_nothing(
    memory_world: MakeWorld, monkeypatch: pytest.MonkeyPatch, responds: bool
) -> None:
    responding = Event()
    if responds:
        responding.set()
    with collector(responding) as (url, got):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
        monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        world = await memory_world(ON, ALL, "limits.stop_seconds=2")
        replica = await world.start()
        await run(world, 20)
        async with asyncio.timeout(10):
            await replica.stop()
    requests = [ExportTraceServiceRequest.FromString(body) for body in got]
    (resource,) = {str(r.resource_spans[0].resource) for r in requests}
    assert f'string_value: "{world.settings.application}"' in resource
    assert "deployment.environment.name" in resource
    if responds:
        names = [
            s.name
            for r in requests
            for one in r.resource_spans
            for scope in one.scope_spans
            for s in scope.spans
        ]
        assert names.count(f"select {world.topics.samples}") == 20


def test_without_the_extra_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace.export", None)
    with pytest.raises(
        Misconfigured, match=r"^tracing\.enabled: .*`python -m pip install 'stream_al\[otel\]'`$"
    ):
        tracing.tracing(load(overrides=[ON], environ={}))


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"OTEL_TRACES_EXPORTER": "nosuch"}, "'nosuch'"),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "'otlp_proto_grpc'"),
        ({"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "smoke"}, "'otlp'"),
    ],
)
def test_a_missing_exporter_is_one_mistake(variables: dict[str, str], said: str) -> None:
    with pytest.raises(Misconfigured) as refused:
        exporters.processors(variables)
    (line,) = refused.value.mistakes
    assert line.startswith("tracing.enabled: ")
    assert said in line


def test_there_may_be_several_exporters_or_none() -> None:
    assert exporters.processors({"OTEL_TRACES_EXPORTER": "none"}) == []
    both = exporters.processors({"OTEL_TRACES_EXPORTER": "otlp, console"})
    assert len(both) == 2
    for processor in both:
        processor.shutdown()


SERVED = """
import asyncio, sys, tempfile
from pathlib import Path
from tests.support.flow import run
from tests.support.world import open_world

async def serve():
    world = await open_world(Path(tempfile.mkdtemp()), None, [])
    replica = await world.start()
    await run(world, 20)
    await replica.stop()
    assert replica.metric("snapshots_total", outcome="written")
    assert not any(r.headers for r in await world.records(world.topics.queries))
    await world.close()

asyncio.run(serve())
print(sorted({"opentelemetry", "fsspec", "s3fs", "botocore"} & set(sys.modules)))
"""


def test_a_service_without_extras_loads_none_of_them(tmp_path: Path) -> None:
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", SERVED], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"
