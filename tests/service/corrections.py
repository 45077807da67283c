"""Helpers for tests of corrections: the model of a log whose labels were right at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from stream_al.engine.labels.corrections import CONSENSUS
from stream_al.engine.labels.exclusions import Exclusions
from stream_al.engine.labels.learner import Learner
from stream_al.messages import ClassLabel, Example, decode
from stream_al.service.engine_settings import fresh_learner
from tests.support.replica import Replica
from tests.support.world import World

NONE = Exclusions()


async def corrected(world: World, labels: Mapping[str, ClassLabel]) -> None:
    """Append corrections to the examples, as a replica or the command line would."""
    records = [{"id": i, "label": label, "corrects": True, "annotator": "eve"} for i, label in labels.items()]
    await world.send(world.topics.examples, records)


async def right_at_once(world: World, excluded: Exclusions = NONE) -> Learner:
    """The law, computed in the simplest way: write the right labels into the log, and fold that."""
    records = await world.records(world.topics.examples)
    log = [(r.offset, decode(Example, r.value, max_bytes=10**6)) for r in records if r.offset not in excluded]
    first: dict[str, int] = {}
    right: dict[int, ClassLabel] = {}
    for at, one in log:
        if one.corrects and one.id in first:
            if one.reason != CONSENSUS or first[one.id] not in right:  # no person's decision, nor its own
                right[first[one.id]] = one.label
        elif one.features is not None:
            first.setdefault(one.id, at)
    learner = fresh_learner(world.settings)
    for at, one in log:
        if not one.corrects:
            learner.fold(msgspec.structs.replace(one, label=right.get(at, one.label)), at)
    return learner


async def agree(world: World, replicas: Iterable[Replica], excluded: Exclusions = NONE) -> None:
    """All replicas have the model of a log whose labels were right at once."""
    end = len(await world.records(world.topics.examples))
    right = await right_at_once(world, excluded)

    def there(replica: Replica) -> bool:
        model = replica.app.local_model
        is_counted = replica.metric("corrected_examples") == len(model.learner.ledger.corrected)
        is_there = (model.learner.offset, model.learner.excluded) == (end, excluded)
        return is_there and is_counted and not model.rebuilding

    for replica in replicas:
        await world.until(lambda: there(replica), "the model is built again")  # noqa: B023 - now
        learner = replica.app.local_model.learner
        assert replica.digest == right.model.digest()
        assert dict(learner.known) == dict(right.known)
        assert learner.evaluation.current.overall == right.evaluation.current.overall
        assert replica.metric("model_rebuilding") == 0
