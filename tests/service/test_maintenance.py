"""The maintenance of topics, on the broker in memory and on Kafka."""

from __future__ import annotations

import csv
import io
from typing import Any

import msgspec
import pytest

from stream_al.datasets.rows import Row
from stream_al.engine.labels.learner import Outcome
from stream_al.service import maintenance
from tests.support.flow import quiet
from tests.support.world import MakeWorld, World


async def learned(world: World, number: int) -> None:
    (replica,) = [r for r in world.replicas if not r.task.done()]
    await world.until(lambda: replica.offset >= number, f"{number} examples are folded")


async def taught(world: World) -> None:
    """Two labels, one of them contradicted, and one skipped."""
    await world.start()
    await world.ask("q1", "q2", "q3")
    await world.label("q1", "up", annotator="ann")
    await world.label("q2", 3)
    await world.label("q3", None, skipped=True)
    await learned(world, 2)
    await world.label("q1", "down")
    await learned(world, 3)


async def export(world: World, form: str, number: int = 2) -> str:
    out = io.StringIO()
    written = await maintenance.export_examples(
        world.settings, world.connect(world.settings), out, form, quiet
    )
    assert written == number
    return out.getvalue()


async def test_missing_topics_are_created_once(make_world: MakeWorld) -> None:
    world = await make_world("topics.predictions=null")  # the world has created the others
    named = world.topics.model_copy(update={"predictions": world.topics.samples + ".more"})
    settings = world.settings.model_copy(update={"topics": named})
    created, there = await maintenance.create_topics(settings, world.connect(settings))
    assert created == [named.predictions]
    assert len(there) == 8
    again, all_there = await maintenance.create_topics(settings, world.connect(settings))
    assert (again, len(all_there)) == ([], 9)


async def test_the_exported_dataset_has_no_contradictions(make_world: MakeWorld) -> None:
    world = await make_world()
    await taught(world)
    rows = list(csv.DictReader(io.StringIO(await export(world, "csv"))))
    assert {(row["id"], row["label"], row["annotator"]) for row in rows} == {
        ("q1", "up", "ann"),
        ("q2", "3", ""),
    }
    assert {(row["features.x"], row["propensity"], row["reason"]) for row in rows} == {
        ("0.75", "0.25", "uncertain")
    }
    lines: list[dict[str, Any]] = [
        msgspec.json.decode(line) for line in (await export(world, "jsonl")).splitlines()
    ]
    assert {(line["id"], line["label"]) for line in lines} == {("q1", "up"), ("q2", 3)}


LOG = [
    ("first", "up", True),
    ("second", "down", True),
    ("refused", "sideways", False),  # a third class, which a binary model cannot learn
    ("second", "down", False),  # a duplicate
    ("first", "down", True),  # the model remembers two ids, so it has forgotten this one
    ("", "up", False),  # no example: its id is empty
    ("last", "down", True),
]
"""Id and label of examples in the log, and whether the model learns them."""


@pytest.mark.parametrize("form", ["jsonl", "csv"])
async def test_the_exported_examples_are_those_that_the_model_has_learned(
    make_world: MakeWorld, form: str
) -> None:
    """The export forgets an id when the model does, and leaves out what the model refused."""
    world = await make_world("model.definition=LogisticRegression()", "labels.remember=2")
    replica = await world.start()
    examples = [{"id": name, "label": label, "features": {"x": len(name) / 2}} for name, label, _ in LOG]
    await world.send(world.topics.examples, examples)
    await learned(world, len(LOG))
    expected = [(name, label) for name, label, learns in LOG if learns]
    assert replica.app.local_model.model.examples == len(expected)
    text = await export(world, form, number=len(expected))
    if form == "jsonl":
        found = [(row["id"], row["label"]) for row in map(msgspec.json.decode, text.splitlines())]
    else:
        found = [(row["id"], row["label"]) for row in csv.DictReader(io.StringIO(text))]
    assert found == expected
    known = await maintenance.known_labels(world.settings, world.connect(world.settings))
    labels = {name: label for name, (label, _) in known.items()}
    assert labels == {"first": "up", "second": "down", "last": "down"}


async def test_the_known_labels_are_the_exported_ones(make_world: MakeWorld) -> None:
    world = await make_world()
    await taught(world)
    known = await maintenance.known_labels(world.settings, world.connect(world.settings))
    assert {name: label for name, (label, _) in known.items()} == {"q1": "up", "q2": 3}
    assert all(at_ms > 0 for _, at_ms in known.values())


async def imported(world: World, rows: list[Row]) -> tuple[int, dict[str, int]]:
    log = world.connect(world.settings)
    sent = await maintenance.import_labels(world.settings, log, rows, "seed-file", quiet)
    outcomes = await maintenance.import_outcomes(world.settings, world.connect(world.settings), sent, quiet)
    assert outcomes.refused.total() == outcomes.counts[Outcome.REFUSED]
    return sent.number, {outcome.value: number for outcome, number in outcomes.counts.items() if number}


async def test_rows_that_are_imported_twice_are_learned_once(make_world: MakeWorld) -> None:
    world = await make_world()
    replica = await world.start()
    rows = [Row({"x": n / 10, "deep.y": n}, "up" if n > 5 else "down") for n in range(10)]
    assert await imported(world, rows) == (10, {"learned": 10})
    assert await imported(world, rows) == (10, {"duplicate": 10})
    await learned(world, 20)
    assert replica.app.local_model.model.examples == 10
    assert {(e["reason"], *e["features"]) for e in await world.examples()} == {("seed", "x", "deep.y")}


async def test_an_import_says_what_became_of_each_row(make_world: MakeWorld) -> None:
    """What the model learns, refuses, knew already and contradicts; a row keeps its id."""
    world = await make_world("model.definition=LogisticRegression()")
    await world.send(
        world.topics.examples, [{"id": "t0", "label": "up", "features": {"x": 1}}]
    )  # of another origin, and so in no count
    rows = [
        Row({"x": 1}, "down", "t0"),
        Row({"x": 1}, "up", "t1", annotator="ann", labelled_at="2026-01-31T12:00:00.000Z"),
        Row({"x": 1}, "up", "t1"),
        Row({"x": 3}, "down", "t2"),
        Row({"x": 4}, "sideways", "t3"),
        Row({"x": 5}, "up"),
    ]
    assert await imported(world, rows) == (
        6,
        {"conflict": 1, "learned": 3, "duplicate": 1, "refused": 1},
    )
    sent = (await world.examples())[1:]
    assert [example["id"] for example in sent] == ["t0", "t1", "t1", "t2", "t3", "seed-file-6"]
    assert (sent[1]["annotator"], sent[1]["labelled_at"]) == ("ann", "2026-01-31T12:00:00.000Z")
    assert {example["reason"] for example in sent} == {"seed"}


async def test_a_rebuilt_model_equals_the_one_that_served(make_world: MakeWorld) -> None:
    world = await make_world()
    replica = await world.start()
    await world.settle([s["id"] for s in await world.samples(60)])
    served = (replica.digest, replica.offset)
    await replica.stop()
    for rebuild in (True, False):
        log = world.connect(world.settings)
        learner = await maintenance.load_model(world.settings, log, rebuild=rebuild, progress=quiet)
        assert (learner.model.digest(), learner.offset) == served
