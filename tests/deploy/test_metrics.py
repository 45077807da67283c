"""The values of metrics that alerts and panels depend on."""

from __future__ import annotations

import ast
from pathlib import Path

import msgspec
from prometheus_client import generate_latest

import stream_al
from stream_al.engine.labels.learner import Learner
from stream_al.service.telemetry.metrics import REFUSED, Metrics
from tests.support.drift import drifting_examples
from tests.support.stream import stamped
from tests.support.world import MakeWorld, World

PACKAGE = Path(stream_al.__file__).parent


def test_no_series_holds_only_the_creation_time_of_another() -> None:
    assert b"_created" not in generate_latest(Metrics("any").registry)


def test_every_reason_for_a_dead_letter_begins_at_zero() -> None:
    """Otherwise the first dead letter would create its series, and no rate would show it."""
    given = set()
    for file in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "BadMessage":
                given |= set(ast.literal_eval(node.args[0]).split())
    assert given
    assert given - NO_LETTER == {reason for reasons in REFUSED.values() for reason in reasons}
    metrics = Metrics("any")
    for stage, reasons in REFUSED.items():
        for reason in reasons:
            labels = {"stage": stage, "reason": reason}
            assert metrics.registry.get_sample_value("stream_al_dead_letters_total", labels) == 0


NO_LETTER = {
    *("binary_model", "too_many_classes", "model_error", "bad_label", "bad_time"),
    *("too_many_records", "bad_filter", "slow_filter", "unknown_member", "unknown_parameter"),  # a request
    *("unusable_id", "several_classes", "no_class"),  # Label Studio
}
"""What a model cannot do is not the record's fault: it is a problem (`telemetry.problems`) and no letter. Nor
is a bad label in a file, which is left out of the import. A query with a bad time is passed over, and a
request with too many records, an unknown name, or a filter that cannot be read, is refused. What the bridge
to Label Studio cannot use stays there."""


async def send_examples(world: World, learner: Learner) -> int:
    """Examples in which the model begins to err; how many."""
    examples = [stamped(example, learner) for example in drifting_examples()]
    await world.send(world.topics.examples, [msgspec.to_builtins(example) for example in examples])
    return len(examples)


async def test_a_drift_is_counted_when_it_happens_and_not_again_when_it_is_replayed(
    memory_world: MakeWorld,
) -> None:
    """Otherwise every start would raise the alert."""
    world = await memory_world("snapshots.every_examples=1000000")
    first = await world.start("a")
    assert first.metric("drift_total") == first.metric("drift_last_example") == 0
    number = await send_examples(world, first.app.local_model.learner)
    await world.until(lambda: first.offset == number, "all are learned")
    assert first.metric("drift_total") == 1
    last = first.metric("drift_last_example")
    assert 400 < last <= number
    second = await world.start("b")  # without a snapshot: it replays
    assert second.offset == number
    assert second.metric("drift_total") == 0
    assert second.metric("drift_last_example") == last


async def test_only_the_owner_of_a_partition_reports_its_lag(memory_world: MakeWorld) -> None:
    """Otherwise the last value of a former owner would be added to every sum."""
    world = await memory_world("limits.watchdog_seconds=1")
    first = await world.start("a")

    def told() -> set[str]:
        families = first.app.metrics.consumer_lag.collect()
        samples = [sample for family in families for sample in family.samples]
        return {s.labels["partition"] for s in samples if s.labels["topic"] == world.topics.samples}

    await world.until(lambda: told() == {"0", "1"}, "it holds both partitions")
    before = first.metric("assignment_changes_total", stage="select")
    await world.start("b")
    await world.until(lambda: len(told()) == 1, "one has moved")
    assert first.metric("assignment_changes_total", stage="select") == before + 1


async def test_the_age_of_the_oldest_pending_query_goes_by_the_log_and_ends_with_its_label(
    memory_world: MakeWorld,
) -> None:
    world = await memory_world("limits.watchdog_seconds=1")
    replica = await world.start()
    await world.ask("q1")
    await world.until(lambda: len(replica.app.pending) == 1, "it waits")
    pending = replica.app.pending
    pending.time.move(pending.time.now_ms + 5_000)
    await world.until(lambda: replica.metric("pending_oldest_seconds") >= 5, "it has waited")
    await world.label("q1")
    await world.until(lambda: replica.metric("pending_oldest_seconds") == 0, "nobody waits")
