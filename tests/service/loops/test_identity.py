"""A label belongs to the features that were shown, whatever the stream calls its samples; on both logs."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from stream_al.identity import distinct_id, key_of, version_of
from stream_al.service.http.status import status
from stream_al.service.loops.pending import PendingQueries
from tests.support.replica import Replica
from tests.support.stream import query
from tests.support.world import MakeWorld, World

ALL = "budget.share=1.0"


async def asked(world: World, number: int) -> list[dict[str, Any]]:
    """Wait until there are so many queries; return them."""

    async def enough() -> bool:
        return len(await world.queries()) >= number

    await world.until(enough, f"{number} are asked")
    return await world.queries()


async def outcome(world: World, replica: Replica, name: str, number: int = 1) -> None:
    await world.until(lambda: replica.metric("labels_total", outcome=name) >= number, f"{number} are {name}")


def identity_problems(replica: Replica) -> dict[str, int]:
    """The counts by reason; they are of what is committed, so they come a little after the queries."""
    return {r["reason"]: r["count"] for r in status(replica.app)["problems"] if r["kind"] == "identity"}


def row(number: int) -> dict[str, Any]:
    return {"x": number / 20, "number": number}


def class_of(features: dict[str, Any]) -> str:
    return "odd" if features["number"] % 2 else "even"


async def learned_alike(world: World, replica: Replica, number: int) -> None:
    """Wait until so many examples are learned, each with the label of its own features."""
    await world.until(lambda: replica.app.local_model.model.examples >= number, f"{number} are learned")
    found = await world.examples()
    assert len(found) == number
    assert all(one["label"] == class_of(one["features"]) for one in found)


@pytest.mark.parametrize("named", ["key", "binary key", "member"])
async def test_records_of_few_ids_are_each_learned_with_their_own_label(
    make_world: MakeWorld, named: str
) -> None:
    """Records are keyed by customer, or their `id` is a device's; half of the labels come after a restart."""
    world = await make_world(ALL)
    replica = await world.start()
    names = [f"customer-{n % 3}" for n in range(20)]
    keys = [bytes([255, n % 3]) if named == "binary key" else names[n].encode() for n in range(20)]
    member = [{"id": name} if named == "member" else {} for name in names]
    await world.send(world.topics.samples, [{**member[n], **row(n)} for n in range(20)], keys)
    made = await asked(world, 20)
    assert len({one["id"] for one in made}) == 20
    given = {one.get("sample_id", one["id"]) for one in made}
    assert given == set(names) if named != "binary key" else {key_of(one) for one in given} == set(keys)
    await world.until(lambda: identity_problems(replica) == {"repeated_id": 17}, "all are counted")
    labels = [{"id": one["id"], "label": class_of(one["features"])} for one in made]
    await world.send(world.topics.labels, labels[::2])
    await learned_alike(world, replica, 10)
    await replica.stop()
    await world.send(world.topics.labels, labels)
    await learned_alike(world, await world.start(), 20)


async def test_samples_of_one_key_have_draws_of_their_own(make_world: MakeWorld) -> None:
    """With one draw for all of them the customer would be explored always or never."""
    world = await make_world("budget.share=0.5", "budget.exploration=1.0", "topics.partitions=1")
    replica = await world.start()
    await world.send(world.topics.samples, [row(n) for n in range(60)], [b"customer"] * 60)
    await asked(world, 30)
    taken = [one["features"]["number"] % 2 for one in await world.queries()]
    assert 0 < sum(taken) < len(taken), "of each pair of samples the same one is taken"
    assert not replica.task.done()


async def test_a_record_that_comes_again_is_the_same_sample(make_world: MakeWorld) -> None:
    world = await make_world(ALL)
    replica = await world.start()
    await world.send(world.topics.samples, [row(1), row(2), row(1), row(2)], [b"customer"] * 4)
    made = await asked(world, 4)
    assert [one["id"] for one in made[:2]] == [one["id"] for one in made[2:]]
    await world.until(lambda: len(replica.app.pending) == 2, "2 are pending")


async def test_a_label_that_brings_a_version_is_joined_with_no_other_query(make_world: MakeWorld) -> None:
    """It may name the sample by the stream's id, then the version says which is meant."""
    world = await make_world(ALL)
    replica = await world.start()
    await world.send(world.topics.samples, [row(1), row(2)], [b"customer"] * 2)
    made = await asked(world, 2)
    stale = version_of(row(3))
    await world.send(world.topics.labels, [{"id": "customer", "label": "x", "version": stale}])
    await outcome(world, replica, "unknown_version")
    await world.until(lambda: len(replica.app.pending) == 2, "2 are pending")
    labels = [{"id": "customer", "label": class_of(q["features"]), "version": q["version"]} for q in made]
    await world.send(world.topics.labels, labels[::-1])
    await learned_alike(world, replica, 2)


async def test_a_label_that_brings_other_features_is_a_label_of_these(make_world: MakeWorld) -> None:
    world = await make_world(ALL)
    replica = await world.start()
    await world.send(world.topics.samples, [row(1)], [b"customer"])
    await asked(world, 1)
    await world.send(world.topics.labels, [{"id": "customer", "label": "even", "features": row(2)}])
    await learned_alike(world, replica, 1)
    await world.until(lambda: len(replica.app.pending) == 1, "1 are pending")
    await world.send(world.topics.labels, [{"id": "customer", "label": "odd", "features": row(1)}])
    await learned_alike(world, replica, 2)
    await world.until(lambda: len(replica.app.pending) == 0, "0 are pending")


async def test_a_label_after_expiry_is_no_label_of_the_next_sample(memory_world: MakeWorld) -> None:
    """The id is remembered as taken, by the replica and by the tombstone of its query."""
    world = await memory_world(ALL)
    first = {**query("customer", 1000), "features": row(1)}
    replica = await world.start()
    await world.send(world.topics.queries, [first])
    await world.until(lambda: "customer" in replica.app.pending, "it is pending")
    assert world.broker is not None
    world.broker.now_ms += 5000
    await world.send(world.topics.samples, [{"id": "other", **row(4)}])

    async def closed() -> bool:
        return "customer" not in await world.open_queries()

    await world.until(closed, "it has expired")
    await replica.stop()
    world.broker.compact(world.topics.queries)
    replica = await world.start("b")
    await world.send(world.topics.samples, [row(2)], [b"customer"])
    made = await asked(world, 3)
    assert made[-1]["features"] == row(2)
    assert made[-1]["id"] != "customer"
    await world.send(world.topics.labels, [{"id": "customer", "label": class_of(row(1))}])
    await outcome(world, replica, "unknown_id")
    assert await world.examples() == []


def shared(*numbers: int) -> list[dict[str, Any]]:
    """Queries of one id for different samples, as replicas publish them that do not know of each other."""
    return [{**query("customer"), "features": row(n), "version": version_of(row(n))} for n in numbers]


def own(number: int) -> str:
    return distinct_id("customer", version_of(row(number)))


async def published(world: World, *numbers: int) -> list[dict[str, Any]]:
    """Wait until queries are in the topic under ids of their own; return all records of these ids."""
    wanted = {own(n) for n in numbers}

    async def found() -> bool:
        return {q["id"] for q in await world.queries()} >= wanted

    await world.until(found, "they are published")
    return [q for q in await world.queries() if q["id"] in wanted]


def has(pending: PendingQueries, number: int) -> bool:
    return len(pending) == number


async def test_of_queries_of_one_id_none_is_lost_and_the_label_must_say_which_it_is_for(
    make_world: MakeWorld,
) -> None:
    """Two replicas may ask at once. The earlier query is published again, once, and bought once."""
    world = await make_world()
    replicas = [await world.start(), await world.start("b")]
    await world.send(world.topics.queries, shared(1, 2, 3, 3))
    again = await published(world, 1, 2)
    assert [(q["id"], q["sample_id"], q["features"]) for q in again] == [
        (own(n), "customer", row(n)) for n in (1, 2)
    ]
    for replica in replicas:
        waiting = replica.app.pending
        await world.until(partial(has, waiting, 3), "all are pending")
        assert identity_problems(replica) == {"shared_id": 2}
        assert replica.metric("budget_spent_total") == 0
    await world.send(world.topics.labels, [{"id": "customer", "label": class_of(row(1))}])
    await world.until(
        lambda: sum(r.metric("labels_total", outcome="ambiguous_id") for r in replicas) == 1, "it is refused"
    )
    labels = [{"id": "customer", "label": class_of(row(n)), "version": version_of(row(n))} for n in (3, 1)]
    await world.send(world.topics.labels, [*labels, {"id": own(2), "label": class_of(row(2))}])
    await learned_alike(world, replicas[0], 3)
    assert len(await published(world, 1, 2)) == 2

    async def none_is_open() -> bool:
        return not await world.open_queries()

    await world.until(none_is_open, "all are closed")


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_crash_while_a_query_is_published_again_loses_and_repeats_nothing(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """The successor publishes the same record under the same key, or finds that it is there."""
    world = await make_world()
    replica = await world.start()
    replica.die_at("expiry", moment)
    pending = replica.app.pending
    name = "unpublished" if moment == "before" else "add"
    real = getattr(pending, name)

    def dies(*given: Any) -> Any:
        if moment == "after" or pending.shared.is_unpublished(own(1)):
            replica._reached("expiry", moment)
        return real(*given)

    monkeypatch.setattr(pending, name, dies)
    await world.send(world.topics.queries, shared(1, 2))
    await world.until(replica.task.done, "it has died")
    assert len([q for q in await world.queries() if q["id"] == own(1)]) == (moment == "after")
    following = await world.start("b")
    await published(world, 1)
    labels = [{"id": "customer", "label": class_of(row(n)), "version": version_of(row(n))} for n in (1, 2)]
    await world.send(world.topics.labels, [{"id": "customer", "label": "even"}, *labels])
    await learned_alike(world, following, 2)
    await outcome(world, following, "ambiguous_id")
    assert len(await published(world, 1)) == 1


async def test_a_shared_id_is_known_after_the_topic_was_compacted(memory_world: MakeWorld) -> None:
    """Only the header of the other query says so then; a label without version is refused all the same."""
    world = await memory_world()
    replica = await world.start()
    await world.send(world.topics.queries, shared(1, 2))
    await published(world, 1)
    await replica.stop()
    assert world.broker is not None
    world.broker.compact(world.topics.queries)
    replica = await world.start("b")
    assert len(replica.app.pending) == 2
    await world.send(world.topics.labels, [{"id": "customer", "label": class_of(row(1))}])
    await outcome(world, replica, "ambiguous_id")


async def test_a_query_that_has_no_room_under_an_id_of_its_own_is_reported_as_lost(
    memory_world: MakeWorld,
) -> None:
    world = await memory_world()
    replica = await world.start()
    replica.app.pending._entries.most_bytes = 1500
    await world.send(world.topics.queries, shared(1, 2))
    await world.until(lambda: identity_problems(replica) == {"clash": 1}, "it is reported")
    assert len(replica.app.pending) == 1


@pytest.mark.parametrize("written", [7, 7.0, "7"])
async def test_a_number_names_the_same_query_in_a_label_as_in_its_sample(
    make_world: MakeWorld, written: object
) -> None:
    world = await make_world(ALL)
    replica = await world.start()
    await world.send(world.topics.samples, [{"id": 7, "features": row(7)}])
    await asked(world, 1)
    await world.send(
        world.topics.labels, [{"id": written, "label": "odd", "annotator": 12, "labelled_at": 0}]
    )
    await learned_alike(world, replica, 1)
    (example,) = await world.examples()
    assert (example["id"], example["annotator"]) == ("7", "12")
    assert example["labelled_at"] == "1970-01-01T00:00:00.000Z"
