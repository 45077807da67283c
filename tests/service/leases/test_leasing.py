"""What leases promise over replicas, restarts and crashes, on both logs."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from stream_al.errors import Misconfigured, Unavailable
from stream_al.messages import encode
from stream_al.replica_messages import Lease
from stream_al.service.broker.protocols import Outgoing
from tests.support.memory_client import MemoryClient
from tests.support.oracles import broker_of
from tests.support.replica import Replica
from tests.support.stream import query
from tests.support.world import MakeWorld, World


async def asked(world: World, *sample_ids: str) -> None:
    """Publish queries, and wait until every replica has read them."""
    await world.ask(*sample_ids)
    await until_pending(world, sample_ids)


async def until_pending(world: World, sample_ids: tuple[str, ...]) -> None:
    running = [replica for replica in world.replicas if not replica.task.done()]
    await world.until(
        lambda: all(i in replica.app.pending for replica in running for i in sample_ids), "all are pending"
    )


async def leased(replica: Replica, count: int, holder: str, annotator: str | None = None) -> list[str]:
    """The ids of the queries that a holder gets from a replica."""
    return [one.lease.id for one in await replica.app.leasing.lease(count, None, holder, annotator)]


async def kept(world: World) -> set[str]:
    """The leases whose last record in the topic is not a tombstone."""
    last = {record.key: record.value for record in await world.records(world.topics.leases)}
    return {(key or b"").decode() for key, value in last.items() if value is not None}


def rival(world: World, replica: Replica, holder: str = "rival", *, leaves: bool = True) -> None:
    """Let another replica's grants come before the next ones that a replica sends, for the same queries."""
    broker, client = broker_of(world), replica.broker
    assert isinstance(client, MemoryClient)

    def hook(step: str, topic: str) -> None:
        if (step, topic) == ("send", world.topics.leases):
            client.hook = lambda step, topic: None
            sample_id = min(entry.place(one) for one, entry in replica.app.pending._entries.items())[2]
            version = replica.app.pending.version(sample_id)
            lease = Lease("rival", sample_id, str(version), holder, 300.0)
            broker.append(Outgoing(topic, b"rival", encode(lease)))

    client.hook = hook


async def test_replicas_never_hand_one_query_to_two_holders(make_world: MakeWorld) -> None:
    """All are asked at once, again and again, until nothing is free."""
    world = await make_world()
    replicas = [await world.start(name) for name in "ab"]
    ids = [f"q{number}" for number in range(30)]
    await asked(world, *ids)
    given = await asyncio.gather(
        *(leased(replicas[number % 2], 5, f"holder {number}") for number in range(8))
    )
    found = [sample_id for one in given for sample_id in one]
    assert sorted(found) == sorted(ids)
    assert await leased(replicas[0], 5, "late") == []
    await world.until(lambda: all(r.metric("leases") == 30 for r in replicas), "all know of all")


async def test_the_most_useful_queries_come_first_and_those_held_before_them(memory_world: MakeWorld) -> None:
    world = await memory_world()
    replica = await world.start()
    made = [{**query(f"q{number}"), "utility": number / 10} for number in range(6)]
    await world.send(world.topics.queries, made)
    await until_pending(world, tuple(one["id"] for one in made))
    assert await leased(replica, 2, "ann") == ["q5", "q4"]
    assert await leased(replica, 1, "bob") == ["q3"]
    assert await leased(replica, 3, "ann") == ["q5", "q4", "q2"]
    assert await leased(replica, 1, "ann") == ["q5"]


async def test_a_race_that_is_lost_gives_another_query(memory_world: MakeWorld) -> None:
    """The holder is told after the record was read back; the record that was lost is removed."""
    world = await memory_world()
    replica = await world.start()
    await asked(world, "q0", "q1")
    rival(world, replica)
    assert await leased(replica, 1, "ann") == ["q1"]
    assert replica.metric("lease_requests_total", outcome="lost") == 1
    assert replica.metric("lease_requests_total", outcome="granted") == 1
    assert len(await kept(world)) == 2
    assert replica.app.leasing.leases.of_query("q0").holder == (None, "rival")  # type: ignore[union-attr]


async def test_a_restart_keeps_leases(make_world: MakeWorld) -> None:
    """The holder has what it had, of whichever replica it asks, and nobody else gets it."""
    world = await make_world()
    first = await world.start("a")
    await asked(world, *"pqrst")
    own = await leased(first, 2, "ann")
    await first.stop()
    other = await world.start("b")
    await until_pending(world, tuple("pqrst"))
    assert sorted([*own, *await leased(other, 5, "bob")]) == list("pqrst")
    assert await leased(other, 5, "ann") == own


@pytest.mark.parametrize("step", ["send", "sent"])
async def test_a_replica_that_dies_before_it_responds_leaves_nothing_stuck(
    memory_world: MakeWorld, step: str
) -> None:
    """What it had sent is the holder's, who was not told, and what it had not sent is anybody's."""
    world = await memory_world()
    first, other = await world.start("a"), await world.start("b")
    await asked(world, *"pqr")
    client = first.broker
    assert isinstance(client, MemoryClient)
    sent = 0

    def hook(at: str, topic: str) -> None:
        nonlocal sent
        sent += (at, topic) == (step, world.topics.leases)
        if sent == 2:
            client.kill()
            raise Unavailable("killed")

    client.hook = hook
    first.die_at("select", "read")
    with pytest.raises(Unavailable):
        await leased(first, 3, "ann")
    had = {"send": 1, "sent": 2}[step]
    assert len(await leased(other, 3, "bob")) == 3 - had
    assert len(await leased(other, 3, "ann")) == had


async def test_what_could_not_be_sent_is_free_again(memory_world: MakeWorld) -> None:
    world = await memory_world()
    replica = await world.start()
    await asked(world, "p", "q")
    client = replica.broker
    assert isinstance(client, MemoryClient)

    def hook(step: str, topic: str) -> None:
        if (step, topic) == ("send", world.topics.leases):
            raise Unavailable("the broker is away")

    client.hook = hook
    with pytest.raises(Unavailable):
        await leased(replica, 2, "ann")
    client.hook = lambda step, topic: None
    assert await leased(replica, 2, "bob") == ["p", "q"]


async def test_a_lease_that_runs_out_is_offered_again(make_world: MakeWorld) -> None:
    """No other record passes meanwhile: the service itself lets the log's time pass."""
    world = await make_world("labels.lease_seconds=1")
    replicas = [await world.start(name) for name in "ab"]
    await asked(world, "q")
    assert await leased(replicas[0], 1, "ann") == ["q"]
    if world.broker:  # time stands still: on Kafka the lease may be over by now
        assert await leased(replicas[1], 1, "bob") == []
        world.broker.now_ms += 1_001

    async def offered() -> bool:
        return await leased(replicas[1], 1, "bob") == ["q"]

    await world.until(offered, "the lease runs out")
    if world.broker:
        assert await leased(replicas[0], 1, "ann") == []

    async def removed() -> bool:
        return len(await kept(world)) == 1

    await world.until(removed, "the record of the lease that ran out is removed")


async def test_a_renewed_lease_lives_on(memory_world: MakeWorld) -> None:
    world = await memory_world()
    first, other = await world.start("a"), await world.start("b")
    await asked(world, "q")
    (one,) = await first.app.leasing.lease(1, None, "ann", None)
    broker_of(world).now_ms += 200_000
    again = await other.app.leasing.renew(one.lease.lease)
    assert again
    assert again.expires_ms == one.expires_ms + 200_000
    broker_of(world).now_ms += 200_000
    assert await leased(first, 1, "bob") == []
    broker_of(world).compact(world.topics.leases)
    third = await world.start("c")
    await until_pending(world, ("q",))
    assert await leased(third, 1, "ann") == ["q"]


async def test_a_renewal_that_comes_too_late_revives_nothing(memory_world: MakeWorld) -> None:
    """Not even for a replica that reads the topic later."""
    world = await memory_world()
    first = await world.start("a")
    await asked(world, "q")
    (one,) = await first.app.leasing.lease(1, None, "ann", None)
    broker_of(world).now_ms += 300_001
    assert await first.app.leasing.renew(one.lease.lease) is None
    assert await kept(world) == set()
    assert await leased(first, 1, "bob") == ["q"]


async def test_a_label_ends_the_lease_of_its_query(make_world: MakeWorld) -> None:
    world = await make_world()
    replica = await world.start()
    await asked(world, "p", "q")
    assert await leased(replica, 1, "ann") == ["p"]
    await world.label("p")
    await world.until(lambda: "p" not in replica.app.pending, "the query is closed")
    assert await leased(replica, 1, "ann") == ["q"]

    async def removed() -> bool:
        return len(await kept(world)) == 1

    await world.until(removed, "the lease of the closed query is removed")


async def test_the_lease_of_a_closed_query_is_removed_though_nobody_asks(memory_world: MakeWorld) -> None:
    world = await memory_world()
    world.at_pace(expiry_seconds=0.02)
    replica = await world.start()
    await asked(world, "p")
    assert await leased(replica, 1, "ann") == ["p"]
    await world.label("p")

    async def removed() -> bool:
        return not await kept(world)

    await world.until(removed, "its record is removed")


async def test_what_another_replica_has_given_just_now_is_the_holders(memory_world: MakeWorld) -> None:
    """A page that is loaded anew may reach a replica that has not read of its leases yet."""
    world = await memory_world()
    replica = await world.start()
    await asked(world, "p", "q")
    lease = Lease("a", "q", str(replica.app.pending.version("q")), "ann", 300.0)
    broker_of(world).append(Outgoing(world.topics.leases, b"a", encode(lease)))
    assert await leased(replica, 1, "ann") == ["q"]
    assert await leased(replica, 1, "bob") == ["p"], "and nothing else is kept"


async def test_a_holder_labels_fifty_at_once_and_gets_fifty_more(memory_world: MakeWorld) -> None:
    """What is labelled does not count against the most that a holder may have."""
    world = await memory_world()
    world.at_pace(expiry_seconds=1000.0)
    replica = await world.start()
    await asked(world, *(f"q{number}" for number in range(110)))
    own = await leased(replica, 50, "ann")
    assert len(own) == 50
    for sample_id in own:
        await world.label(sample_id)
    await world.until(lambda: len(replica.app.pending) == 60, "they are closed")
    again = await leased(replica, 50, "ann")
    assert len(again) == 50
    assert not {*own} & {*again}


async def test_the_grant_that_a_dead_replica_had_lost_is_removed(memory_world: MakeWorld) -> None:
    """By another replica; until then it counts for nothing."""
    world = await memory_world()
    world.at_pace(expiry_seconds=0.02)
    replica = await world.start()
    await asked(world, "q")
    (one,) = await replica.app.leasing.lease(1, None, "ann", None)
    lost = msgspec.structs.replace(one.lease, lease="lost", holder="bob")
    await world.client.send([Outgoing(world.topics.leases, b"lost", encode(lost))])

    async def removed() -> bool:
        return await kept(world) == {one.lease.lease}

    await world.until(removed, "the lost grant is removed")


async def test_a_second_query_goes_to_another_annotator(memory_world: MakeWorld) -> None:
    """Neither to one who has labelled the sample, nor to one who holds another query of it."""
    world = await memory_world()
    replica = await world.start()
    made = [
        {**query("p~2"), "second_of": "p", "labelled_by": ["ann"]},
        {**query("q"), "utility": 0.8},
        {**query("q~2"), "second_of": "q", "utility": 0.7},
    ]
    await world.send(world.topics.queries, made)
    await until_pending(world, ("p~2", "q", "q~2"))
    assert await leased(replica, 3, "one", "ann") == ["q"]
    assert await leased(replica, 3, "another", "ann") == []
    assert await leased(replica, 3, "two", "bob") == ["p~2", "q~2"]


async def test_a_lease_may_be_read_before_its_query(memory_world: MakeWorld) -> None:
    """Another replica was quicker; the query is nobody else's all the same."""
    world = await memory_world()
    replica = await world.start()
    lease = Lease("a", "q", "v1", "ann", 300.0)
    await world.client.send([Outgoing(world.topics.leases, b"a", encode(lease))])
    await world.until(lambda: len(replica.app.leasing.leases) == 1, "the lease is read")
    await world.send(world.topics.queries, [{**query("q"), "version": "v1"}])
    await until_pending(world, ("q",))
    assert await leased(replica, 1, "bob") == []
    assert await leased(replica, 1, "ann") == ["q"]


async def test_without_the_topic_the_start_says_what_to_do(memory_world: MakeWorld) -> None:
    """As after an update of a deployment whose topics were created by the version before."""
    world = await memory_world()
    del broker_of(world).topics[world.topics.leases]
    replica = world.launch()
    with pytest.raises(
        Misconfigured, match=f"{world.topics.leases} do not exist: run `stream-al topics create`"
    ):
        await replica.task
    world.replicas.clear()
