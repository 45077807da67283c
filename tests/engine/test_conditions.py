"""Conditions: when each holds, since when, and when it takes the readiness of a replica."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stream_al.engine.conditions import (
    BEHIND_SECONDS,
    UNREAD_SECONDS,
    UNREADY_SECONDS,
    Condition,
    Conditions,
    Facts,
    Lost,
    Standstill,
    Type,
)
from stream_al.engine.recent import RecentShare

LONG_MS = 10 * 60 * 1000


def recent(wrong: int, total: int) -> RecentShare:
    share = RecentShare()
    share.add([False] * (total - wrong) + [True] * wrong)
    return share


def lost(wrong: int, total: int) -> Lost:
    return Lost(recent(wrong, total), "because of the text in 'merchant'")


def after(facts: Facts, ms: int = LONG_MS) -> dict[str, Condition]:
    """What holds when these have been the facts for a while."""
    conditions = Conditions(0)
    conditions.observe(facts, 0)
    conditions.observe(facts, ms)
    return {one.type.value: one for one in conditions if one.holds}


ALL_REFUSED = Facts(refused=lost(40, 40), refused_here=recent(40, 40), learned=1)
WRONG: list[tuple[Facts, str, str, bool]] = [
    (Facts(broker_away=True), "BrokerAway", "CallsFail", True),
    (Facts(stopped={"samples/1": "100 bad records"}), "PartitionStopped", "BadRecords", True),
    (Facts(unread=frozenset({"samples/1"})), "PartitionUnread", "NoMovement", False),
    (
        Facts(unread=frozenset({"samples/1"}), unread_here=frozenset({"samples/1"})),
        "PartitionUnread",
        "NoMovement",
        True,
    ),
    (ALL_REFUSED, "LabelsRefused", "ModelRefuses", True),
    (replace(ALL_REFUSED, refused_here=RecentShare()), "LabelsRefused", "ModelRefuses", False),
    (replace(ALL_REFUSED, refused=lost(20, 100)), "LabelsRefused", "ModelRefuses", True),
    (Facts(unusable=lost(3, 20)), "LabelsRefused", "Unusable", False),
    (Facts(unusable=lost(20, 20)), "LabelsRefused", "Unusable", True),
    (Facts(without_opinion=lost(60, 100)), "NoOpinion", "ModelFails", False),
    (Facts(without_opinion=lost(10, 10)), "NoOpinion", "ModelFails", True),
    (Facts(model_lag=101), "ModelBehind", "ExamplesUnread", False),
    (Facts(missed="the class fraud is rare"), "ClassMissed", "RareClass", False),
    (Facts(contradicting=["eve"], learned=1), "AnnotatorContradicts", "SecondLabelsDisagree", False),
    (Facts(paused=True), "Paused", "ByOperator", False),
]
WELL = [
    Facts(learned=1),
    Facts(refused=lost(10, 100), learned=1),
    Facts(refused=lost(2, 2), learned=1),
    Facts(unusable=lost(2, 2)),
    Facts(without_opinion=lost(50, 100)),
    Facts(without_opinion=lost(9, 9)),
    Facts(model_lag=100),
]


@pytest.mark.parametrize(("facts", "type_", "reason", "unready"), WRONG)
def test_each_state_in_which_the_service_does_not_work_is_one_condition(
    facts: Facts, type_: str, reason: str, unready: bool
) -> None:
    (found,) = after(facts).values()
    assert (found.type.value, found.reason, found.unready) == (type_, reason, unready)
    assert len(found.message) > 20


@pytest.mark.parametrize("facts", WELL)
def test_a_few_bad_labels_or_samples_are_no_condition(facts: Facts) -> None:
    assert after(facts) == {}


def test_every_type_has_a_state_in_which_it_holds() -> None:
    assert {type_ for _, type_, _, _ in WRONG} == {kind.value for kind in Type}


def test_a_model_that_has_learned_nothing_says_so_beside_the_refused_labels() -> None:
    found = after(replace(ALL_REFUSED, learned=0))
    assert found.keys() == {"LabelsRefused", "NoOpinion"}
    assert found["NoOpinion"].reason == "NothingLearned"
    for one in found.values():
        assert "'merchant'" in one.message


@pytest.mark.parametrize("facts", [facts for facts, *_ in WRONG if facts != Facts(broker_away=True)])
def test_no_condition_takes_readiness_before_a_rollout_can_go_on(facts: Facts) -> None:
    """Otherwise what the log brings would keep the replica that carries the remedy from becoming ready."""
    early = after(facts, 1000 * UNREADY_SECONDS - 1)
    assert not any(one.unready for one in early.values())


def test_a_broker_that_is_away_takes_readiness_at_once() -> None:
    assert after(Facts(broker_away=True), 0)["BrokerAway"].unready


def test_since_is_the_time_of_the_last_change_and_a_change_is_told_once() -> None:
    conditions = Conditions(5)
    told = [
        [one.holds for one in conditions.observe(Facts(paused=paused), at)]
        for paused, at in [(False, 10), (True, 20), (True, 30), (False, 40), (False, 50)]
    ]
    assert told == [[], [True], [], [False], []]
    paused = {one.type: one for one in conditions}[Type.PAUSED]
    assert (paused.since_ms, paused.reason, paused.message) == (40, "", "")
    assert {one.since_ms for one in conditions if one.type is not Type.PAUSED} == {5}


def test_a_lag_is_a_condition_only_when_it_lasts() -> None:
    conditions = Conditions(0)
    for seconds, lag in ((0, 500), (BEHIND_SECONDS - 1, 500), (BEHIND_SECONDS, 5), (BEHIND_SECONDS + 1, 500)):
        conditions.observe(Facts(model_lag=lag), 1000 * seconds)
        assert not [one for one in conditions if one.holds]
    conditions.observe(Facts(model_lag=500), 1000 * (2 * BEHIND_SECONDS + 1))
    assert [one.type for one in conditions if one.holds] == [Type.MODEL_BEHIND]


def test_a_partition_stands_still_only_if_records_wait_and_its_offset_does_not_move() -> None:
    step = 1000 * UNREAD_SECONDS
    standstill = Standstill()
    assert standstill.observe({"s/0": 5, "s/1": 5}, 0) == set()
    assert standstill.observe({"s/0": 5, "s/1": 6}, step) == {"s/0"}
    assert standstill.observe({}, step + 1) == set()
    assert standstill.observe({"s/0": 5}, step + 2) == set(), "between, nothing waited"
    assert standstill.observe({"s/0": 5}, 2 * step + 2) == {"s/0"}
