"""The headers of traces: valid ones are passed on, invalid ones are ignored."""

from __future__ import annotations

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from stream_al.service.broker.protocols import Headers
from stream_al.service.telemetry import tracing
from tests.support.http_client import client_of
from tests.support.spans import ALL, ON, carried, learned, of, own, parent, settled, traceparent
from tests.support.stream import sample
from tests.support.world import MakeWorld

GOOD = traceparent(7)[0][1] or b""
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
