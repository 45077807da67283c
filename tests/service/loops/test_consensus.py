"""A wrong label that second labels contradict is corrected by consensus, once, on all replicas; both logs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from stream_al.service.broker.protocols import Broker, Outgoing
from tests.service.corrections import agree, corrected
from tests.service.second_labels import run
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
