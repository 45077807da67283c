"""What costs a label or loses a sample shows in log, status, metric and conditions, each with its reason."""

from __future__ import annotations

from typing import Any

import pytest
from structlog.testing import capture_logs

from stream_al.engine.labels import join, learner
from stream_al.engine.labels.learner import Outcome
from stream_al.service.http.status import status
from stream_al.service.loops import intake
from stream_al.service.timing.clock import Clock
from tests.support.http_client import client_of
from tests.support.replica import Replica
from tests.support.stream import query
from tests.support.world import MakeWorld, World

TEXTS = 20
CANNOT = "model.definition=StandardScaler() | LogisticRegression()"


class Shifted(Clock):
    """A clock that a test sets forward."""

    shift = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.shift


async def ask_with_texts(world: World, number: int = TEXTS, start: int = 0) -> list[str]:
    """Publish queries whose features a model of numbers cannot take."""
    asked = [query(f"q{i}", 3_600_000) for i in range(start, start + number)]
    for one in asked:
        one["features"] = {"amount": 1.5, "currency": "EUR"}
    await world.send(world.topics.queries, asked)
    return [one["id"] for one in asked]


async def label(world: World, ids: list[str]) -> None:
    await world.send(
        world.topics.labels, [{"id": i, "label": ["up", "down"][n % 2]} for n, i in enumerate(ids)]
    )


async def decide_one(world: World) -> None:
    """Let the group begin, so that another replica may start beside queries."""
    await world.samples(1)

    async def decided() -> bool:
        return bool(await world.decided())

    await world.until(decided, "one is decided")


def held(replica: Replica) -> dict[str, dict[str, Any]]:
    found = status(replica.app)["conditions"]
    return {one["type"]: one for one in found if one["status"] == "True"}


def problems(replica: Replica) -> dict[tuple[str, str], dict[str, Any]]:
    return {(row["kind"], row["reason"]): row for row in status(replica.app)["problems"]}


@pytest.mark.parametrize("rare", [2, 20])
async def test_a_rare_class_with_few_labels_is_a_condition_that_says_what_to_set(
    memory_world: MakeWorld, rare: int
) -> None:
    """Two of sixty labels are few. Twenty are not, and then no condition holds."""
    world = await memory_world("model.definition=GaussianNB()")
    replica = await world.start()
    ids = [f"q{n}" for n in range(60)]
    asked = [query(one) for one in ids]
    for one in asked:
        one["model"]["version"] = replica.app.local_model.learner.version
    await world.send(world.topics.queries, asked)
    labels = [{"id": one, "label": "fraud" if n < rare else "fine"} for n, one in enumerate(ids)]
    with capture_logs() as lines:
        await world.send(world.topics.labels, labels)
        await world.until(lambda: replica.offset == 60, "all are folded")
        found = held(replica)
    if rare > 2:
        assert "ClassMissed" not in found
        return
    assert "the class fraud is rare" in found["ClassMissed"]["message"]
    assert "model.objective=balanced" in found["ClassMissed"]["message"]
    assert replica.metric("condition", type="ClassMissed") == 1
    (line,) = [one for one in lines if one.get("type") == "ClassMissed" and one["event"] == "condition holds"]
    assert line["log_level"] == "info"
    async with client_of(replica) as client:
        assert (await client.get("/readyz")).status_code == 200


async def test_labels_that_the_model_refuses_are_told_with_the_feature_and_the_remedy(
    memory_world: MakeWorld,
) -> None:
    world = await memory_world(CANNOT)
    replica = await world.start()
    with capture_logs() as lines:
        await label(world, await ask_with_texts(world))
        await world.until(lambda: replica.offset == TEXTS, "all are folded")
        found = held(replica)
    (row,) = status(replica.app)["model"]["refusals"]
    assert (row["subject"], row["count"]) == ("currency", TEXTS)
    assert problems(replica)["label_refused", "model_error"]["count"] == TEXTS
    assert replica.metric("problems_total", kind="label_refused", reason="model_error") == TEXTS
    assert found.keys() == {"LabelsRefused", "NoOpinion"}
    assert replica.metric("condition", type="LabelsRefused") == 1
    assert replica.metric("condition", type="Paused") == 0
    told = [line for line in lines if line["event"] == "label refused"]
    assert len(told) == 1
    for text in (row["message"], told[0]["why"], found["LabelsRefused"]["message"]):
        assert "'currency'" in text
        assert "input.exclude" in text
    assert {line["type"] for line in lines if line["event"] == "condition holds"} == found.keys()


async def test_a_restart_keeps_the_refusals_and_does_not_report_them_again(memory_world: MakeWorld) -> None:
    world = await memory_world(CANNOT, "snapshots.every_examples=1000000")
    first = await world.start("a")
    await decide_one(world)
    await label(world, await ask_with_texts(world))
    await world.until(lambda: first.offset == TEXTS, "all are folded")
    second = await world.start("b")  # without a snapshot: it replays
    assert status(second.app)["model"]["refusals"] == status(first.app)["model"]["refusals"]
    assert problems(second) == {}
    assert held(second)["LabelsRefused"]["reason"] == "ModelRefuses"


async def test_readiness_goes_with_labels_refused_here_and_not_with_those_of_the_log(
    memory_world: MakeWorld,
) -> None:
    """Otherwise the replica that brings the remedy would never become ready."""
    world = await memory_world(CANNOT)
    world.clock = clock = Shifted(world.clock.pace)
    first = await world.start("a")
    await decide_one(world)
    async with client_of(first) as client:
        await label(world, await ask_with_texts(world))
        await world.until(lambda: first.offset == TEXTS, "all are folded")
        response = await client.get("/readyz")
        assert response.status_code == 200
        assert response.text.splitlines()[:2] == ["ready", "LabelsRefused: ModelRefuses"]
        clock.shift += 30  # the watchdog ends a replica that stands still for a minute
        assert (await client.get("/readyz")).status_code == 200
        first.app.watchdog.stop()
        clock.shift += 31
        response = await client.get("/readyz")
        assert response.status_code == 503
        assert response.text.splitlines()[:2] == ["not ready", "LabelsRefused: ModelRefuses"]
    first.app.watchdog.stop()
    second = await world.start("b")
    second.app.watchdog.stop()
    async with client_of(second) as client:
        await client.get("/readyz")
        clock.shift += 3600
        response = await client.get("/readyz")
    assert response.status_code == 200
    assert "LabelsRefused" in response.text


async def test_labels_with_wrong_ids_are_told_and_the_good_ones_end_it(memory_world: MakeWorld) -> None:
    world = await memory_world()
    replica = await world.start()
    await label(world, [f"nobody asked {i}" for i in range(12)])
    await world.until(lambda: "LabelsRefused" in held(replica), "it is told")
    found = held(replica)["LabelsRefused"]
    assert found["reason"] == "Unusable"
    assert "no query waits" in found["message"]
    await world.until(lambda: problems(replica)["dead_letter", "unknown_id"]["count"] == 12, "all are told")
    await world.ask(*(f"q{i}" for i in range(120)))
    await label(world, [f"q{i}" for i in range(120)])
    await world.until(lambda: "LabelsRefused" not in held(replica), "it is over")


LATE, AGAIN = ("label_refused", "too_late"), ("label_refused", "conflict")


async def test_late_and_contradicting_labels_are_told_once_and_repetitions_are_not(
    memory_world: MakeWorld,
) -> None:
    world = await memory_world()
    assert world.broker
    replica = await world.start()
    await world.ask("late", life_ms=1000)
    await world.ask("twice", "skipped", life_ms=3_600_000)
    await world.until(lambda: len(replica.app.pending) == 3, "they are read")
    await world.label("twice", "up")
    await world.until(lambda: replica.offset == 1, "it is learned")
    world.broker.now_ms += 2000
    await world.label("late")
    await world.label("twice", "up")
    await world.label("twice", "down")
    await world.label("skipped", None, skipped=True)
    outcomes = ("expired", "duplicate", "conflict", "skipped")
    await world.until(
        lambda: all(replica.metric("labels_total", outcome=o) for o in outcomes), "all are judged"
    )
    await world.until(lambda: replica.offset == 2, "the record of the conflict is read")
    assert {key: row["count"] for key, row in problems(replica).items()} == {LATE: 1, AGAIN: 1}
    assert problems(replica)[AGAIN]["sample"] == "twice"
    assert "queries.life_hours" in problems(replica)[LATE]["message"]
    assert "LabelsRefused" not in held(replica)


def test_every_outcome_of_a_label_is_named_where_it_is_said_how_it_shows() -> None:
    """A new outcome has to say where it shows; see the tables in the two modules."""
    assert all(f"    {one.value} " in str(intake.__doc__) for one in join.Outcome)
    assert all(f"    {one.value} " in str(learner.__doc__) for one in Outcome)


async def test_dead_letters_are_logged_with_reason_and_place_at_a_bounded_rate(
    memory_world: MakeWorld,
) -> None:
    world = await memory_world("limits.bad_records=1000")
    replica = await world.start()
    with capture_logs() as lines:
        await world.send(world.topics.samples, [b"not json"] * 50, keys=[b"k"] * 50)
        await world.until(
            lambda: replica.metric("dead_letters_total", stage="select", reason="not_json") == 50, "all are"
        )
    told = [line for line in lines if line["event"] == "dead letter"]
    assert [line["reason"] for line in told] == ["not_json"]
    assert world.topics.samples in told[0]["why"]
    row = problems(replica)["dead_letter", "not_json"]
    assert (row["count"], row["sample"]) == (50, "k")


async def test_a_stopped_partition_is_a_condition_until_it_is_resumed(memory_world: MakeWorld) -> None:
    world = await memory_world("limits.bad_records=5")
    replica = await world.start()
    await world.send(world.topics.samples, [b"not json"] * 5, keys=[b"k"] * 5)
    await world.until(lambda: "PartitionStopped" in held(replica), "it is told")
    assert "POST /v1/resume" in held(replica)["PartitionStopped"]["message"]
    replica.app.resume()
    assert "PartitionStopped" not in held(replica)


async def test_a_partition_that_nobody_reads_is_told_by_the_replica_that_does_not_hold_it(
    memory_world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = await memory_world("limits.watchdog_seconds=600")
    world.clock = clock = Shifted(world.clock.pace)
    replica = await world.start()
    group = replica.app.select.group
    monkeypatch.setattr(group, "assignment", lambda: frozenset({0}))  # as after a partition was added
    while 1 not in await group.backlog():
        await world.samples(4, start=int(clock.shift))
        clock.shift += 4
    await replica.app.lag.measure()
    assert held(replica) == {}
    clock.shift += 61
    await replica.app.lag.measure()
    found = held(replica)["PartitionUnread"]
    assert f"{world.topics.samples}/1" in found["message"]
    monkeypatch.undo()

    async def read() -> bool:
        await replica.app.lag.measure()
        return "PartitionUnread" not in held(replica)

    await world.until(read, "it is read")
