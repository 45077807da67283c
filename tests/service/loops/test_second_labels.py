"""Second labels from the settings to the topics: asked within the budget, joined, recorded; on both logs."""

from __future__ import annotations

import pytest

from tests.service.second_labels import run
from tests.support.replica import Replica
from tests.support.stream import truth
from tests.support.world import MakeWorld, World

HALF = "labels.second_share=0.5"


async def test_some_samples_are_asked_about_again_by_another_annotator_within_the_budget(
    make_world: MakeWorld,
) -> None:
    world = await make_world(HALF)
    replica = await world.start()
    for start in range(0, 240, 40):
        await run(world, [replica], 40, start)
    queries = {q["id"]: q for q in await world.queries()}
    second = {i: q for i, q in queries.items() if "second_of" in q}
    assert second
    assert len(queries) <= 0.2 * 240 + world.topics.partitions * 1.5
    for query in second.values():
        first = queries[query["second_of"]]
        for same in ("features", "prediction", "propensity", "version"):
            assert query[same] == first[same]
        assert query["labelled_by"] == ["ann"]
        assert "label" not in query
    examples = {e["id"]: e for e in await world.examples()}
    for sample_id, query in second.items():
        example = examples[sample_id]
        assert (example["second_of"], example["annotator"]) == (query["second_of"], "bob")
        assert "features" not in example
    learner = replica.app.local_model.learner
    assert learner.model.examples == len(queries) - len(second)
    assert learner.trust.second_labels == len(second)
    assert await world.open_queries() == set()
    assert replica.metric("second_queries_total") == len(second)
    spent = [one.state.spent.bought for one in replica.app.select.partitions.values()]
    assert sum(spent) == len(queries)


async def find_a_wrong_label(world: World, replica: Replica) -> str:
    """Let the first label of a query be wrong, and two further ones right; return its id."""
    await world.samples(40)
    await world.until(world.queries, "something is asked")
    wrong = {str(next(q["id"] for q in await world.queries()))}
    for start in range(40, 200, 40):
        await run(world, [replica], 40, start, wrong=wrong)
    return wrong.pop()


async def test_a_wrong_label_is_found_by_a_second_one_and_proposed(make_world: MakeWorld) -> None:
    """Two annotators disagree, and a third one decides; nothing is changed where the settings say so."""
    world = await make_world("labels.per_query=2", "budget.share=0.5", "labels.correct_by_consensus=false")
    replica = await world.start()
    wrong = await find_a_wrong_label(world, replica)
    (one,) = replica.app.local_model.learner.trust.proposals()
    examples = await world.examples()
    asked = next(q for q in await world.queries() if q["id"] == wrong)
    assert one.consensus == truth(asked["features"]) != one.label == examples[one.offset]["label"]
    assert (one.id, examples[one.offset]["id"], one.labels, one.outvoted) == (wrong, wrong, 3, True)
    assert not any(example.get("corrects") for example in examples)


async def test_a_wrong_label_is_corrected_by_the_consensus_of_three(make_world: MakeWorld) -> None:
    """Once, by whichever replica; and each replica learns the right label."""
    world = await make_world("labels.per_query=2", "budget.share=0.5")
    world.at_pace(expiry_seconds=0.05, correction_seconds=0.0)
    replica = await world.start()
    wrong = await find_a_wrong_label(world, replica)
    asked = next(q for q in await world.queries() if q["id"] == wrong)

    async def corrected() -> bool:
        return any(example.get("corrects") for example in await world.examples())

    await world.until(corrected, "the correction is written")
    (made,) = [one for one in await world.examples() if one.get("corrects")]
    assert (made["id"], made["reason"], made["label"]) == (wrong, "consensus", truth(asked["features"]))
    end = len(await world.records(world.topics.examples))
    await world.until(lambda: replica.offset == end, "the correction is folded")
    await world.until(lambda: not replica.app.local_model.rebuilding, "the model is rebuilt")
    learner = replica.app.local_model.learner
    assert learner.known[wrong] == truth(asked["features"])
    assert list(learner.trust.proposals()) == []
    other = await world.start("b")
    assert (other.offset, other.digest) == (replica.offset, replica.digest)
    assert other.app.local_model.learner.trust == learner.trust


async def test_a_second_label_of_the_same_annotator_is_refused_and_the_query_stays_pending(
    make_world: MakeWorld,
) -> None:
    world = await make_world()
    replica = await world.start()
    await world.ask("q")
    (asked,) = await world.queries()
    await world.label("q", "up", annotator="ann")
    await world.until(lambda: replica.offset == 1, "the label is learned")
    again = {**asked, "id": "q~2", "reason": "second", "second_of": "q", "labelled_by": ["ann"]}
    await world.send(
        world.topics.queries, [{**again, "version": replica.app.local_model.learner.known.version("q")}]
    )
    await world.until(lambda: "q~2" in replica.app.pending, "the second query is pending")
    await world.label("q~2", "down", annotator="ann")
    await world.label("q~2", "down", via="ann")
    await world.until(
        lambda: replica.metric("dead_letters_total", stage="intake", reason="same_annotator") == 2,
        "it is refused",
    )
    assert "q~2" in replica.app.pending
    await world.label("q~2", "down", annotator="bob")
    await world.until(lambda: replica.offset == 2, "the other label is recorded")
    await world.label("q~2", "down", annotator="bob")
    await world.until(
        lambda: replica.metric("labels_total", outcome="duplicate") == 1, "a repetition is ignored"
    )
    (_, example) = await world.examples()
    assert (example["second_of"], example["label"]) == ("q", "down")
    assert await world.open_queries() == set()
    assert replica.app.local_model.learner.known["q"] == "up"


@pytest.mark.parametrize("snapshots", ["kept", "lost"])
async def test_a_restart_knows_what_was_known_of_labels_and_annotators(
    make_world: MakeWorld, snapshots: str
) -> None:
    world = await make_world(HALF)
    replica = await world.start()
    await run(world, [replica], 60)
    await run(world, [replica], 40, 60)
    before, digest = replica.app.local_model.learner.trust, replica.digest
    await replica.stop()
    again = await world.start("a" if snapshots == "kept" else "b")
    assert again.app.local_model.learner.trust == before
    assert again.digest == digest


async def test_two_replicas_know_the_same_and_ask_nobody_twice(make_world: MakeWorld) -> None:
    world = await make_world(HALF)
    a, b = await world.start("a"), await world.start("b")
    for start in range(0, 160, 40):
        await run(world, [a, b], 40, start)
    assert a.app.local_model.learner.trust == b.app.local_model.learner.trust
    asked = [q["id"] for q in await world.queries()]
    assert len(asked) == len(set(asked))


@pytest.mark.parametrize("step", ["decided", "acknowledged", "committed"])
async def test_a_crash_at_any_step_buys_no_second_label_twice(memory_world: MakeWorld, step: str) -> None:
    world = await memory_world(HALF)
    replica = await world.start()
    await run(world, [replica], 80)
    replica.die_at("select", step)
    await world.samples(80, 80)
    await world.until(replica.task.done, "the replica dies")
    again = await world.start()
    await run(world, [again], 40, 160)
    numbers = [tuple(q["bought"]) for q in await world.queries() if "second_of" in q]
    assert len(numbers) == len(set(numbers))
    states = {n: one.state for n, one in again.app.select.partitions.items()}
    assert {n: state.credit.bought for n, state in states.items()} == {
        n: max([number for p, number in numbers if p == n], default=0) for n in states
    }
    asked = {q["id"] for q in await world.queries()}  # the same query may be sent twice, under one id
    assert sum(state.spent.bought for state in states.values()) == len(asked)
