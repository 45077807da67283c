"""The laws of a topic's range as a stream."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from uuid import uuid4

import pytest

from stream_al import settings as app_settings
from stream_al.cli import main
from stream_al.datasets.rows import Row
from stream_al.engine.samples.labelled import Places
from stream_al.engine.samples.sample import InputRules
from stream_al.messages import Example, encode
from stream_al.replica_messages import RuntimeModel
from stream_al.service.broker.kafka import Kafka
from stream_al.service.broker.protocols import Outgoing, Record
from stream_al.service.maintenance import create_topics
from stream_al.simulate.topic import KnownLabel, recorded
from tests.broker.address import KafkaAddress


def record(value: object, timestamp_ms: int = 0, partition: int = 0, offset: int = 0) -> Record:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return Record("samples", partition, offset, timestamp_ms, None, data)


def read(
    records: Sequence[Record], label: str | None = None, known: dict[str, KnownLabel] | None = None
) -> tuple[list[Row], int]:
    return recorded(records, InputRules(), 10_000, places=Places(label), known=known or {})


def test_samples_of_all_partitions_are_in_log_time() -> None:
    places = [(30, 0, 0), (10, 1, 0), (20, 1, 1), (20, 0, 1), (10, 0, 2)]
    records = [record({"x": at, "kind": f"{p}-{o}"}, at, p, o) for at, p, o in places]
    rows, _ = read(records, "kind")
    assert [row.label for row in rows] == ["0-2", "1-0", "0-1", "1-1", "0-0"]
    assert [row.time for row in rows] == [0.01, 0.01, 0.02, 0.02, 0.03]


@pytest.mark.parametrize(
    ("value", "path", "features"),
    [
        ({"id": 1, "x": 2, "kind": "up"}, "kind", {"x": 2}),
        ({"id": 1, "features": {"x": 2}, "kind": "up"}, "kind", {"x": 2}),
        ({"id": 1, "x": 2, "truth": {"kind": "up", "by": 3}}, "truth.kind", {"x": 2, "truth.by": 3}),
        ({"id": 1, "features": {"x": 2, "kind": "up"}}, "features.kind", {"x": 2}),
        ({"id": 1, "x": 2, "truth.kind": "up"}, "truth.kind", {"x": 2}),
    ],
)
def test_the_member_that_holds_the_label_is_no_feature(
    value: object, path: str, features: dict[str, int]
) -> None:
    rows, left_out = read([record(value)], path)
    assert (rows[0].features, rows[0].label, left_out) == (features, "up", 0)


def test_records_without_a_label_or_that_cannot_be_read_are_left_out_and_counted() -> None:
    values = [{"x": 1}, {"x": 1, "kind": None}, {"x": 1, "kind": {}}, b"{", {"kind": "up"}]
    rows, left_out = read([record(value) for value in [*values, {"x": 1, "kind": False}]], "kind")
    assert ([row.label for row in rows], left_out) == ([False], 5)


def test_labels_are_joined_by_id() -> None:
    rows, left_out = read([record({"id": name, "x": 1}, 100) for name in "abc"], known={"a": ("up", 500)})
    assert rows == [Row({"x": 1}, "up", "a", time=0.1, label_time=0.5)]
    assert left_out == 2


def test_times_may_lie_in_the_records() -> None:
    """Without a path of the time, the timestamp of the record is the time."""
    records = [record({"id": "a", "x": 1, "meta": {"at": "2026-01-01", "seen": 7}, "kind": "up"}, 100)]
    places = Places("kind", "meta.at", "meta.seen")
    ((row,), _) = recorded(records, InputRules(), 10_000, places=places, known={})
    assert (row.time, row.label_time, row.features) == ("2026-01-01", 7, {"x": 1, "meta.at": "2026-01-01"})


# --- from a broker ---------------------------------------------------------------------------------------


async def fill(settings: app_settings.Settings) -> None:
    """200 samples with their label, every second of which is an example, and examples that do not count."""
    await create_topics(settings, Kafka(settings))
    log = Kafka(settings)
    await log.start()
    for k in range(200):
        x = k * 37 % 101
        kind = "up" if x > 50 else "down"
        value = {"id": str(k), "x": x, "kind": kind}
        sent = [Outgoing(settings.topics.samples, str(k).encode(), json.dumps(value).encode())]
        if k % 2:
            example = Example(str(k), kind, {"x": x})
            sent.append(Outgoing(settings.topics.examples, str(k).encode(), encode(example)))
        await log.send(sent)
    contradiction, taken_back = Example("0", "down"), Example("2", "down", {"x": 74})
    await log.send([Outgoing(settings.topics.examples, b"0", encode(contradiction))])
    (ack,) = await log.send([Outgoing(settings.topics.examples, b"2", encode(taken_back))])
    excluded = RuntimeModel([(ack.offset, ack.offset + 1)], "2026-01-01T00:00:00Z")
    await log.send([Outgoing(settings.topics.control, b"model", encode(excluded))])
    await log.stop(5.0)


@pytest.mark.parametrize(
    ("options", "samples"),
    [
        (("--label", "kind"), 200),
        (("--delays", "column"), 100),
        (("--label", "kind", "--from", "2100-01-01"), None),
        (("--label", "kind", "--from", "2001-01-01", "--to", "2100-01-01T00:00Z"), 200),
    ],
)
def test_a_topic_is_simulated_like_a_file(
    kafka: KafkaAddress,
    options: tuple[str, ...],
    samples: int | None,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With labels in its records all samples are used, with those of the examples only the queried ones."""
    name = uuid4().hex
    names = [
        f"topics.{part}={name}.{part}"
        for part in ("samples", "queries", "labels", "examples", "control", "leases")
    ]
    given = [*kafka.settings, *names]
    settings = app_settings.load(overrides=[*given, "log.level=error"], environ={})
    asyncio.run(fill(settings))
    sets = [word for each in given for word in ("--set", each)]
    model = ("--model", "GaussianNB()")
    monkeypatch.setattr(
        sys,
        "argv",
        ["stream-al", "simulate", "--topic", f"{name}.samples", *options, *model, "--json", *sets],
    )
    if samples is None:
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 2
        assert "no sample" in capsys.readouterr().err
        return
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    said = capsys.readouterr()
    runs = [json.loads(line) for line in said.out.splitlines()]
    assert {run["samples"] for run in runs} == {samples}
    assert len(runs) == 6
    assert ("100 of 200 records have no label" in said.err) == (samples == 100)
