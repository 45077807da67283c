"""A wrong label that second labels contradict is corrected by consensus, once, on all replicas; both logs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from stream_al.errors import Unavailable
from stream_al.service.broker.protocols import Broker, Outgoing
from tests.service.corrections import agree, corrected
from tests.service.second_labels import run
from tests.support.oracles import client_of
from tests.support.stream import truth
from tests.support.world import MakeWorld


async def test_a_wrong_label_is_corrected_by_the_labels_of_others(make_world: MakeWorld) -> None:
    """All replicas follow. What a person decides afterwards stays, whatever the others say."""
    world = await make_world("labels.per_query=2", "budget.share=0.5")
    world.at_pace(consensus_seconds=0.05, correction_seconds=0.05)
    a, b = await world.start("a"), await world.start("b")
    await world.samples(40)
    await world.until(world.queries, "something is asked")
    first = (await world.queries())[0]
    wrong = first["id"]
    for start in range(40, 160, 40):
        await run(world, [a, b], 40, start, wrong={wrong})

    async def is_corrected() -> bool:
        return any(e.get("corrects") for e in await world.examples())

    await world.until(is_corrected, "the consensus corrects it")
    await agree(world, [a, b])
    (made,) = [e for e in await world.examples() if e.get("corrects")]
    right = truth(first["features"])
    assert (made["id"], made["label"], made["reason"]) == (wrong, right, "consensus")
    given = "down" if right == "up" else "up"
    await corrected(world, {wrong: given})
    await run(world, [a, b], 40, 160)
    await agree(world, [a, b])
    for replica in (a, b):
        replica.app.consensus._seen = 0
        await replica.app.consensus.step()
    assert len([e for e in await world.examples() if e.get("corrects")]) == 2
    assert a.app.local_model.learner.known[wrong] == given


async def test_a_correction_is_written_once_while_it_is_not_learned_yet(make_world: MakeWorld) -> None:
    """More second labels may come between the two."""
    world = await make_world("labels.per_query=2", "budget.share=0.5")
    a = await world.start("a")
    consensus, kept = a.app.consensus, Kept()
    consensus.broker = cast("Broker", kept)
    await world.samples(40)
    await world.until(world.queries, "something is asked")
    wrong = (await world.queries())[0]["id"]
    for start in range(40, 160, 40):
        await run(world, [a], 40, start, wrong={wrong})
    for _ in range(3):
        consensus._seen = 0
        await consensus.step()
    assert [one.key for one in kept.sent] == [wrong.encode()]


class Kept:
    """A broker that only keeps what it is sent, so that nothing of it is learned."""

    def __init__(self) -> None:
        self.sent: list[Outgoing] = []

    async def send(self, records: Sequence[Outgoing]) -> None:
        self.sent.extend(records)


async def test_a_persons_decision_stays_that_the_consensus_did_not_know_of(memory_world: MakeWorld) -> None:
    """The replica that writes the consensus is a moment behind: it has not read yet what a person decided."""
    world = await memory_world("labels.per_query=2", "budget.share=0.5")
    world.at_pace(correction_seconds=0.05)
    a = await world.start("a")
    a.app.consensus.enabled = False
    await world.samples(40)
    await world.until(world.queries, "something is asked")
    wrong = (await world.queries())[0]["id"]
    for start in range(40, 160, 40):
        await run(world, [a], 40, start, wrong={wrong})

    def behind(step: str, topic: str) -> None:
        if (step, topic) == ("read", world.topics.examples):
            raise Unavailable("a moment later")

    client_of(a).hook = behind
    await corrected(world, {wrong: "sideways"})
    a.app.consensus.enabled = True
    await a.app.consensus.step()

    async def written() -> bool:  # perhaps by the step of the replica's own loop, which is under way then
        reasons = [e.get("reason") for e in await world.examples() if e.get("corrects")]
        return reasons == [None, "consensus"]

    await world.until(written, "the consensus is written all the same")
    client_of(a).hook = lambda step, topic: None
    await agree(world, [a])
    assert a.app.local_model.learner.known[wrong] == "sideways"
