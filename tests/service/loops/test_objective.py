"""The objective in the service: one rule says the label in predictions, queries and responses."""

from __future__ import annotations

from typing import Any

from structlog.testing import capture_logs

from stream_al.engine.labels.learner import Learner
from stream_al.messages import Example, encode
from stream_al.messages import decode as decoded
from stream_al.service.engine_settings import fresh_learner
from tests.support.http_client import client_of
from tests.support.stream import sample
from tests.support.world import MakeWorld, World

OBJECTIVE = "recall of up at precision 0.3"


async def taught(world: World, rounds: int = 4) -> None:
    """Send samples in rounds, so that later ones are predicted by a model that has learned."""
    for number in range(rounds):
        await world.settle([made["id"] for made in await world.samples(60, start=60 * number)])


async def folds(world: World) -> list[Learner]:
    """A learner after each number of examples, from none to all."""
    values = [encode(example) for example in await world.examples()]
    found = []
    for end in range(len(values) + 1):
        learner = fresh_learner(world.settings)
        for offset, value in enumerate(values[:end]):
            learner.fold(decoded(Example, value, max_bytes=100_000), offset)
        found.append(learner)
    return found


def most_probable(message: dict[str, Any]) -> str | None:
    probabilities = message["probabilities"]
    return max(probabilities, key=probabilities.__getitem__, default=None)


async def test_predictions_queries_and_responses_have_the_label_of_the_rule(memory_world: MakeWorld) -> None:
    """Their probabilities stay those of the model."""
    world = await memory_world(f"model.objective={OBJECTIVE}")
    replica = await world.start()
    await taught(world)
    learners = await folds(world)
    predictions = await world.messages(str(world.topics.predictions))
    for message in predictions:
        learner = learners[message["model"]["examples"]]
        assert message["label"] == learner.rule.label(message["probabilities"])
        assert message["model"]["version"] == learner.fingerprint[:12]
    assert any(message["label"] != most_probable(message) for message in predictions)
    said = {message["id"]: message for message in predictions}
    for query in await world.queries():
        assert query["prediction"] == {key: said[query["id"]][key] for key in ("label", "probabilities")}
        assert query["strategy"] == "class_balance"
    async with client_of(replica) as client:
        for number in range(1000, 1040):
            response = (await client.post("/v1/predict", json=sample(number)["features"])).json()
            assert response["label"] == learners[-1].rule.label(response["probabilities"])
        model = (await client.get("/v1/status")).json()["model"]
    assert (model["objective"], model["threshold"]) == (OBJECTIVE, learners[-1].rule.threshold)


async def test_another_objective_learns_all_examples_again(memory_world: MakeWorld) -> None:
    """A snapshot made under another objective holds no rule for this one."""
    world = await memory_world()
    replica = await world.start()
    await taught(world, 2)
    await replica.stop()
    assert list(world.snapshots("a").glob("*.snapshot"))
    model = world.settings.model.model_copy(update={"objective": "balanced"})
    world.settings = world.settings.model_copy(update={"model": model})
    with capture_logs() as captured:
        again = await world.start()
    assert {entry["event"] for entry in captured} >= {"snapshot discarded"}
    assert again.metric("examples_total", outcome="learned") == len(await world.examples())
    assert again.app.local_model.learner.rule == (await folds(world))[-1].rule
    assert (again.offset, again.digest) == (replica.offset, replica.digest)
