"""Annotators who label samples that others have labelled."""

from __future__ import annotations

from typing import Any

from tests.support.replica import Replica
from tests.support.stream import truth
from tests.support.world import World


async def label_as(world: World, annotators: list[str], wrong: set[str] = frozenset()) -> None:  # type: ignore[assignment]
    """Label every open query once, each by an annotator who has not labelled the sample."""
    for query in await world.queries():
        if query["id"] in world.labelled:
            continue
        who = next(name for name in annotators if name not in query.get("labelled_by", []))
        label = truth(query["features"])
        if query["id"] in wrong:
            label = "down" if label == "up" else "up"
        world.labelled.add(query["id"])
        await world.label(query["id"], label, annotator=who, version=query["version"])


async def run(world: World, replicas: list[Replica], number: int, start: int = 0, **how: Any) -> None:
    """Send samples, and label until all queries are labelled and folded."""
    ids = {one["id"] for one in await world.samples(number, start)}

    async def settled() -> bool:
        if not await world.decided() >= ids or not await world.all_applied():
            return False
        await label_as(world, ["ann", "bob", "eve"], **how)
        examples = await world.examples()
        known = {one["id"] for one in examples}
        end = len(await world.records(world.topics.examples))
        folded = all(one.offset == end and not one.app.pending for one in replicas)
        return folded and {q["id"] for q in await world.queries()} <= known

    await world.until(settled, "all is decided, labelled and folded")
