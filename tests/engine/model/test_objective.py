"""The laws of the objective: which label is served."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from stream_al.engine.labels.judge import KnownLabels
from stream_al.engine.labels.learner import Learner
from stream_al.engine.model.model import Model
from stream_al.engine.model.objective import EVIDENCE, FADING, RECENT, Balanced, RecallAtPrecision, Rule, rule
from stream_al.engine.model.pickling import dumps, loads
from stream_al.engine.model.predictions import likeliest_label
from stream_al.errors import Misconfigured
from stream_al.messages import Example, Prediction, label_text

OBJECTIVES = ["accuracy", "balanced", "recall of a at precision 0.5"]
every_objective = pytest.mark.parametrize("objective", OBJECTIVES)
law = settings(derandomize=True, deadline=None)

labels = st.sampled_from(["a", "b", 1, True, 2.5, ""])
weights = st.floats(0.01, 1)
predictions = st.dictionaries(labels, weights, min_size=1, max_size=5).map(
    lambda given: {label: weight / sum(given.values()) for label, weight in given.items()}
)
learned = st.lists(st.tuples(predictions, labels, st.floats(1e-12, 1.0)), max_size=40)


def texts(probabilities: dict[Any, float]) -> dict[str, float]:
    return {label_text(label): p for label, p in probabilities.items()}


def taught(objective: str, examples: list[Any]) -> Rule:
    found = rule(objective)
    for predicted, label, propensity in examples:
        found.learn(texts(predicted), label, propensity=propensity)
    return found


@every_objective
@law
@given(examples=learned, probabilities=predictions)
def test_the_label_is_one_of_the_classes_and_asking_for_it_changes_nothing(
    objective: str, examples: list[Any], probabilities: dict[Any, float]
) -> None:
    found = taught(objective, examples)
    before = dumps(found)
    assert found.label(probabilities) in probabilities
    assert found.label({}) is None
    assert loads(before) == found == taught(objective, examples)


@every_objective
@law
@given(probabilities=predictions)
def test_before_the_first_example_the_most_probable_class_is_served(
    objective: str, probabilities: dict[Any, float]
) -> None:
    ordered = sorted(probabilities.values())
    assume(len(ordered) == 1 or ordered[-1] > ordered[-2] + 1e-9)
    assert rule(objective).label(probabilities) == likeliest_label(probabilities)


@every_objective
def test_a_model_that_knows_one_class_says_that_class_and_teaches_nothing(objective: str) -> None:
    alone = taught(objective, [({"a": 1.0}, "b", 0.1)] * 50)
    assert alone == rule(objective)
    never = taught(objective, [(said(0.5), "b", 1.0), (said(0.1), "a", 1.0)] * 50)
    assert never.label({"a": 1.0}) == "a"


@pytest.mark.parametrize("objective", OBJECTIVES[1:])
@pytest.mark.parametrize("p", [-1.0, 2.0, float("inf"), float("-inf"), float("nan")])
def test_what_is_no_probability_counts_for_nothing(objective: str, p: float) -> None:
    """A prediction comes back from a topic that others can write."""
    usual = [({"a": 0.2, "b": 0.8}, "a" if n % 2 else "b", 0.5) for n in range(30)]
    one, other = taught(objective, usual), taught(objective, usual)
    one.learn({"b": 0.5, "c": 0.5, "a": p}, "b", propensity=0.5)
    other.learn({"b": 0.5, "c": 0.5}, "b", propensity=0.5)
    if isinstance(one, Balanced):
        assert one == other
    assert one.label({"a": 0.6, "b": 0.4}) in ("a", "b")


def test_memory_is_bounded_whatever_the_examples_say() -> None:
    balanced, recall = Balanced(max_classes=10), rule(OBJECTIVES[2])
    for number in range(RECENT + 50):
        balanced.learn({f"{number} {k}": 0.01 for k in range(100)}, "a", propensity=1.0)
        recall.learn({"a": 0.5, "b": 0.5}, "a", propensity=1.0)
    assert len(balanced.sums) == 10
    assert isinstance(recall, RecallAtPrecision)
    assert len(recall.recent) == RECENT == loads(dumps(recall)).recent.maxlen


# --- Balanced --------------------------------------------------------------------------------------------


def test_a_rare_class_is_served_where_it_is_more_probable_than_usual() -> None:
    found = taught("balanced", [({"a": 0.03, "b": 0.97}, "b", 0.5)] * 200)
    assert [found.label({"a": p, "b": 1 - p}) for p in (0.01, 0.02, 0.05, 0.2, 0.6)] == [
        "b",
        "b",
        "a",
        "a",
        "a",
    ]


def test_what_is_usual_follows_the_last_examples() -> None:
    found = taught(
        "balanced", [({"a": 0.03, "b": 0.97}, "b", 1.0)] * 100 + [({"a": 0.5, "b": 0.5}, "a", 1.0)] * 200
    )
    assert found.label({"a": 0.2, "b": 0.8}) == "b"
    assert FADING**200 < 0.01


# --- Recall at precision ---------------------------------------------------------------------------------


def said(p: float) -> dict[Any, float]:
    return {"a": p, "b": 1 - p}


def test_the_threshold_is_the_lowest_with_the_precision() -> None:
    """Of 100 labels at each probability, as many are of the class as the probability says."""
    steps = [0.1, 0.3, 0.5, 0.7, 0.9]
    examples = [(said(p), "a" if n < 100 * p else "b", 1.0) for p in steps for n in range(100)]
    precision = {t: np.mean([p for p in steps if p >= t]) for t in steps}
    for asked, threshold in ((0.45, 0.1), (0.55, 0.3), (0.65, 0.5), (0.75, 0.7), (0.85, 0.9)):
        found = taught(f"recall of a at precision {asked}", examples)
        assert found.threshold == threshold == min(t for t in steps if precision[t] >= asked)
        assert [found.label(said(p)) for p in (threshold - 0.01, threshold)] == ["b", "a"]


def test_the_next_class_is_served_where_the_most_probable_one_is_below_its_threshold() -> None:
    found = taught("recall of a at precision 0.8", [(said(0.7), "b", 1.0), (said(0.9), "a", 1.0)] * 20)
    assert found.threshold == 0.9
    assert found.label({"b": 0.1, "a": 0.7, "c": 0.2}) == "c"


def test_errors_that_stand_for_many_samples_count_as_many() -> None:
    """Ten bought labels, nine of them of the class; the tenth stands for 100 samples."""
    examples = [(said(0.8), "a", 1.0)] * 9 + [(said(0.8), "b", 0.01)]
    fair = [(said(0.8), "a", 1.0)] * 9 + [(said(0.8), "b", 1.0)]
    assert taught("recall of a at precision 0.5", fair).label(said(0.9)) == "a"
    assert taught("recall of a at precision 0.5", examples).label(said(0.9)) == "b"


def test_without_evidence_the_most_probable_class_is_served() -> None:
    few = [(said(0.3), "a", 1.0)] * (EVIDENCE - 1)
    assert taught("recall of a at precision 0.5", few).threshold is None
    assert taught("recall of a at precision 0.5", few).label(said(0.3)) == "b"
    assert taught("recall of a at precision 0.5", [*few, few[0]] * 4).label(said(0.3)) == "a"


def test_the_class_is_named_as_messages_name_it() -> None:
    found = rule("recall of true at precision 0.5")
    for _ in range(20):
        found.learn({"true": 0.3, "false": 0.7}, True, propensity=1.0)
    assert found.label({False: 0.7, True: 0.3}) is True


@cache
def realised(asked: float) -> tuple[float, float]:
    """Precision and recall over many streams on which a model is calibrated, after 400 random labels."""
    hits = named = of_class = 0
    for seed in range(40):
        draw = np.random.default_rng(seed)
        p = draw.beta(0.3, 2.0, size=8000).round(6)
        true = draw.random(8000) < p
        found = taught(
            f"recall of a at precision {asked}",
            [(said(p[k]), "a" if true[k] else "b", 0.1) for k in range(400)],
        )
        served = np.array([found.label(said(one)) == "a" for one in p[400:]])
        hits += int((served & true[400:]).sum())
        named += int(served.sum())
        of_class += int(true[400:].sum())
    return hits / named, hits / of_class


@pytest.mark.parametrize("asked", [0.3, 0.5, 0.7])
def test_the_precision_is_reached_on_average_and_not_far_exceeded(asked: float) -> None:
    precision, _ = realised(asked)
    assert asked - 0.02 <= precision <= asked + 0.1


def test_a_lower_precision_buys_recall() -> None:
    recalls = [realised(asked)[1] for asked in (0.3, 0.5, 0.7)]
    assert recalls[0] > recalls[1] + 0.1 > recalls[2] + 0.2


# --- In the fold -----------------------------------------------------------------------------------------


def fold(into: Learner, begin: int, end: int) -> Learner:
    for number in range(begin, end):
        label, p = "ab"[number % 4 > 0], (number * 37 % 100) / 100
        into.fold(
            Example(f"{number}", label, {"x": p}, propensity=0.2, prediction=Prediction("b", said(p))), number
        )
    return into


@every_objective
def test_a_replica_that_begins_from_a_snapshot_serves_the_same_labels(objective: str) -> None:
    def fresh() -> Learner:
        return Learner(Model("GaussianNB()", seed=0), KnownLabels(1000), rule=rule(objective))

    whole, resumed = fold(fresh(), 0, 90), fold(loads(dumps(fold(fresh(), 0, 41))), 41, 90)
    assert resumed.rule == whole.rule
    for p in np.linspace(0, 1, 101).tolist():
        assert resumed.rule.label(said(p)) == whole.rule.label(said(p))


def test_another_objective_is_another_fingerprint() -> None:
    prints = {
        Learner(Model("GaussianNB()", seed=0), KnownLabels(10), rule=rule(text)).fingerprint
        for text in (
            *OBJECTIVES,
            "recall of a at precision 0.6",
            "recall of b at precision 0.5",
            " accuracy ",
        )
    }
    assert len(prints) == 5
    assert Model("GaussianNB()", seed=0).fingerprint in prints


@pytest.mark.parametrize(
    "text",
    [
        "",
        "recall",
        "balance",
        "recall of a",
        "recall of  at precision 0.5",
        *(f"recall of a at precision {p}" for p in ("0", "1", "2", "-0.5", "nan", "", ".", "0.5.5", "1e-1")),
        "x" * 10_000,
    ],
)
def test_a_text_that_is_no_objective_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(Misconfigured, match="such as recall of fraud at precision"):
        rule(text)


def test_a_class_may_have_any_text() -> None:
    found = rule("recall of a class at precision 0.1 or so at precision 0.25")
    assert isinstance(found, RecallAtPrecision)
    assert (found.wanted, found.precision) == ("a class at precision 0.1 or so", 0.25)
    assert rule(found.objective) == found


def test_a_class_that_reads_like_the_wanted_one_is_another_class() -> None:
    """The text "1" is written `"1"` where the number 1 is a class too, as in every prediction."""
    found = rule("recall of 1 at precision 0.5")
    for _ in range(20):
        found.learn({'"1"': 0.9, "1": 0.05, "no": 0.05}, "1", propensity=1.0)
        found.learn({'"1"': 0.05, "1": 0.9, "no": 0.05}, 1, propensity=1.0)
    assert isinstance(found, RecallAtPrecision)
    assert sum(hit for _, hit, _ in found.recent) == 20
    assert found.label({"1": 0.05, 1: 0.9, "no": 0.05}) == 1
    assert found.label({"1": 0.9, 1: 0.05, "no": 0.05}) == "1"
    assert found.label({"1": 0.05, 1: 0.05, "no": 0.9}) == "no"
