"""What must hold whatever was broken, read from the topics and from the status of the replicas.

    check_queries        every selection that was acknowledged is in `queries`
    check_offsets        the committed offset never passes a sample without a decision, nor a label that
                         was not judged
    check_learned_once   every replica learns each id at most once
    check_digests        replicas at the same offset of `examples` have models with the same digest
    check_replay         the pure engine, run over the topics, makes the same decisions and the same model

`check_replay` uses nothing of the service but its reading of the settings (`tests.faults.replay`).

`check_offsets` holds at every moment. Call the others only after all has come to rest, for they read the
topics as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tests.faults.admin import committed_labels, committed_samples
from tests.faults.replay import Replay
from tests.faults.testbed import Figures
from tests.support.processes import Server
from tests.support.world import World

__all__ = [
    "check_all",
    "check_digests",
    "check_learned_once",
    "check_offsets",
    "check_queries",
    "check_replay",
    "committed",
    "statuses",
    "tally",
]

Status = Mapping[str, Any]


async def committed(world: World) -> int:
    """How many samples lie before the committed offsets."""
    return sum(position.offset for position in (await committed_samples(world)).values())


async def has_committed(world: World, samples: int) -> bool:
    """Whether so many samples are committed."""
    return await committed(world) == samples


async def statuses(servers: Sequence[Server]) -> list[Status]:
    """The status of every replica."""
    return [await server.status() for server in servers]


async def check_queries(world: World, *, torn: bool = False) -> None:
    """Every selection that was acknowledged is in `queries`.

    Args:
        world: The world whose topics are read.
        torn: Whether a batch may have been sent in part. Then the log has predictions whose query was
            never acknowledged, and the batch was decided again: the last prediction of a sample counts.
    """
    asked = {q["id"] for q in await world.queries()}
    said = await world.messages(str(world.topics.predictions))
    last = {p["id"]: p["queried"] for p in said}
    selected = {p["id"] for p in said if (last[p["id"]] if torn else p["queried"])}
    assert selected <= asked, f"selected, and not in `queries`: {sorted(selected - asked)[:5]}"


async def check_offsets(world: World) -> None:
    """Whatever lies before a committed offset has its effects in the log. This holds at any moment."""
    topics = world.topics
    selected, judged = await committed_samples(world), await committed_labels(world)
    letters = [topic + topics.dead_letter_suffix for topic in (topics.samples, topics.labels)]
    dead = {r.key for letter in letters for r in await world.records(letter)}
    decided = {p.encode() for p in await world.decided()} | dead
    for record in await world.records(topics.samples):
        if record.partition in selected and record.offset < selected[record.partition].offset:
            assert record.key in decided, f"the offset passed an undecided sample: {record.key!r}"
    learned = {e["id"].encode() for e in await world.examples()} | dead
    closed = {r.key for r in await world.records(topics.queries) if r.value is None}
    for record in await world.records(topics.labels):
        if record.partition in judged and record.offset < judged[record.partition].offset:
            assert record.key in learned | closed, f"the offset passed an unjudged label: {record.key!r}"


async def check_learned_once(world: World, states: Iterable[Status]) -> None:
    """Each id is learned at most once."""
    examples = await world.examples()
    firsts = {e["id"] for e in examples if e.get("features") is not None}
    for state in states:
        assert state["examples"]["offset"] == len(examples), "a replica has not read all examples"
        learned = state["examples"]["outcomes"]["learned"]
        assert learned == state["model"]["examples"] == len(firsts), (
            f"{learned} examples learned, {state['model']['examples']} in the model, {len(firsts)} ids"
        )
        assert sum(one["examples"] for one in state["model"]["classes"]) == learned


async def check_digests(states: Iterable[Status]) -> None:
    """Models at the same offset have the same digest."""
    digests: dict[int, set[str]] = {}
    for state in states:
        digests.setdefault(state["model"]["offset"], set()).add(state["model"]["digest"])
    assert all(len(found) == 1 for found in digests.values()), f"models differ: {digests}"


async def check_replay(world: World, states: Iterable[Status]) -> Figures:
    """The pure engine makes the same decisions and the same model."""
    replay = await Replay.of(world)
    compared = replay.compare()
    digest = replay.digest()
    for state in states:
        assert state["model"]["offset"] == len(replay.examples), "a replica has not read all examples"
        assert state["model"]["digest"] == digest, "the replay makes another model"
    return {"replayed": compared}


async def check_all(world: World, servers: Sequence[Server], *, torn: bool = False) -> Figures:
    """Everything above, after all has come to rest."""
    states = await statuses(servers)
    await check_queries(world, torn=torn)
    await check_offsets(world)
    await check_learned_once(world, states)
    await check_digests(states)
    return await check_replay(world, states)


async def tally(world: World, ids: Iterable[str], **more: float | str) -> Figures:
    """The figures that most faults report. `lost` and `doubled` are counted, not assumed.

    Lost are samples without a decision, selected samples without a query, and queries with a label that
    was not learned. Doubled are queries that were published a second time.
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
