"""Bad input goes to the dead letters as it was, is counted, and never stops the stream; on both logs."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from types import TracebackType

import msgspec
import pytest

from stream_al.errors import BadMessage
from stream_al.messages import Label, decode
from stream_al.service.broker.dead_letters import HEADER_PREFIX
from stream_al.service.broker.protocols import Outgoing, Record
from stream_al.service.http.status import status
from tests.support.oracles import broker_of
from tests.support.stream import sample
from tests.support.world import MakeWorld, World

HEADERS = (("trace", b"\x00\xff"), ("empty", b""))


def nested(depth: int) -> bytes:
    return b'{"id":"d","features":' + b'{"a":' * depth + b"1" + b"}" * depth + b"}"


SAMPLES: list[tuple[bytes | None, str]] = [
    (b"not json", "not_json"),
    (b"", "not_json"),
    (b'{"id":"n","features":{"x":NaN}}', "not_json"),
    (b'{"id":"i","features":{"x":Infinity}}', "not_json"),
    (b"\xff\xfe{}", "not_json"),
    (b'[{"id":"a"}]', "not_an_object"),
    (b"7", "not_an_object"),
    (b'{"features":{"x":1}}', "no_id"),
    (b'{"id":"","features":{"x":1}}', "bad_id"),
    (b'{"id":{"a":1},"features":{"x":1}}', "bad_id"),
    (b'{"id":"e"}', "no_features"),
    (b'{"id":"e","features":{}}', "no_features"),
    (b'{"id":"e","features":{"x":null}}', "no_features"),
    (b'{"id":"big","features":{"x":' + b"9" * 400 + b"}}", "not_finite"),
    (nested(20), "too_deep"),
    (b'{"id":"d","features":' + b"[" * 40_000 + b"]" * 40_000 + b"}", "too_deep"),
    (msgspec.json.encode({"id": "m", "features": {"t": "a" * 2_000_000}}), "too_large"),
]
LABELS: list[tuple[bytes | None, str]] = [
    (b"not json", "not_json"),
    (b"[1]", "bad_fields"),
    (b'{"label":"up"}', "bad_fields"),
    (b'{"id":"q","label":{"a":1}}', "bad_fields"),
    (b'{"id":"q","label":null}', "no_label"),
    (b'{"id":"q"}', "no_label"),
    (b'{"id":"q","label":" \\t"}', "no_label"),
    (b'{"id":"nobody asked","label":"up"}', "unknown_id"),
    (b'{"id":"skipped unasked","skipped":true}', "unknown_id"),
    (b'{"id":"e","label":"up","features":{}}', "no_features"),
]


@pytest.mark.parametrize(("kind", "table"), [("samples", SAMPLES), ("labels", LABELS)])
async def test_bad_records_become_dead_letters_unchanged(
    make_world: MakeWorld, kind: str, table: list[tuple[bytes | None, str]]
) -> None:
    world = await make_world("input.id=id")
    replica = await world.start()
    topic, stage = getattr(world.topics, kind), {"samples": "select", "labels": "intake"}[kind]
    await world.client.send(
        [Outgoing(topic, f"k{n}".encode(), bad, HEADERS) for n, (bad, _) in enumerate(table)]
    )

    async def buried() -> bool:
        return len(await world.records(f"{topic}.dlq")) >= len(table)

    await world.until(buried, "all are in the dead letters")
    origins = {r.key: r for r in await world.records(topic)}
    letters = {r.key: r for r in await world.records(f"{topic}.dlq")}
    assert letters.keys() == origins.keys()
    for key, letter in letters.items():
        check_letter(letter, origins[key], stage)
    reasons = {key: dict(r.headers)[HEADER_PREFIX + "exception"] for key, r in letters.items()}
    assert reasons == {f"k{n}".encode(): reason.encode() for n, (_, reason) in enumerate(table)}
    counts = Counter(reason for _, reason in table)
    await world.until(
        lambda: all(
            replica.metric("dead_letters_total", stage=stage, reason=r) == n for r, n in counts.items()
        ),
        "all are counted",
    )
    ids = [s["id"] for s in await world.samples(30)]
    await world.settle(ids)  # the stream goes on


def check_letter(letter: Record, origin: Record, stage: str) -> None:
    """A dead letter is the record as it was, and headers that say where it came from and what is wrong."""
    assert letter.value == origin.value
    assert letter.headers[: len(HEADERS)] == HEADERS
    facts = {
        name.removeprefix(HEADER_PREFIX): (value or b"").decode()
        for name, value in letter.headers[len(HEADERS) :]
    }
    assert facts.keys() == {"topic", "partition", "offset", "stage", "exception", "message"}
    assert facts["topic"] == origin.topic
    assert (facts["partition"], facts["offset"]) == (str(origin.partition), str(origin.offset))
    assert facts["stage"] == stage
    assert facts["message"]


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (b'{"id":"q","class":"up"}', "there is no member `label`, but id, class: a label is {"),
        (b'{"query":"q","label":"up"}', "there is no member `id`, but query, label: a label is {"),
        (b'{"labels":[{"id":"q"}],"via":"t"}', "there is no member `id`, but labels: a label is {"),
        (b"{}", "there is no member `id`, but none: "),
        (b'{"id":"q","label":null}', "`label` is null or blank"),
        (b'{"id":"q","label":{}}', "Expected `bool | int | float | str | null`, got `object`"),
        (
            b'{"id":"q","a\\u001b[2J' + b"b" * 500 + b'":1}',
            "`label`, but id, a\\x1b[2J" + "b" * 35 + "...: a",
        ),
    ],
)
def test_a_label_without_a_member_is_refused_with_the_members_that_it_has(value: bytes, says: str) -> None:
    """One of them may be misspelt, or hold the label."""
    with pytest.raises(BadMessage) as refused:
        decode(Label, value, max_bytes=10_000)
    assert says in str(refused.value)


async def test_the_sample_of_a_query_that_is_too_large_becomes_a_dead_letter(
    memory_world: MakeWorld,
) -> None:
    """A topic that others have created may take no query so large; then no annotator can be asked."""
    world = await memory_world("budget.share=1.0", "input.id=id")
    broker_of(world).config[world.topics.queries] = {"max.message.bytes": "3000"}
    replica = await world.start()
    await world.send(world.topics.samples, [{"id": "large", "features": {"text": "a" * 3000}}])
    ids = {s["id"] for s in await world.samples(20)}
    await world.settle(ids)
    (letter,) = await world.records(world.topics.samples + ".dlq")
    assert letter.key == b"large"
    assert dict(letter.headers)[HEADER_PREFIX + "exception"] == b"query_too_large"
    assert {e["id"] for e in await world.examples()} == ids
    assert "large" not in replica.app.pending


async def test_a_dead_letter_that_is_too_large_keeps_its_origin(make_world: MakeWorld) -> None:
    world = await make_world()
    await world.start()
    await world.send(world.topics.samples, [b"x" * 3_000_000], [b"huge"], HEADERS)
    await world.settle([s["id"] for s in await world.samples(10)])
    (letter,) = await world.records(world.topics.samples + ".dlq")
    facts = dict(letter.headers)
    assert facts[HEADER_PREFIX + "exception"] == b"too_large"
    if not world.limits_size:
        assert (letter.key, letter.value) == (b"huge", b"x" * 3_000_000)
        return
    assert (letter.key, letter.value) == (b"huge", None)
    assert b"3000000 bytes" in (facts[HEADER_PREFIX + "value"] or b"")
    assert facts["trace"] == HEADERS[0][1]


async def test_tombstones_and_deletions_are_skipped_and_counted(make_world: MakeWorld) -> None:
    """However many come in a row, they stop no partition; bad records before and after them still add up."""
    world = await make_world("limits.bad_records=3", "input.features=after", "input.id=after.id")
    replica = await world.start()
    topics = world.topics
    deleted = {"op": "d", "before": None, "after": None}
    await world.send(topics.samples, [deleted] * 40 + [None] * 40)
    await world.send(topics.labels, [None] * 20)
    await world.send(
        topics.samples, [{"op": "c", "after": sample(n)["features"] | {"id": f"s{n}"}} for n in range(20)]
    )
    await world.settle([f"s{n}" for n in range(20)])
    counted = [("select", "deleted", 40), ("select", "tombstone", 40), ("intake", "tombstone", 20)]
    await world.until(
        lambda: (
            [replica.metric("skipped_records_total", stage=s, reason=r) for s, r, _ in counted]
            == [number for *_, number in counted]
        ),
        "all are counted",
    )
    assert not await world.records(topics.samples + ".dlq") + await world.records(topics.labels + ".dlq")
    assert not replica.app.select.stopped()
    await world.send(topics.samples, [b"1", None, b"2", None, b"3"], [b"one partition"] * 5)
    await world.until(replica.app.select.stopped, "three mistakes are three, whatever lies between")


async def test_good_records_around_bad_ones_are_all_decided(make_world: MakeWorld) -> None:
    world = await make_world("limits.bad_records=3")
    await world.start()
    mixed = [value for n in range(60) for value in (sample(n), b"bad")]
    keys = [str(n).encode() for n in range(60) for _ in (0, 1)]
    await world.send(world.topics.samples, mixed, keys)
    await world.settle(f"s{n}" for n in range(60))
    assert len(await world.records(world.topics.samples + ".dlq")) == 60


async def poisoned(world: World) -> tuple[bytes, int]:
    """Send 8 bad records and a good one to one partition; return their key, and the partition."""
    values: list[object] = [*[b"bad"] * 8, sample(0)]
    await world.send(world.topics.samples, values, [b"k"] * 9)
    return b"k", (await world.records(world.topics.samples))[-1].partition


@pytest.mark.parametrize("repaired_by", ["resume", "restart"])
async def test_a_run_of_bad_records_stops_its_partition_until_a_person_acts(
    make_world: MakeWorld, repaired_by: str
) -> None:
    world = await make_world("limits.bad_records=5")
    world.at_pace(lag_seconds=0.05)
    replica = await world.start()
    _, partition = await poisoned(world)
    await world.until(lambda: status(replica.app)["select"]["stopped"], "the partition is stopped")
    stopped = status(replica.app)["select"]["stopped"]
    assert list(stopped) == [str(partition)]
    assert "5 bad records in a row" in stopped[str(partition)]
    assert "/v1/resume" in stopped[str(partition)]
    await world.until(lambda: replica.metric("stopped_partitions", stage="select") == 1, "it is shown")
    others = [n for n in range(1, 40) if not await goes_to(world, n, partition)]
    await world.until(lambda: decided(world, others), "the other partition goes on")
    assert len(await world.records(world.topics.samples + ".dlq")) == 5
    assert "s0" not in await world.decided()
    if repaired_by == "resume":
        replica.app.resume()
    else:
        await replica.stop()
        replica = await world.start()
    await world.until(lambda: decided(world, [0]), "the partition goes on")
    await world.until(lambda: letters(world, 8), "the rest of the run is in the dead letters")
    assert status(replica.app)["select"]["stopped"] == {}


async def goes_to(world: World, number: int, partition: int) -> bool:
    """Send a sample, and tell whether it went to a partition."""
    await world.samples(1, start=number)
    mine = [r.partition for r in await world.records(world.topics.samples) if r.key == f"s{number}".encode()]
    return mine == [partition]


async def letters(world: World, number: int) -> bool:
    return len(await world.records(world.topics.samples + ".dlq")) == number


async def decided(world: World, numbers: list[int]) -> bool:
    await asyncio.sleep(0)
    return await world.decided() >= {f"s{n}" for n in numbers}


async def test_bad_records_leave_no_cycles(memory_world: MakeWorld) -> None:
    """An error that is kept keeps no frames: the search for the cycles of 1,000 labels took 0.16 s."""
    world = await memory_world("model.definition=GaussianNB()", "limits.bad_records=1000")
    replica = await world.start()
    for number in range(4):
        replica.app.local_model.model.learn({"x": float(number)}, "ab"[number % 2])
    await world.send(world.topics.labels, [{"id": f"nobody-{n}", "label": "up"} for n in range(5)])
    await world.send(world.topics.labels, [b"{"] * 5)
    await world.send(world.topics.samples, [b"{"] * 5 + [{"id": "text", "features": {"x": "text"}}])
    suffix = world.topics.dead_letter_suffix

    async def refused() -> bool:
        letters = [await world.records(one + suffix) for one in (world.topics.labels, world.topics.samples)]
        return list(map(len, letters)) == [10, 5] and "text" in await world.decided()

    gc.disable()
    try:
        await world.until(refused, "all are refused, and the sample without a prediction is decided")
        kept = [
            one
            for one in gc.get_objects()
            if isinstance(one, TracebackType)
            and one.tb_frame.f_code.co_name in ("decide", "_read", "sample", "_predict_by_parts")
        ]
    finally:
        gc.enable()
    assert not kept
