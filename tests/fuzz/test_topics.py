"""No record of any topic ends a replica, whatever is in it.

Hostile records are mixed with good ones on every topic that a replica reads. All good records have their
effect, and a replica that starts afterwards, and reads everything again, has the same model.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_al.errors import BadMessage
from stream_al.messages import Example, Label, Query, decode
from stream_al.messages import encode as encoded
from stream_al.replica_messages import ByHand, Lease, RuntimeModel, RuntimeSettings
from stream_al.service.broker.protocols import Outgoing
from stream_al.service.telemetry.problems import Kind
from tests.support.oracles import broker_of
from tests.support.replica import Replica
from tests.support.stream import query, sample, truth
from tests.support.world import World, open_world

law = settings(derandomize=True, database=None, deadline=None)


def nested(depth: int, kind: str = "object") -> Any:
    """A value nested so deep, as the text that stands in a record."""
    opening, closing = ('{"a":', "}") if kind == "object" else ("[", "]")
    return Raw(opening * depth + "1" + closing * depth)


class Raw(str):
    """A text that stands in a record as it is."""

    __slots__ = ()


GOOD: dict[str, dict[str, Any]] = {
    "samples": {"id": "h", "features": {"x": 0.5, "y": 0.5}, "payload": {"text": "seen"}},
    "labels": {"id": "h", "label": "up", "annotator": "ann", "labelled_at": "2024-01-01T00:00:00Z"},
    "queries": query("h"),
    "examples": {
        "id": "h",
        "label": "up",
        "features": {"x": 0.5, "y": 0.1},
        "propensity": 0.5,
        "reason": "seed",
        "prediction": {"label": "up", "probabilities": {"up": 0.7, "down": 0.3}},
        "model": {"name": "model", "version": "0" * 12, "examples": 3},
    },
    "leases": {"lease": "h", "id": "h", "version": "v1", "holder": "ann", "seconds": 60.0, "until": 10**13},
    "control": {"budget": {"share": 0.3}, "changed_at": "2024-01-01T00:00:00Z", "voided": []},
}
MORE: dict[str, list[dict[str, Any]]] = {
    "examples": [
        {
            **GOOD["examples"],
            "id": "h#2",
            "label": "down",
            "reason": "second",
            "second_of": "h",
            "labelled_by": ["ann"],
            "annotator": "bob",
            "version": "v" * 22,
        },
        {**GOOD["examples"], "id": "h", "second_of": "h", "labelled_by": ["ann", "ann"], "annotator": "ann"},
        {"id": "e3", "label": "down", "corrects": True, "annotator": "ann", "via": "tool", "reason": "x"},
        {
            "id": "e4",
            "label": "up",
            "corrects": True,
            "second_of": "e3",
            "labelled_at": "2024-01-01T00:00:00Z",
        },
    ],
    "labels": [{**GOOD["labels"], "id": "h#2", "second_of": "h", "labelled_by": ["ann"], "corrects": True}],
    "queries": [{**query("h#2"), "second_of": "h", "labelled_by": ["ann"]}],
}
"""Further forms of messages: second labels and corrections, also of themselves and of each other."""
TIMES = [
    "2024-01-01T00:00:00",
    "2024-01-01",
    "",
    "now",
    "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59-23:59",
]
HOSTILE = [
    *(nested(depth, kind) for depth in (9, 127, 900, 2_000) for kind in ("object", "array")),
    *(Raw(text) for text in ("NaN", "1e999", "1e308", "-1e308", "5e-324", "9" * 400, "9" * 4300, "9" * 5000)),
    *(Raw(text) for text in ('"\\ud800"', '"\\u0000"', '"\\u202e"', "{}", "[]", "null", "true", "-1", "2.5")),
    *(Raw(json.dumps(text)) for text in (*TIMES, "a" * 600, "a" * 6000)),
    *map(Raw, ('"h"', '"e3"', "[[]]", "[null]", json.dumps(["ann"] * 1000), json.dumps(["a" * 6000]))),
    *(Raw(json.dumps({"x": value})) for value in ("text", 2**70, [1, [2]], {"y": None})),
    Raw(json.dumps({"share": -1, "pending": 2**80})),
    Raw("[[0, 9223372036854775807]]"),
    Raw("[[5, 2]]"),
]
REASONS = {"null_value", "too_deep", "not_json", "bad_fields", "bad_time", "no_label", "label_too_long"}
KEYS = st.sampled_from([None, b"", b"\xff\xfe", b"h", b"settings", b"model", b"time", b"other"])


def written(value: Any) -> bytes:
    """A value as JSON, with raw texts as they are."""
    if isinstance(value, Raw):
        return value.encode()
    if isinstance(value, dict):
        return b"{" + b",".join(json.dumps(n).encode() + b":" + written(v) for n, v in value.items()) + b"}"
    return json.dumps(value).encode()


@st.composite
def hostile(draw: st.DrawFn, topic: str) -> tuple[str, bytes | None, bytes | None]:
    """A record of a topic: any bytes, or a good message with some members replaced or left out."""
    key = draw(KEYS)
    if draw(st.integers(0, 9)) == 0:
        return topic, key, draw(st.none() | st.binary(max_size=30))
    message: dict[str, Any] = dict(draw(st.sampled_from([GOOD[topic], *MORE.get(topic, [])])))
    for name in draw(st.lists(st.sampled_from(sorted(message)), max_size=2, unique=True)):
        if isinstance(message[name], dict) and message[name] and draw(st.booleans()):
            inner = draw(st.sampled_from(sorted(message[name])))
            message[name] = {**message[name], inner: draw(st.sampled_from(HOSTILE))}
        elif draw(st.integers(0, 9)) == 0:
            del message[name]
        else:
            message[name] = draw(st.sampled_from(HOSTILE))
    return topic, key, written(message)


records = st.lists(st.sampled_from(sorted(GOOD)).flatmap(hostile), min_size=20, max_size=40)


async def attacked(directory: Path, attack: list[tuple[str, bytes | None, bytes | None]], model: str) -> None:
    """Mix the records with good ones; nothing ends, the good ones count, a replay gives the same model."""
    world = await open_world(directory, None, [f"model.definition={model}", "limits.bad_records=10000"])
    try:
        one = await world.start("one")
        good = [sample(number) for number in range(12)]
        for number, made in enumerate(good):
            examples = [{**made, "id": f"e{number}", "label": truth(made["features"]), "reason": "seed"}]
            await world.send(world.topics.examples, examples)
            await world.samples(1, number)
            share = attack[number :: len(good)]
            await world.client.send(
                [Outgoing(getattr(world.topics, topic), key, value) for topic, key, value in share]
            )
        await world.until(lambda: at_end(world, one), "the replica has read all")
        other = await world.start("other")
        await world.until(lambda: at_end(world, one) and at_end(world, other), "both have read all")
        decided = {
            msgspec.json.decode(record.value or b"")["id"]
            for record in await world.records(str(world.topics.predictions))
        }
        assert {made["id"] for made in good} <= decided
        known = one.app.local_model.learner.known
        assert all(f"e{number}" in known for number in range(len(good)) if not one.app.control.exclusions)
        assert (one.digest, one.offset) == (other.digest, other.offset)
        assert set(one.app.pending._entries) == set(other.app.pending._entries)
        assert list(one.app.leasing.leases) == list(other.app.leasing.leases)
    finally:
        await world.close()
    for replica in world.replicas:
        replica.check()


def at_end(world: World, replica: Replica) -> bool:
    """Whether a replica has read all topics to their ends."""
    app, broker = replica.app, broker_of(world)
    end = {name: [kept.end for kept in broker.topics[getattr(world.topics, name)]] for name in GOOD}
    followers = [part.follower for part in (app.pending, app.control, app.leasing)]
    followed = [follower._applied.get(0, 0) for follower in followers]
    committed = [
        broker.groups[f"{world.settings.application}.{stage}", getattr(world.topics, topic)].committed
        for stage, topic in (("select", "samples"), ("intake", "labels"))
    ]
    done = [
        all(end_ == 0 or (p in read and read[p].offset == end_) for p, end_ in enumerate(end[topic]))
        for read, topic in zip(committed, ("samples", "labels"), strict=True)
    ]
    current = replica.offset == end["examples"][0] and not app.local_model.rebuilding
    return all(done) and current and followed == [end["queries"][0], end["control"][0], end["leases"][0]]


@pytest.mark.parametrize("model", ["auto", "StandardScaler() | LogisticRegression()"])
@settings(law, max_examples=8)
@given(attack=records)
def test_no_record_of_any_topic_ends_a_replica(
    tmp_path_factory: pytest.TempPathFactory, model: str, attack: list[Any]
) -> None:
    asyncio.run(attacked(tmp_path_factory.mktemp("attack"), attack, model))


WORST = [
    ("queries", b"h", written({**GOOD["queries"], "queried_at": "2024-01-01T00:00:00"})),
    ("queries", b"h", written({**GOOD["queries"], "payload": nested(900)})),
    ("queries", b"other", written(GOOD["queries"])),
    ("queries", b"7", written({**GOOD["queries"], "id": 7})),
    ("examples", b"h", written({**GOOD["examples"], "features": {"x": nested(900)}})),
    ("control", b"model", written({**GOOD["control"], "voided": Raw("[[5, 2]]")})),
]


@pytest.mark.parametrize("record", WORST, ids=range(len(WORST)))
def test_each_record_that_has_ended_replicas_is_passed_over(tmp_path: Path, record: Any) -> None:
    asyncio.run(attacked(tmp_path, [record], "GaussianNB()"))


async def test_a_record_that_is_passed_over_is_counted_with_its_reason(tmp_path: Path) -> None:
    world = await open_world(tmp_path, None, [])
    try:
        replica = await world.start()
        await world.client.send(
            [Outgoing(getattr(world.topics, t), key, value) for t, key, value in WORST[:3]]
        )
        await world.client.send([Outgoing(world.topics.control, b"other", b"{}")])
        wanted = {"bad_time", "too_deep", "bad_key", "unknown_key"}

        def counted() -> bool:
            return {p.reason for p in replica.app.problems if p.kind is Kind.SKIPPED} >= wanted

        await world.until(counted, "each is counted")
        assert not len(replica.app.pending)
    finally:
        await world.close()


@settings(law, max_examples=300)
@given(st.sampled_from(sorted(GOOD)).flatmap(hostile))
def test_what_passes_the_door_can_be_walked_and_written_again(record: Any) -> None:
    topic, _, value = record
    reasons = set[str]()
    kinds: dict[str, list[Any]] = {
        "labels": [Label],
        "queries": [Query],
        "examples": [Example],
        "control": [RuntimeSettings, RuntimeModel, ByHand],
        "leases": [Lease],
    }
    for kind in kinds.get(topic, []):
        try:
            message = decode(kind, value, max_bytes=1_000_000)
        except BadMessage as error:
            reasons.add(error.reason)
            continue
        assert decode(kind, encoded(message), max_bytes=10_000_000) == message
        assert repr(message)
    assert reasons <= {
        "null_value",
        "too_deep",
        "not_json",
        "bad_fields",
        "bad_time",
        "no_label",
        "label_too_long",
    }
