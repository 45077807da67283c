"""The doctor on streams that each have one thing wrong: it finds that one thing, and nothing else.

Every stream is sound but for its fault. So a finding of the doctor that is no note is about the fault, and
says what to do.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from aiokafka import AIOKafkaProducer
from typer.testing import CliRunner

from stream_al.cli import cli
from stream_al.demo.broker import embedded
from stream_al.engine.doctor.report import Report
from stream_al.service.broker.kafka import Kafka
from stream_al.service.broker.protocols import Topic
from stream_al.service.timing.clock import SYSTEM_CLOCK
from stream_al.settings import load
from tests.broker.address import KafkaAddress
from tests.ports import free_port
from tests.service.examination import MIXED, NUMBER, examined, grave, sound
from tests.support.world import MakeWorld, World

LINEAR = "model.definition=StandardScaler() | LogisticRegression()"
Records = Iterable[Any]


def without_id(record: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name != "id"}


async def stamped_ahead(world: World, records: Records) -> None:
    ahead = SYSTEM_CLOCK.wall_ms() + 1_800_000  # a broker refuses more than an hour
    async with AIOKafkaProducer(bootstrap_servers=world.settings.kafka.bootstrap_servers) as producer:
        for record in records:
            await producer.send_and_wait(
                world.topics.samples, json.dumps(record).encode(), timestamp_ms=ahead
            )


async def with_strange_labels(world: World, records: Records) -> None:
    await world.send(world.topics.samples, records)
    await world.ask("txn-1")
    await world.send(world.topics.labels, [{"id": f"other-{number}", "label": "up"} for number in range(3)])


async def with_examples_of_another_stream(world: World, records: Records) -> None:
    await world.send(world.topics.samples, records)
    kept = [{"id": f"t{n}", "features": {"words": n}, "label": ("up", "down")[n % 2]} for n in range(6)]
    await world.send(world.topics.examples, kept)


async def with_labels_of_two_types(world: World, records: Records) -> None:
    await world.send(world.topics.samples, records)
    await world.ask("txn-1", "txn-2", "txn-3")
    for sample_id, label in (("txn-1", 1), ("txn-2", "1"), ("txn-3", 1)):
        await world.label(sample_id, label)


class Fault(NamedTuple):
    """One thing that is wrong.

    Attributes:
        severity: How bad it is.
        about: What the finding is about.
        says: What the finding says, among other things.
        records: The records of the stream.
        settings: The settings of the service.
        send: Sends the records.
    """

    severity: str
    about: str
    says: tuple[str, ...]
    records: list[Any]
    settings: tuple[str, ...] = (MIXED,)
    send: Callable[[World, Records], Awaitable[None]] | None = None


FAULTS = {
    "ids come again with other features": Fault(
        "warning",
        "ids",
        ("other features", "input.id"),
        [record | {"id": f"txn-{number % 10}"} for number, record in enumerate(sound())],
    ),
    "the id is missing in some records": Fault(
        "warning",
        "ids",
        ("the record's position", "the member id", "input.id"),
        [record if number % 4 else without_id(record) for number, record in enumerate(sound())],
    ),
    "the id is not where the settings say": Fault(
        "error",
        "records",
        ("no_id", "transaction.id", "input.id"),
        sound(),
        (MIXED, "input.id=transaction.id"),
    ),
    "a text under a linear model": Fault(
        "error",
        "model",
        ("LogisticRegression", "merchant", "SelectType(Number)", "OneHotEncoder()", "or auto"),
        sound(merchant=lambda n: f"m{n % 3}"),
        (LINEAR,),
    ),
    "a definition that names a feature that some records lack": Fault(
        "error",
        "model",
        ("which lack visits", "auto"),
        sound(visits=lambda n: n * 7 % 11 if n % 3 else None),
        ("model.definition=Agg(on='visits', by=None, how=stats.Mean()) | LogisticRegression()",),
    ),
    "samples stamped in the future": Fault(
        "warning", "times", ("stamped in the future", "clocks"), sound(), (MIXED,), stamped_ahead
    ),
    "numbers sent as text": Fault(
        "warning", "fields", ("price", "sent as text"), sound(price=lambda n: f"{n * 31 % 17}.5")
    ),
    "labels that belong to no query": Fault(
        "error", "labels", ("none of the labels", "other-0"), sound(), (MIXED,), with_strange_labels
    ),
    "examples of another stream": Fault(
        "error",
        "labels",
        ("6 of 6 examples", "the samples have amount, card.visits", "topics of its own", "rollback"),
        sound(),
        ("model.definition=auto",),
        with_examples_of_another_stream,
    ),
    "dates in several forms under auto": Fault(
        "warning",
        "fields",
        ("at changes its type", ".01.2026 10:00'", "send one type"),
        sound(
            at=lambda n: (
                f"2026-01-2{n % 9}T10:00:00Z",
                f"2{n % 9}.01.2026 10:00",
                1_767_225_600 + n * 7919 % 9973,
            )[n % 3]
        ),
        ("model.definition=auto",),
    ),
    "one class typed 1 and '1'": Fault(
        "error",
        "labels",
        ("1 (number)", '"1" (text)', "one class"),
        sound(),
        (MIXED,),
        with_labels_of_two_types,
    ),
    "records that are no JSON": Fault(
        "error",
        "records",
        ("not_json", "schema registry", "Avro"),
        [b"\x00\x00\x00\x00\x07\x0cNL\x02" + bytes([number]) for number in range(NUMBER)],
    ),
    "a feature that most records lack": Fault(
        "warning", "fields", ("referrer", "lack"), sound(referrer=lambda n: None if n % 5 else "news")
    ),
    "a feature that is new in every record": Fault(
        "warning", "fields", ("session", "input.exclude"), sound(session=lambda n: f"s{n * 7919 % 9973:x}")
    ),
    "a date under a River model": Fault(
        "warning", "fields", ("at", "date"), sound(at=lambda n: f"2026-01-{1 + n % 9:02d}T10:00:00Z")
    ),
    "features that never change": Fault(
        "error",
        "fields",
        ("no field tells", "input.features"),
        [{"id": f"txn-{number}", "version": 3, "source": "web"} for number in range(NUMBER)],
    ),
    "numbers that are not scaled": Fault(
        "warning",
        "model",
        ("LogisticRegression", "income", "StandardScaler()"),
        sound(income=lambda n: 20_000.0 + n * 7919 % 997),
        ("model.definition=LogisticRegression()",),
    ),
}


async def with_fault(make_world: MakeWorld, fault: Fault) -> Report:
    world = await make_world(*fault.settings)
    await (
        fault.send(world, fault.records) if fault.send else world.send(world.topics.samples, fault.records)
    )
    return await examined(world)


@pytest.mark.parametrize("name", FAULTS)
async def test_the_doctor_finds_the_one_thing_that_is_wrong(kafka_world: MakeWorld, name: str) -> None:
    fault = FAULTS[name]
    report = await with_fault(kafka_world, fault)
    found = grave(report)
    assert [one[:2] for one in found] == [(fault.severity, fault.about)], found
    ((severity, _, text),) = found
    assert not [part for part in fault.says if part not in text], text
    assert report.has_errors == (severity == "error")


@pytest.mark.parametrize("definition", ["auto", MIXED.partition("=")[2], "HoeffdingTreeClassifier()"])
async def test_a_sound_stream_has_no_errors_and_no_warnings(kafka_world: MakeWorld, definition: str) -> None:
    world = await kafka_world(f"model.definition={definition}")
    await world.send(world.topics.samples, sound(country=lambda n: ("NL", "DE")[n % 2]))
    report = await examined(world)
    assert grave(report) == []
    described = report.describe()
    assert described["records"]["read"] == described["records"]["ids"]["distinct"] == NUMBER
    assert {one["name"]: one["looks_like"] for one in described["records"]["fields"]} == {
        "amount": "number",
        "card.visits": "number",
        "country": "category",
    }
    assert (described["model"]["refused"], described["model"]["labels"]) == (0, "imagined")


async def test_a_topic_that_is_missing_or_deletes_what_was_paid_for_is_an_error(
    kafka_world: MakeWorld, kafka: KafkaAddress
) -> None:
    """Also a topic of queries that keeps a query for less than its life."""
    world = await kafka_world(MIXED)
    await world.send(world.topics.samples, sound())
    name = f"{world.topics.samples}.{uuid.uuid4().hex[:6]}"
    hour = {"retention.ms": "3600000", "message.timestamp.type": "LogAppendTime"}
    await world.client.create_topics(
        [
            Topic(f"{name}.examples", 2, 1, {"cleanup.policy": "compact", **hour}),
            Topic(f"{name}.queries", 1, 1, {"cleanup.policy": "compact,delete", **hour}),
        ]
    )
    written = [*world.written, f"topics.examples={name}.examples", f"topics.queries={name}.queries"]
    world.settings = load(overrides=[*written, f"topics.labels={name}.labels"], environ={})

    async def there() -> bool:
        return not await world.client.missing_topics([f"{name}.examples", f"{name}.queries"])

    await world.until(there, "the topics are there")
    texts = [text for severity, about, text in grave(await examined(world)) if severity == "error"]
    told = [
        f"topics that do not exist: {name}.labels",
        "has 2 partitions and needs exactly 1",
    ]
    if kafka.real:
        told += ["is compacted, so labels that were paid for are deleted", "and a query lives 168 hours"]
    assert [part for part in told if not any(part in text for text in texts)] == []


async def test_the_doctor_creates_no_topic_where_the_broker_makes_those_that_it_is_asked_for() -> None:
    """As the embedded broker does, and Kafka with its default settings."""
    port = free_port()
    given = [f"kafka.bootstrap_servers=127.0.0.1:{port}", "limits.stop_seconds=2"]
    with embedded(port):
        world = World(load(overrides=given, environ={}), Kafka, Path())
        for _ in range(2):
            ((severity, about, text),) = grave(await examined(world))
            assert (severity, about) == ("error", "topics")
            assert "samples, queries, labels, examples, control" in text


async def test_a_broker_that_is_away_is_one_error() -> None:
    given = ["kafka.bootstrap_servers=127.0.0.1:1", "limits.deadline_seconds=2"]
    world = World(load(overrides=given, environ={}), Kafka, Path())
    ((severity, about, text),) = grave(await examined(world))
    assert (severity, about) == ("error", "broker")
    assert "kafka.bootstrap_servers" in text


async def test_records_in_a_codec_that_cannot_be_read_are_one_error(
    kafka_world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = await kafka_world(MIXED)
    servers = world.settings.kafka.bootstrap_servers
    async with AIOKafkaProducer(bootstrap_servers=servers, compression_type="snappy") as producer:
        for record in sound():
            await producer.send(world.topics.samples, json.dumps(record).encode())
    monkeypatch.setattr("aiokafka.codec.has_snappy", lambda: False)
    ((severity, about, text),) = grave(await examined(world))
    assert (severity, about) == ("error", "records")
    assert "snappy" in text
    assert "compression.type" in text


async def test_the_doctor_changes_nothing_that_a_running_service_could_notice(kafka_world: MakeWorld) -> None:
    """It joins no group and commits nothing, before the service starts and while it runs."""
    world = await kafka_world(MIXED)
    await world.send(world.topics.samples, sound())
    assert [group.committed for group in (await examined(world)).groups] == [{}, {}]
    replica = await world.start()
    await world.until(
        lambda: replica.app.model_check.findings is not None, "the service has checked its model"
    )
    generations = [consumer.group.generation for consumer in replica.app.consumers]
    report = await examined(world, newest=True)
    assert [consumer.group.generation for consumer in replica.app.consumers] == generations
    assert report.describe()["records"]["read"] == NUMBER


async def test_known_labels_are_tried_in_place_of_imagined_ones(kafka_world: MakeWorld) -> None:
    """Of a binary model, a third class among the labels is the thing that is wrong."""
    world = await kafka_world(MIXED)
    await world.send(world.topics.samples, sound())
    await world.ask("txn-1", "txn-2", "txn-3")
    for number, label in enumerate(("fine", "fraud", "unsure"), 1):
        await world.label(f"txn-{number}", label)
    ((severity, about, text),) = grave(await examined(world))
    assert (severity, about) == ("error", "model")
    assert "unsure" in text
    assert "SoftmaxRegression()" in text


def test_a_file_is_examined_with_its_labels_and_says_where_they_are(tmp_path: Path) -> None:
    """Which column, how many of each class, and what to write about a rare one."""
    file, runner = tmp_path / "rows.csv", CliRunner()
    lines = [f"{n * 37 % 101},{'fraud' if n % 50 == 7 else 'ok'}" for n in range(200)]
    for name, where in (("kind", "the label is the last column, 'kind'"), ("label", "is taken from 'label'")):
        file.write_text("\n".join([f"amount,{name}", *lines]))
        result = runner.invoke(cli, ["doctor", "--file", str(file)])
        assert result.exit_code == 0
        assert where in result.stdout
        assert "…" not in result.stdout
        assert "Labels: ok (text, 196), fraud (text, 4)" in result.stdout
        assert "the class fraud is rare (2.00% of the labels)" in result.stdout
        assert "model.objective=balanced" in result.stdout
    balanced = runner.invoke(cli, ["doctor", "--file", str(file), "--set", "model.objective=balanced"])
    assert "is rare" not in balanced.stdout


def test_the_command_prints_json_and_ends_with_1_on_errors_alone(tmp_path: Path) -> None:
    """Without a terminal, and with every control character of the stream escaped."""
    file = tmp_path / "rows.jsonl"
    rows = [
        {"amount": n * 37 % 101, "merchant": f"\x1b[31mred{n % 3}", "label": n % 2} for n in range(NUMBER)
    ]
    file.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    runner = CliRunner()
    sound_one = runner.invoke(cli, ["doctor", "--file", str(file), "--json"])
    assert (sound_one.exit_code, json.loads(sound_one.stdout)["model"]["labels"]) == (0, "known")
    for as_json in ([], ["--json"]):
        result = runner.invoke(cli, ["doctor", "--file", str(file), *as_json, "--set", LINEAR])
        assert result.exit_code == 1
        assert "merchant" in result.stdout
        assert "\x1b" not in result.stdout
