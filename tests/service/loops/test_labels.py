"""What becomes of a label: the life of a query, seen from the topics; on both logs."""

from __future__ import annotations

import asyncio

import msgspec

from stream_al.service.broker.protocols import Outgoing
from tests.support.oracles import broker_of, client_of
from tests.support.replica import Replica
from tests.support.stream import query
from tests.support.world import MakeWorld, World

LIFE_MS = 1500


async def outcome(world: World, replica: Replica, name: str, number: int = 1) -> None:
    """Wait until a number of labels has an outcome."""
    seen = f"{number} labels are {name}"
    await world.until(lambda: replica.metric("labels_total", outcome=name) >= number, seen)


async def learned(world: World, replica: Replica, number: int) -> None:
    await world.until(lambda: replica.offset >= number, f"{number} examples are folded")


async def pass_time(world: World, milliseconds: int) -> None:
    """Let the log's time pass; the next record shows it."""
    if world.broker is None:
        await asyncio.sleep(milliseconds / 1000)
    else:
        world.broker.now_ms += milliseconds


async def test_a_skip_closes_its_query_and_teaches_nothing(make_world: MakeWorld) -> None:
    world = await make_world()
    replica = await world.start()
    await world.ask("q")
    await world.label("q", None, skipped=True)
    await outcome(world, replica, "skipped")
    assert await world.examples() == []
    assert await world.open_queries() == set()
    assert len(replica.app.pending) == 0


async def test_the_same_label_again_changes_nothing(make_world: MakeWorld) -> None:
    world = await make_world()
    replica = await world.start()
    await world.ask("q")
    await world.label("q", "up")
    await learned(world, replica, 1)
    digest = replica.digest
    await world.label("q", "up")
    await outcome(world, replica, "duplicate")
    assert len(await world.examples()) == 1
    assert replica.digest == digest


async def test_another_label_is_a_conflict_recorded_and_not_learned(make_world: MakeWorld) -> None:
    world = await make_world()
    replica = await world.start()
    await world.ask("q")
    await world.label("q", "up")
    await learned(world, replica, 1)
    digest = replica.digest
    await world.label("q", "down", annotator="other")
    await learned(world, replica, 2)
    first, second = await world.examples()
    assert (first["label"], second["label"], second["annotator"]) == ("up", "down", "other")
    assert "features" not in second
    assert replica.digest == digest
    await world.until(lambda: replica.metric("examples_total", outcome="conflict") == 1, "it is counted")


async def test_two_labels_at_once_teach_the_first_one(make_world: MakeWorld) -> None:
    world = await make_world()
    replica = await world.start()
    await world.ask("q")
    labels = [{"id": "q", "label": label} for label in ("up", "down", "up")]
    await world.send(world.topics.labels, labels)
    await world.until(
        lambda: (
            sum(replica.metric("labels_total", outcome=o) for o in ("labelled", "duplicate", "conflict")) == 3
        ),
        "all three are judged",
    )
    await learned(world, replica, len(await world.examples()))
    assert replica.app.local_model.model.classes == {"up": 1}


async def test_a_label_is_not_learned_after_its_deadline_in_log_time(make_world: MakeWorld) -> None:
    world = await make_world()
    replica = await world.start()
    await world.ask("q", life_ms=LIFE_MS)
    await pass_time(world, LIFE_MS + 1)
    await world.label("q", "up")
    await world.until(
        lambda: (
            replica.metric("labels_total", outcome="expired") + replica.metric("expired_queries_total") > 0
        ),
        "the query is over",
    )
    assert await world.examples() == []

    async def closed() -> bool:
        return not await world.open_queries()

    await world.until(closed, "the query is closed")


async def test_a_query_without_a_label_expires_in_log_time(make_world: MakeWorld) -> None:
    world = await make_world()
    world.at_pace(expiry_seconds=0.05)
    replica = await world.start()
    await world.ask("short", life_ms=LIFE_MS)
    await world.until(lambda: "short" in replica.app.pending, "the query is known")
    await pass_time(world, LIFE_MS + 1)
    await world.ask("long")  # a record by which the log's time is seen
    await world.until(lambda: replica.metric("expired_queries_total") == 1, "the query is expired")
    assert await world.open_queries() == {"long"}
    await world.until(lambda: len(replica.app.pending) == 1, "one query waits")


async def test_a_query_that_is_published_while_an_older_one_of_its_id_expires_stays_open(
    memory_world: MakeWorld,
) -> None:
    """A sample has come again, and its new query is read while the tombstones of old ones are sent."""
    world = await memory_world()
    world.at_pace(expiry_seconds=0.05)
    replica = await world.start()
    others = [f"old-{number}" for number in range(50)]
    await world.ask("again", *others, life_ms=LIFE_MS)
    await world.until(lambda: len(replica.app.pending) == 51, "the queries are known")
    broker, queries = broker_of(world), world.topics.queries
    new = Outgoing(queries, b"again", msgspec.json.encode(query("again", 3_600_000)))

    def hook(step: str, topic: str) -> None:
        if (step, topic) == ("sent", queries):  # of the first tombstone
            client_of(replica).hook = lambda step, topic: None
            broker.append(new)

    client_of(replica).hook = hook
    await pass_time(world, LIFE_MS + 1)
    await world.ask("long")  # a record by which the log's time is seen
    await world.until(lambda: replica.metric("expired_queries_total") == 51, "the old queries are expired")
    await world.until(lambda: len(replica.app.pending) == 2, "two queries wait")
    assert await world.open_queries() == {"long", "again"}


async def test_a_label_that_nobody_asked_for_is_learned_if_it_brings_features(make_world: MakeWorld) -> None:
    world = await make_world()
    replica = await world.start()
    await world.label("new", "up", features={"x": 0.9, "deep": {"y": 1}})
    await learned(world, replica, 1)
    (example,) = await world.examples()
    assert example["features"] == {"x": 0.9, "deep.y": 1}
    assert example["reason"] == "unsolicited"
    assert "propensity" not in example
    assert replica.app.local_model.model.classes == {"up": 1}


async def test_a_label_that_overtakes_its_query_is_joined(make_world: MakeWorld) -> None:
    """Intake reads `queries` to its end before it takes an id for unknown."""
    world = await make_world()
    replica = await world.start()
    for number in range(30):
        await world.ask(f"q{number}")
        await world.label(f"q{number}")
    await learned(world, replica, 30)
    assert len(await world.examples()) == 30
    assert await world.messages(world.topics.labels + ".dlq") == []


async def test_open_queries_survive_a_restart_and_a_compaction(make_world: MakeWorld) -> None:
    world = await make_world()
    replica = await world.start()
    await world.settle([s["id"] for s in await world.samples(1)])
    await world.ask("done", "open")
    await world.label("done")
    await learned(world, replica, 1)
    await world.until(lambda: len(replica.app.pending) == 1, "one is open")
    await replica.stop()
    if world.broker is not None:
        world.broker.compact(world.topics.queries, tombstones=False)
    again = await world.start()
    assert len(again.app.pending) == 1
    await world.label("open")
    await learned(world, again, 2)


async def test_without_tombstones_a_labelled_query_stays_closed_after_a_restart(
    make_world: MakeWorld,
) -> None:
    world = await make_world("queries.tombstones=false")
    replica = await world.start()
    await world.settle([s["id"] for s in await world.samples(1)])
    await world.ask("q")
    await world.label("q")
    await learned(world, replica, 1)
    assert all(r.value is not None for r in await world.records(world.topics.queries))
    await replica.stop()
    again = await world.start()
    assert len(again.app.pending) == 0
    await world.label("q")
    await outcome(world, again, "duplicate")


async def test_a_query_that_is_repeated_after_its_label_is_not_pending(make_world: MakeWorld) -> None:
    world = await make_world()
    replica = await world.start()
    await world.ask("q")
    await world.label("q")
    await learned(world, replica, 1)
    await world.ask("q", "next")
    await world.until(lambda: "next" in replica.app.pending, "what came after it is known")
    assert "q" not in replica.app.pending
