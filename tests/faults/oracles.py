"""The oracles: what must hold whatever was broken, judged from the topics and from what replicas say.

    O1  every acknowledged selection is in `queries`
    O2  the committed offset never passes an undecided sample, nor an unjudged label
    O3  each id is learned at most once per replica
    O4  equal model digests at equal examples offset on all replicas
    O5  the pure engine, replayed over the topics, gives the same decisions and the same digest

O5 replays with nothing of the service but its wording of settings (`tests.faults.twin`). A crash makes
the service decide about a batch twice, perhaps with another model, and only one of the two decisions
becomes the partition's state; so the replay walks a set of possible states. Every prediction in the log
must follow from one of them, and the state committed last must be among them at the end.

All of them read the topics as they are: call them when all has come to rest, except for O2, which holds
at every moment.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from stream_al.service.broker.kafka import Kafka
from tests.faults.arena import Figures
from tests.faults.server import Server
from tests.faults.twin import Twin
from tests.support.world import World

__all__ = ["all_five", "committed", "o1", "o2", "o3", "o4", "o5", "tally"]

Status = Mapping[str, Any]


async def committed(world: World) -> int:
    """How many samples lie before the committed offsets."""
    assert isinstance(world.client, Kafka)
    group, topics = f"{world.settings.application}.select", world.topics
    found = await world.client.connection.committed(group, topics.samples, range(topics.partitions))
    return sum(position.offset for position in found.values())


async def statuses(servers: Sequence[Server]) -> list[Status]:
    """What the replicas say of themselves."""
    return [await server.status() for server in servers]


async def o1(world: World, *, torn: bool = False) -> None:
    """Every acknowledged selection is in `queries`.

    Args:
        world: Whose topics to read.
        torn: Whether a sending may have been cut in the middle: then a prediction whose query was not
            acknowledged is in the log, and the batch was decided again. The last word counts.
    """
    asked = {q["id"] for q in await world.queries()}
    said = await world.messages(str(world.topics.predictions))
    last = {p["id"]: p["queried"] for p in said}
    selected = {p["id"] for p in said if (last[p["id"]] if torn else p["queried"])}
    assert selected <= asked, f"O1: selected, never asked: {sorted(selected - asked)[:5]}"


async def o2(world: World) -> None:
    """What lies before a committed offset has its effects in the log; at any moment."""
    topics, partitions = world.topics, range(world.topics.partitions)
    client, name = world.client, world.settings.application
    assert isinstance(client, Kafka)
    selected = await client.connection.committed(f"{name}.select", topics.samples, partitions)
    judged = await client.connection.committed(f"{name}.intake", topics.labels, partitions)
    letters = [topic + topics.dead_letter_suffix for topic in (topics.samples, topics.labels)]
    buried = {r.key for letter in letters for r in await world.records(letter)}
    decided = {p.encode() for p in await world.decided()} | buried
    for record in await world.records(topics.samples):
        if record.partition in selected and record.offset < selected[record.partition].offset:
            assert record.key in decided, f"O2: passed undecided: sample {record.key!r}"
    learned = {e["id"].encode() for e in await world.examples()} | buried
    closed = {r.key for r in await world.records(topics.queries) if r.value is None}
    for record in await world.records(topics.labels):
        if record.partition in judged and record.offset < judged[record.partition].offset:
            assert record.key in learned | closed, f"O2: passed unjudged: label {record.key!r}"


async def o3(world: World, states: Iterable[Status]) -> None:
    """Each id is learned at most once."""
    examples = await world.examples()
    firsts = {e["id"] for e in examples if e.get("features") is not None}
    for state in states:
        assert state["examples"]["offset"] == len(examples), "O3: a replica has not read all examples"
        learned = state["examples"]["outcomes"]["learned"]
        assert learned == state["model"]["examples"] == len(firsts), (
            f"O3: {learned} learned by {state['model']['examples']} lessons, of {len(firsts)} ids"
        )
        assert sum(state["model"]["classes"].values()) == learned


async def o4(states: Iterable[Status]) -> None:
    """Equal digests at equal offsets."""
    digests: dict[int, set[str]] = {}
    for state in states:
        digests.setdefault(state["model"]["offset"], set()).add(state["model"]["digest"])
    assert all(len(found) == 1 for found in digests.values()), f"O4: models differ: {digests}"


async def o5(world: World, states: Iterable[Status]) -> Figures:
    """The pure engine comes to the same decisions and the same model."""
    twin = await Twin.of(world)
    replayed = twin.replay()
    digest = twin.digest()
    for state in states:
        assert state["model"]["offset"] == len(twin.examples), "O5: a replica has not read all examples"
        assert state["model"]["digest"] == digest, "O5: the replayed model is another one"
    return {"replayed": replayed}


async def all_five(world: World, servers: Sequence[Server], *, torn: bool = False) -> Figures:
    """All oracles, when all has come to rest."""
    states = await statuses(servers)
    await o1(world, torn=torn)
    await o2(world)
    await o3(world, states)
    await o4(states)
    return await o5(world, states)


async def tally(world: World, ids: Iterable[str], **more: float | str) -> Figures:
    """The figures that most faults give; `lost` and `doubled` are counted, not assumed.

    Lost are samples without a decision, selected ones without a query, and queries that were answered
    and not learned. Doubled are queries that were published once more.
    """
    wanted = set(ids)
    asked = [q["id"] for q in await world.queries()]
    labels = await world.messages(world.topics.labels)
    learned = {e["id"] for e in await world.examples()}
    last = {p["id"]: p["queried"] for p in await world.messages(str(world.topics.predictions))}
    lost = len(wanted - last.keys())
    lost += len({i for i, queried in last.items() if queried} - set(asked))
    lost += len(set(asked) & {label["id"] for label in labels} - learned)
    figures: Figures = {
        "samples": len(wanted),
        "queries": len(set(asked)),
        "labels": len(labels),
        "examples": len(learned),
        "lost": lost,
        "doubled": len(asked) - len(set(asked)),
    }
    return {**figures, **more}
