"""Helpers for tests of rollbacks: learn, start again, and compare models with the pure engine."""

from __future__ import annotations

import shutil
from collections.abc import Iterable

from stream_al.engine.labels.exclusions import Exclusions
from stream_al.messages import Example, decode
from stream_al.service.engine_settings import fresh_learner
from tests.support.flow import run
from tests.support.replica import Replica
from tests.support.world import World


async def digest_of(world: World, excluded: Exclusions, begin: int = 0) -> str:
    """The digest of a model that has learned the examples from `begin` on, except the excluded ones."""
    learner = fresh_learner(world.settings)
    for record in await world.records(world.topics.examples):
        if record.offset >= begin and record.offset not in excluded:
            learner.fold(decode(Example, record.value, max_bytes=10**6), record.offset)
    return learner.model.digest()


async def agree(world: World, replicas: Iterable[Replica], excluded: Exclusions, begin: int = 0) -> None:
    """All replicas have learned all examples that count, and no others."""
    end = (await world.records(world.topics.examples))[-1].offset + 1

    def there(replica: Replica) -> bool:
        learner = replica.app.local_model.learner
        is_counted = replica.metric("model_examples") == learner.model.examples
        return is_counted and (learner.offset, learner.excluded) == (end, excluded)

    for replica in replicas:
        await world.until(lambda: there(replica), "the model is built again")  # noqa: B023 - now
        assert replica.digest == await digest_of(world, excluded, begin)
        learner = replica.app.local_model.learner
        assert learner.model.examples == sum(learner.model.classes.values()) == len(learner.known)


async def taught(world: World, number: int = 60, start: int = 0) -> int:
    """Let samples be decided, labelled and learned; the end of the examples."""
    await run(world, number, start)
    return len(await world.records(world.topics.examples))


async def restarted(world: World, *names: str, snapshots: bool) -> list[Replica]:
    """Stop all replicas, and start them again with or without their snapshots."""
    for replica in world.replicas:
        await replica.stop()
    if not snapshots:
        for name in names:
            shutil.rmtree(world.snapshots(name), ignore_errors=True)
    return [await world.start(name) for name in names]
