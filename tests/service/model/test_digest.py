"""The digest and the snapshot of a large model hold neither the event loop nor, for long, the learning."""

from __future__ import annotations

import asyncio
from threading import get_ident

import pytest

from stream_al.engine.model import digest
from stream_al.engine.model.model import Model
from stream_al.engine.model.pickling import dumps
from stream_al.service.model import local_model
from tests.support.world import MakeWorld

WIDE = {f"x{number}": float(number) for number in range(300)}


def at_once(model: Model) -> str:
    """The digest of a model without a committee and a reference set."""
    return digest.digest((model.classifier.river, model.classes, digest.digest(model._features.known)))


async def test_other_tasks_run_while_a_digest_is_worked_out(memory_world: MakeWorld) -> None:
    world = await memory_world("model.definition=GaussianNB()")
    replica = await world.start()
    model = replica.app.local_model
    for number in range(40):
        model.model.learn(WIDE, f"class {number}")
    rounds = 0

    async def others() -> None:
        nonlocal rounds
        while True:
            rounds += 1
            await asyncio.sleep(0)

    beside = asyncio.create_task(others())
    await model.prepare_digest()
    beside.cancel()
    assert rounds > 10
    assert model.model._digest == at_once(model.model)


async def test_what_is_learned_meanwhile_is_in_the_digest(memory_world: MakeWorld) -> None:
    """A digest that was begun before an example is thrown away, and the second time learning waits."""
    world = await memory_world("model.definition=GaussianNB()")
    replica = await world.start()
    model = replica.app.local_model
    for number in range(40):
        model.model.learn(WIDE, f"class {number}")
    preparing = asyncio.create_task(model.prepare_digest())
    await asyncio.sleep(0)
    assert not preparing.done(), "otherwise nothing is learned meanwhile"
    model.model.learn(WIDE, "class 1")
    model.learner.skip(model.learner.offset)
    await preparing
    assert model.model._digest == at_once(model.model)


async def test_a_snapshot_is_pickled_in_a_thread(
    memory_world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[int] = []

    def noted(learner: object) -> bytes:
        threads.append(get_ident())
        return dumps(learner)

    monkeypatch.setattr(local_model, "dumps", noted)
    world = await memory_world()
    replica = await world.start()
    await world.settle([made["id"] for made in await world.samples(10)])
    await replica.app.local_model.save()
    assert threads
    assert get_ident() not in threads
