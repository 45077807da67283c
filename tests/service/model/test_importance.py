"""The importance of the features is computed beside the other work of the event loop, and seldom."""

from __future__ import annotations

import asyncio

from stream_al.engine.labels.exclusions import Exclusions
from stream_al.engine.labels.judge import KnownLabels
from stream_al.engine.labels.learner import Learner
from stream_al.engine.model.model import Model
from stream_al.messages import Example
from stream_al.service.model.importance import SHOWN, FeatureImportance
from stream_al.service.timing.clock import Clock, Pace

FEATURES = 60


def learner(examples: int) -> Learner:
    found = Learner(Model("GaussianNB()", seed=0), KnownLabels(1000))
    grow(found, examples)
    return found


def grow(found: Learner, examples: int) -> None:
    for offset in range(found.offset, found.offset + examples):
        features = {f"x{column}": float((offset * (column + 7)) % 11) for column in range(FEATURES)}
        found.fold(Example(id=str(offset), label="a" if offset % 2 else "b", features=features), offset)


async def test_other_tasks_run_while_it_is_computed() -> None:
    rounds, measuring = 0, True

    async def other_task() -> None:
        nonlocal rounds
        while measuring:
            rounds += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other_task())
    found = await FeatureImportance(Clock(Pace(slice_seconds=1e-9))).of(learner(40))
    measuring = False
    await task
    assert found["examined"] == FEATURES
    assert rounds > FEATURES


async def test_requests_at_one_time_share_a_result_and_it_is_kept_until_more_is_learned() -> None:
    importance, found = FeatureImportance(Clock()), learner(100)
    first, second = await asyncio.gather(importance.of(found), importance.of(found))
    assert first is second
    grow(found, 1)
    assert await importance.of(found) is first
    grow(found, 9)
    assert (await importance.of(found))["examples"] == 110


async def test_it_is_computed_anew_when_other_examples_count() -> None:
    importance, found = FeatureImportance(Clock()), learner(100)
    first = await importance.of(found)
    rebuilt = Learner(Model("GaussianNB()", seed=0), KnownLabels(1000), excluded=Exclusions().adding(0, 1))
    grow(rebuilt, 101)
    assert (await importance.of(rebuilt))["examples"] == 100
    assert await importance.of(rebuilt) is not first


async def test_the_largest_are_shown_in_order() -> None:
    found = (await FeatureImportance(Clock()).of(learner(100)))["features"]
    assert 0 < len(found) <= SHOWN
    assert list(found.values()) == sorted(found.values(), reverse=True)
