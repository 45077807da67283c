"""What people ask for by hand is asked for, whatever happens to their replica; or the loss is said."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

from stream_al.engine.trust.again import owner
from stream_al.engine.trust.by_hand import GRACE_MS, STAGGER_MS
from stream_al.errors import Unavailable
from stream_al.service.broker.protocols import Record
from stream_al.service.control import LABEL, RELABEL
from stream_al.service.telemetry.problems import Kind
from tests.support.http_client import client_of
from tests.support.memory_client import MemoryReader
from tests.support.oracles import broker_of, lag
from tests.support.oracles import client_of as memory_client_of
from tests.support.replica import Replica
from tests.support.stream import sample
from tests.support.world import MakeWorld, World

SHARE = "budget.share=0.2"


async def asked(replica: Replica, path: str, body: dict[str, Any]) -> dict[str, Any]:
    async with client_of(replica) as client:
        response = await client.post(path, json=body)
    assert response.status_code == 202, response.text
    found: dict[str, Any] = response.json()
    return found


async def free(world: World, replica: Replica, number: int) -> tuple[int, str]:
    """The number and the id of a sample that has no query."""
    await world.samples(number)
    await world.until(lambda: replica.app.desk.recent.total >= number, "all are kept")
    queried = {one["id"] for one in await world.queries()}
    kept = next(one for one in replica.app.desk.recent if one.arrival.id not in queried)
    return kept.number, kept.arrival.id


async def over(world: World, prefix: bytes) -> bool:
    """Whether no request waits, by the topic."""
    last = {one.key: one.value for one in await world.records(world.topics.control)}
    return not any(value for key, value in last.items() if (key or b"").startswith(prefix))


def requests(replica: Replica) -> list[str]:
    """The reasons for which requests were given up."""
    return [one.reason for one in replica.app.problems if one.kind is Kind.REQUEST]


async def test_a_label_asked_for_by_hand_survives_a_restart(make_world: MakeWorld) -> None:
    """It is bought once, in the place of another one, and is over then."""
    world = await make_world(SHARE)
    replica = await world.start("a")
    number, sample_id = await free(world, replica, 20)
    assert (await asked(replica, "/v1/explore/ask", {"numbers": [number]}))["asked"] == 1
    await replica.stop()
    second = await world.start("b")
    await world.until(lambda: len(second.app.selection.asked) == 1, "it waits again")
    await world.samples(40, 20)

    async def bought() -> bool:
        return [one["id"] for one in await world.queries() if one["reason"] == "manual"] == [sample_id]

    await world.until(bought, "its label is asked for")
    await world.until(lambda: over(world, LABEL), "it waits no longer")
    assert not second.app.selection.asked
    assert not requests(second)


async def test_another_look_asked_for_by_hand_survives_a_restart(make_world: MakeWorld) -> None:
    world = await make_world(SHARE)
    replica = await world.start("a")
    await world.settle([one["id"] for one in await world.samples(20)])
    chosen = (await world.examples())[0]["id"]
    assert (await asked(replica, "/v1/quality/relabel", {"ids": [chosen]}))["asked"] == 1
    await replica.stop()
    second = await world.start("b")
    await world.until(lambda: chosen in second.app.selection.second.by_hand, "it waits again")
    await world.samples(60, 20)

    async def bought() -> bool:
        return f"{chosen}~2" in {one["id"] for one in await world.queries()}

    await world.until(bought, "another annotator is asked")
    await world.until(lambda: over(world, RELABEL), "it waits no longer")
    assert not requests(second)


async def test_a_request_that_cannot_be_kept_is_said(memory_world: MakeWorld) -> None:
    """The samples hold the sample no longer, or the model does not know it: a problem, and it is over."""
    world = await memory_world(SHARE)
    record = {"id": "gone", "asked_at": "2026-01-01T00:00:00.000Z"}
    await world.send(world.topics.control, [record], keys=[b"label:0:999"])
    await world.send(world.topics.control, [record], keys=[b"relabel:gone"])
    replica = await world.start("a")
    await world.samples(40)
    await world.until(lambda: {"sample_gone", "cannot_relabel"} <= set(requests(replica)), "both are said")
    await world.until(lambda: over(world, b""), "both are over")


async def test_records_that_are_no_requests_are_passed_over(memory_world: MakeWorld) -> None:
    world = await memory_world(SHARE)
    good = {"id": "s", "asked_at": "2026-01-01T00:00:00.000Z"}
    for key, value in (("label:x:1", good), ("label:1", good), ("relabel:", good), ("relabel:a", {"id": 3})):
        await world.send(world.topics.control, [value], keys=[key.encode()])
    replica = await world.start("a")
    assert len(replica.app.requests) == 0
    assert replica.app.ready


def hold(world: World, replica: Replica) -> Callable[[], None]:
    """Let a replica read no samples; return what lets it read all of them at once."""

    def away(step: str, topic: str) -> None:
        if (step, topic) == ("poll", world.topics.samples):
            raise Unavailable("not yet")

    client = memory_client_of(replica)
    client.hook = away
    return lambda: setattr(client, "hook", lambda step, topic: None)


async def waiting(world: World, *given: int) -> list[str]:
    """Let a label of each of these samples be asked for, by its place, while no replica runs; return ids."""
    made = await world.records(world.topics.samples)
    chosen = [made[number] for number in given]
    ids = [(one.key or b"").decode() for one in chosen]
    asked_for = [{"id": one, "asked_at": "2026-01-01T00:00:00.000Z"} for one in ids]
    keys = [b"label:%d:%d" % (one.partition, one.offset) for one in chosen]
    await world.send(world.topics.control, asked_for, keys=keys)
    return ids


async def test_a_sample_that_expires_while_it_is_read_again_ends_no_replica(memory_world: MakeWorld) -> None:
    """Retention removes samples at any moment, also between two steps of the search for one."""
    world = await memory_world("topics.partitions=1", "budget.share=0.01")
    await world.samples(40)
    (sample_id,) = await waiting(world, 5)
    replica = world.launch("a")
    reads = count()

    def hook(step: str, topic: str) -> None:
        if (step, topic) == ("read", world.topics.samples) and next(reads) == 3:  # begin and end are known
            broker_of(world).truncate(topic, 0, 20)

    memory_client_of(replica).hook = hook
    await world.until(lambda: "sample_gone" in requests(replica), "it is said")
    assert [one.sample for one in replica.app.problems if one.kind is Kind.REQUEST] == [sample_id]
    await world.until(lambda: over(world, LABEL), "it is over")
    assert not replica.task.done()


async def test_to_find_a_sample_again_reads_no_others(
    memory_world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a topic with much before it would be read for minutes, and the sample not be found in time."""
    world = await memory_world("topics.partitions=3", "budget.share=0.01")
    await world.samples(1500)
    ids = await waiting(world, 100, -100)
    read = list[Record]()
    fetch = MemoryReader._fetch

    def spied(self: MemoryReader, most: int) -> list[Record]:
        found = fetch(self, most)
        if self.broker is replica.broker and self.topic == world.topics.samples:
            read.extend(found)
        return found

    monkeypatch.setattr(MemoryReader, "_fetch", spied)
    replica = world.launch("a")
    await world.until(lambda: len(replica.app.selection.asked) == 2, "both wait again")
    assert {one.sample.id for one in replica.app.selection.asked.without(())} == set(ids)
    assert len(read) <= 2 * 100


async def test_a_sample_that_came_twice_is_paid_for_once(memory_world: MakeWorld) -> None:
    """Both are on the map, and a person asks for both: they are one sample, and get one query."""
    world = await memory_world("topics.partitions=1", "budget.share=0.2")
    replica = await world.start("a")
    await world.samples(8)
    repeated = sample(3)
    await world.send(world.topics.samples, [repeated, sample(8), repeated, sample(9)])
    await world.until(lambda: replica.app.desk.recent.total == 12, "all are kept")
    both = [one.number for one in replica.app.desk.recent if one.arrival.id == repeated["id"]]
    release = hold(world, replica)  # then the samples come as one batch, which pays for both
    await asked(replica, "/v1/explore/ask", {"numbers": both})
    await world.samples(40, 20)
    release()
    await world.until(lambda: not replica.app.selection.asked, "none waits")
    queries = [one["id"] for one in await world.queries()]
    assert queries.count(repeated["id"]) == 1


async def test_two_who_want_the_same_second_label_pay_for_one(memory_world: MakeWorld) -> None:
    """The share of second labels is about to ask about a sample, and a person wants it relabelled."""
    world = await memory_world("topics.partitions=1", "budget.share=0.5", "labels.second_share=0.5")
    replica = await world.start("a")
    await world.settle([one["id"] for one in await world.samples(20)])
    second = replica.app.selection.second
    asked_about = {one["id"] for one in await world.queries()}
    ids = [one.item.id for one in second._all() if one.id not in asked_about]
    release = hold(world, replica)
    await asked(replica, "/v1/quality/relabel", {"ids": ids[:4]})
    await world.samples(20, 20)
    release()
    await world.until(lambda: not second.by_hand, "none waits")
    queries = [one["id"] for one in await world.queries()]
    assert sorted(set(queries)) == sorted(queries)


async def test_a_sample_that_was_relabelled_before_a_restart_is_not_asked_about_again(
    memory_world: MakeWorld,
) -> None:
    """The process ends between the query and the note that it was paid for, and its label comes meanwhile."""
    world = await memory_world(SHARE, "topics.partitions=1")
    replica = await world.start("a")
    await world.settle([one["id"] for one in await world.samples(20)])
    chosen = (await world.examples())[0]["id"]
    await asked(replica, "/v1/quality/relabel", {"ids": [chosen]})

    def away(step: str, topic: str) -> None:
        if (step, topic) == ("send", world.topics.control):
            raise Unavailable("it dies before it can note that")

    memory_client_of(replica).hook = away
    await world.samples(20, 20)

    async def bought() -> bool:
        return f"{chosen}~2" in {one["id"] for one in await world.queries()}

    await world.until(bought, "another annotator is asked")
    await world.until(lambda: not lag(world), "all is committed")
    await replica.stop()
    second = await world.start("b")
    await world.label(f"{chosen}~2", annotator="bob")
    await world.until(lambda: second.app.local_model.learner.trust.second_labels == 1, "it is labelled")
    await world.samples(40, 40)
    await world.until(lambda: over(world, RELABEL), "it waits no longer")
    assert f"{chosen}~3" not in {one["id"] for one in await world.queries()}


async def test_a_sample_whose_own_partition_is_quiet_is_asked_about_by_one_other(
    memory_world: MakeWorld,
) -> None:
    """Several partitions that may all buy its query from one moment on would pay for it once each."""
    world = await memory_world(SHARE, "topics.partitions=3")
    a, b = await world.start("a"), await world.start("b")
    await world.settle([one["id"] for one in await world.samples(60)])
    seed, topic = world.settings.seed, world.topics.samples
    chosen = next(one["id"] for one in await world.examples() if owner(seed, one["id"], 3) == 0)
    await asked(a, "/v1/quality/relabel", {"ids": [chosen]})
    await world.until(lambda: chosen in b.app.selection.second.by_hand, "both know it")
    releases = [hold(world, a), hold(world, b)]

    def behind(step: str, topic: str) -> None:
        if (step, topic) == ("read", world.topics.queries):
            raise Unavailable("a moment later")

    broker_of(world).now_ms += GRACE_MS + STAGGER_MS // 2
    made = [one for one in map(sample, range(60, 300)) if zlib.crc32(str(one["id"]).encode()) % 3]
    await world.send(topic, made)
    for release in releases:
        release()
    for replica in (a, b):  # neither knows yet what the other one asks at this moment
        memory_client_of(replica).hook = behind
    await world.until(lambda: not lag(world), "all is committed")
    queries = [one["id"] for one in await world.queries()]
    assert queries.count(f"{chosen}~2") == 1
