"""Tracing: one trace leads from a sample to the model."""

from __future__ import annotations

from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from stream_al.errors import Unavailable
from stream_al.service.broker.protocols import Record
from stream_al.service.telemetry import tracing
from stream_al.settings import load
from tests.support.flow import run
from tests.support.oracles import broker_of
from tests.support.oracles import client_of as log_of
from tests.support.spans import ALL, ON, carried, facts, learned, links, of, own, parent, settled, traceparent
from tests.support.stream import sample
from tests.support.world import MakeWorld


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
    (sent,) = [value or b"" for name, value in record.headers if name == "traceparent"]
    assert sent.startswith(f"00-{7:032x}-".encode())
    assert sent.endswith(b"-00")
    assert not spans.get_finished_spans()
