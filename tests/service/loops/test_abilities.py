"""What the model cannot do is no bad record, and what a label may name is said once; on both logs."""

from __future__ import annotations

from typing import Any

import pytest

from stream_al.service.broker.dead_letters import HEADER_PREFIX
from stream_al.service.http.status import status
from stream_al.service.telemetry.problems import Kind
from tests.support.world import MakeWorld


async def test_a_model_that_fails_on_every_sample_stops_nothing(make_world: MakeWorld) -> None:
    """No dead letter, no stop, labels are bought as ever, and the problem says what to write."""
    world = await make_world("model.definition=LogisticRegression()", "limits.bad_records=3")
    replica = await world.start()
    await world.settle([s["id"] for s in await world.samples(80)])
    assert replica.app.local_model.model.ready
    texts: list[dict[str, Any]] = [
        {"id": f"t{n}", "features": {"x": n / 100, "y": "text"}} for n in range(100)
    ]
    await world.send(world.topics.samples, texts)
    await world.settle([one["id"] for one in texts])
    found = status(replica.app)
    assert found["select"]["stopped"] == {}
    assert await world.records(world.topics.samples + ".dlq") == []
    assert replica.metric("dead_letters_total", stage="select", reason="model_error") == 0
    assert {q["id"] for q in await world.queries()} & {one["id"] for one in texts}
    (problem,) = [row for row in found["problems"] if row["kind"] == Kind.NO_OPINION]
    assert (problem["reason"], problem["count"]) == ("model_error", 100)
    assert problem["sample"].startswith("t")
    for part in ("model.definition", "input.exclude", "River cannot predict"):
        assert part in problem["message"]
    assert replica.metric("problems_total", kind="no_opinion", reason="model_error") == 100


async def test_an_odd_label_changes_neither_predictions_nor_the_stream(make_world: MakeWorld) -> None:
    """One "1" among 0 and 1, with a tree; the same after a restart."""
    world = await make_world("model.definition=HoeffdingTreeClassifier()", "limits.bad_records=3")
    replica = await world.start()
    await world.ask("zero", "one", "odd")
    for name, label in (("zero", 0), ("one", 1), ("odd", "1")):
        await world.label(name, label)
    await world.until(lambda: replica.offset == 3, "all are learned")
    await world.settle([s["id"] for s in await world.samples(40)])
    await replica.stop()
    again = await world.start()
    await world.settle([s["id"] for s in await world.samples(40, start=40)])
    assert await world.records(world.topics.samples + ".dlq") == []
    found = status(again.app)
    assert found["select"]["stopped"] == {}
    classes = [(one["class"], one["examples"]) for one in found["model"]["classes"]]
    learned = {(type(name), name, number) for name, number in classes[:3]}  # in the order of their partitions
    assert learned == {(int, 0, 1), (int, 1, 1), (str, "1", 1)}
    (problem,) = [row for row in found["problems"] if row["kind"] == Kind.LOOKALIKE_CLASS]
    assert {"1 (1 labels)", '"1" (1 labels)'} == set(
        problem["message"].partition(" look alike")[0].split(" and ")
    )
    assert "labels.classes" in problem["message"]
    last = (await world.messages(str(world.topics.predictions)))[-1]["probabilities"]
    assert {"0", "1", '"1"'} <= last.keys()
    assert sum(last.values()) == pytest.approx(1.0)


async def test_a_label_that_names_no_listed_class_is_refused_and_its_query_stays_open(
    make_world: MakeWorld,
) -> None:
    world = await make_world("labels.classes=[0, 1]", "limits.bad_records=3")
    replica = await world.start()
    await world.ask("q", "r")
    for _ in range(5):  # it is judged, not unreadable: a run of them stops no partition
        await world.label("q", "unsure")
    await world.label("r", "1")
    await world.label("r", True)

    async def judged() -> bool:
        letters = await world.records(world.topics.labels + ".dlq")
        return len(letters) == 5 and replica.metric("labels_total", outcome="duplicate") == 1

    await world.until(judged, "all are judged")
    (letter, *_) = await world.records(world.topics.labels + ".dlq")
    facts = {name: (value or b"").decode() for name, value in letter.headers}
    assert facts[HEADER_PREFIX + "exception"] == "unknown_class"
    assert "labels.classes lists 0, 1" in facts[HEADER_PREFIX + "message"]
    assert await world.open_queries() == {"q"}
    assert [(e["id"], e["label"]) for e in await world.examples()] == [("r", 1)], "it is the listed class"
    await world.until(
        lambda: replica.metric("dead_letters_total", stage="intake", reason="unknown_class") == 5, "counted"
    )
    assert status(replica.app)["intake"]["stopped"] == {}
    await world.label("q", 0)
    await world.until(lambda: replica.app.local_model.model.classes == {1: 1, 0: 1}, "the query was open")


async def test_blanks_around_a_label_make_no_other_class(make_world: MakeWorld) -> None:
    world = await make_world()
    replica = await world.start()
    await world.ask("q", "r")
    await world.label("q", "fraud")
    await world.label("r", " fraud\n")
    await world.until(lambda: replica.offset == 2, "both are learned")
    assert replica.app.local_model.model.classes == {"fraud": 2}
