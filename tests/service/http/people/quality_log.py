"""Examples of labels for tests of their quality."""

from __future__ import annotations

import msgspec

from stream_al.identity import version_of
from stream_al.messages import Example, Prediction
from tests.support.replica import Replica
from tests.support.world import World

FEATURES = {"x": 0.5}


def first(sample_id: str, label: str = "up", *, reason: str = "uncertain", p: float = 0.9) -> Example:
    """A first label; p is the probability of `up`."""
    said = Prediction("up", {"up": p, "down": 1 - p})
    given = {"features": FEATURES, "propensity": 0.5, "prediction": said}
    return Example(sample_id, label, annotator="ann", reason=reason, **given)  # type: ignore[arg-type]


def further(sample_id: str, label: str, by: str, before: list[str]) -> Example:
    name, version = f"{sample_id}~{len(before) + 1}", version_of(FEATURES)
    return Example(name, label, annotator=by, version=version, second_of=sample_id, labelled_by=before)


async def fold(world: World, replica: Replica, *examples: Example) -> None:
    await world.send(world.topics.examples, [msgspec.to_builtins(one) for one in examples])
    end = len(await world.records(world.topics.examples))
    await world.until(lambda: replica.offset == end, "all are folded")
