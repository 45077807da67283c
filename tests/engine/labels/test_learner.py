"""The laws of the fold."""

from __future__ import annotations

import itertools
import pickle
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_al.engine.labels.judge import KnownLabels
from stream_al.engine.labels.learner import Learner, Outcome
from stream_al.engine.labels.lifecycle import Stage
from stream_al.engine.model.model import Model
from stream_al.errors import BadMessage
from stream_al.messages import ClassLabel, Example, ModelStamp, Prediction
from tests.support.stream import stamped

law = settings(derandomize=True, deadline=None, max_examples=60)


class Recorder(Model):
    """A model that only records what it learns; it refuses the label `bad`."""

    def __init__(self) -> None:
        super().__init__("GaussianNB()", seed=0)
        self.learned: list[tuple[object, ClassLabel]] = []

    def learn(self, features: Any, label: ClassLabel) -> None:
        if label == "bad":
            raise BadMessage("model_error", "refused")
        self.learned.append((features.get("of"), label))


def learner_of(definition: str = "StandardScaler() | GaussianNB()", remember: int = 1_000) -> Learner:
    return Learner(Model(definition, seed=0), KnownLabels(remember))


def example(sample_id: str, label: ClassLabel = "a", **rest: Any) -> Example:
    return Example(sample_id, label, **{"features": {"x": float(len(sample_id))}, **rest})


ids = st.sampled_from("pqrs")
logs = st.lists(
    st.builds(
        lambda sample_id, label, record: Example(
            sample_id, label, features=None if record else {"of": sample_id}
        ),
        ids,
        st.sampled_from(["x", "y", "bad"]),
        st.booleans(),
    ),
    max_size=25,
)


def reference(log: list[Example], remember: int) -> tuple[list[Outcome], list[tuple[object, ClassLabel]]]:
    """The rules once more, computed in the simplest way."""
    known: list[tuple[str, ClassLabel]] = []
    outcomes: list[Outcome] = []
    learned: list[tuple[object, ClassLabel]] = []
    for one in log:
        first = dict(known).get(one.id)
        if first is not None:
            outcomes.append(Outcome.DUPLICATE if first == one.label else Outcome.CONFLICT)
        elif one.features is None:
            outcomes.append(Outcome.FORGOTTEN)
        else:
            known = [*known, (one.id, one.label)][-remember:]
            if one.label == "bad":
                outcomes.append(Outcome.REFUSED)
            else:
                outcomes.append(Outcome.LEARNED)
                learned.append((one.id, one.label))
    return outcomes, learned


@settings(law, max_examples=150)
@given(log=logs, remember=st.integers(1, 5))
def test_the_fold_obeys_its_rules_for_any_log(log: list[Example], remember: int) -> None:
    """The first label wins, a remembered id is learned once, memory is bounded, every outcome is counted."""
    model = Recorder()
    learner = Learner(model, KnownLabels(remember))
    outcomes = [learner.fold(one, offset) for offset, one in enumerate(log, 40)]
    expected, learned = reference(log, remember)
    assert outcomes == expected
    assert model.learned == learned
    assert learner.counts == {outcome: expected.count(outcome) for outcome in Outcome}
    assert len(learner.known) <= remember
    assert learner.known.conflicted <= learner.known.keys()
    assert learner.offset == (40 + len(log) if log else 0)


@law
@given(log=logs)
def test_each_id_is_learned_at_most_once(log: list[Example]) -> None:
    model = Recorder()
    learner = Learner(model, KnownLabels(4))
    for offset, one in enumerate(log):
        learner.fold(one, offset)
    assert max(Counter(sample_id for sample_id, _ in model.learned).values(), default=0) <= 1


def stream(count: int = 60) -> list[Example]:
    """Labels, repetitions and contradictions, with the predictions of their queries."""
    return [
        Example(
            f"s{i % 45}",
            "even" if (i + i // 50) % 2 else "odd",
            features={"x": float(i % 45 % 7), "word": "abc"[i % 45 % 3]},
            propensity=0.5 / (1 + i % 3),
            prediction=Prediction("odd", {"odd": 0.7, "even": 0.3}),
        )
        for i in range(count)
    ]


@pytest.mark.parametrize(
    "definition",
    [
        "StandardScaler() | GaussianNB()",
        "OneHotEncoder() | LogisticRegression()",
        "HoeffdingTreeClassifier(grace_period=10)",
    ],
)
def test_the_fold_is_the_same_with_any_restarts(definition: str) -> None:
    """Without a restart, or pickled and restored after every example."""
    whole, pieces = learner_of(definition), learner_of(definition)
    for offset, one in enumerate(stamped(one, whole) for one in stream()):
        assert whole.fold(one, offset) == pieces.fold(one, offset)
        pieces = pickle.loads(pickle.dumps(pieces))  # noqa: S301 -- our own bytes
    assert whole.counts[Outcome.CONFLICT] > 0
    assert pieces.model.digest() == whole.model.digest()
    assert (pieces.counts, pieces.known, pieces.offset) == (whole.counts, whole.known, whole.offset)
    assert pieces.evaluation == whole.evaluation
    assert whole.evaluation.current.labels > 0
    other = learner_of(definition)
    for offset, one in enumerate(stream()[:-20]):
        other.fold(one, offset)
    assert other.model.digest() != whole.model.digest()  # so the digest depends on what was learned


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))), ids=str)
def test_the_first_label_in_the_log_wins_whatever_follows(order: tuple[int, ...]) -> None:
    examples = [example("a", label) for label in ("x", "x", "y", "y")]
    log = [examples[i] for i in order]
    model = Recorder()
    learner = Learner(model, KnownLabels(10))
    outcomes = [learner.fold(one, offset) for offset, one in enumerate(log)]
    assert [label for _, label in model.learned] == [log[0].label]
    assert learner.known == {"a": log[0].label}
    assert sorted(outcomes) == sorted(
        [Outcome.LEARNED, Outcome.DUPLICATE, Outcome.CONFLICT, Outcome.CONFLICT]
    )


def test_duplicates_and_conflicts_do_not_change_the_model() -> None:
    learner = learner_of()
    for offset, one in enumerate([example("a", "x"), example("bb", "y"), example("ccc", "x")]):
        learner.fold(one, offset)
    before, evaluation = learner.model.digest(), pickle.dumps(learner.evaluation)
    predicted = Prediction("x", {"x": 1.0})
    assert learner.fold(example("a", "x", propensity=0.1, prediction=predicted), 3) is Outcome.DUPLICATE
    assert learner.fold(example("a", "y", propensity=0.1, prediction=predicted), 4) is Outcome.CONFLICT
    assert learner.model.digest() == before
    assert learner.model.examples == 3
    assert pickle.dumps(learner.evaluation) == evaluation  # it is not evaluated twice either
    stages = [learner.known.stage(sample_id) for sample_id in ("a", "bb", "unknown")]
    assert stages == [Stage.CONFLICTED, Stage.LABELLED, Stage.PENDING]
    learner.fold(example("a", "x"), 5)
    assert learner.known.stage("a") is Stage.CONFLICTED


def test_a_contradiction_without_features_is_counted_and_not_learned() -> None:
    learner = learner_of()
    learner.fold(example("a", "x"), 0)
    assert learner.fold(example("a", "y", features=None), 1) is Outcome.CONFLICT
    assert learner.fold(example("unknown", "y", features=None), 2) is Outcome.FORGOTTEN
    assert "unknown" not in learner.known
    assert learner.model.examples == 1


def test_an_example_the_model_cannot_learn_is_refused_once_and_then_known() -> None:
    learner = learner_of("LogisticRegression()")
    log = [example("a", "x"), example("b", "y"), example("c", "z"), example("c", "z"), example("d", "x")]
    outcomes = [learner.fold(one, offset) for offset, one in enumerate(log)]
    assert outcomes == [
        Outcome.LEARNED,
        Outcome.LEARNED,
        Outcome.REFUSED,
        Outcome.DUPLICATE,
        Outcome.LEARNED,
    ]
    assert learner.model.examples == 3
    assert learner.offset == 5


def test_the_oldest_id_is_forgotten_first_and_repetition_does_not_refresh_it() -> None:
    learner = learner_of(remember=2)
    for offset, sample_id in enumerate(["a", "b", "a", "c"]):
        learner.fold(example(sample_id), offset)
    assert set(learner.known) == {"b", "c"}
    assert learner.fold(example("a"), 4) is Outcome.LEARNED  # the cost of a bounded memory


def test_the_offset_follows_the_log_also_over_records_that_are_no_examples() -> None:
    learner = learner_of()
    learner.fold(example("a"), 10)
    assert learner.offset == 11
    learner.skip(11)
    assert learner.offset == 12
    learner.fold(example("a"), 15)  # a gap, as compaction or a transaction marker leaves one
    assert learner.offset == 16
    assert sum(learner.counts.values()) == 2


# --- Evaluation in the fold ------------------------------------------------------------------------------


def test_the_prediction_of_the_query_is_evaluated() -> None:
    learner = learner_of()
    predicted = Prediction("x", {"x": 0.9, "y": 0.1})
    learner.fold(stamped(example("a", "x", propensity=0.5, prediction=predicted), learner), 0)
    learner.fold(stamped(example("b", "y", propensity=0.25, prediction=predicted), learner), 1)
    figures = learner.evaluation.current
    assert (figures.overall.weight, figures.overall.weight_correct) == (6.0, 2.0)
    assert figures.recent.weight < figures.overall.weight  # earlier examples fade


def test_a_sample_without_a_prediction_is_no_error_of_the_model() -> None:
    """Where labels come late, many samples are asked about by a model that knows no class."""
    learner = learner_of()
    for number in range(50):
        early = example(f"early-{number}", "x", propensity=0.5, prediction=Prediction(None, {}))
        learner.fold(stamped(early, learner), number)
    figures = learner.evaluation.current
    assert (figures.overall.estimate(), figures.recent.estimate()) == (None, None)
    assert figures.per_class.classes["x"].recall.estimate() is None
    right = example("late", "x", propensity=0.5, prediction=Prediction("x", {"x": 1.0}))
    learner.fold(stamped(right, learner), 50)
    found = figures.overall.estimate()
    assert found is not None
    assert found.accuracy == 1.0
    assert (figures.labels, figures.per_class.classes["x"].labels) == (51, 51)


@pytest.mark.parametrize("propensity", [None, 0.0, -0.5, 1.5, 1e-200, 5e-324, float("nan"), float("inf")])
def test_labels_that_the_service_did_not_buy_are_not_evaluated(propensity: float | None) -> None:
    learner = learner_of()
    prediction = Prediction("x", {"x": 1.0})
    bought = example("a", "x", propensity=propensity, prediction=prediction)
    learner.fold(stamped(bought, learner), 0)
    learner.fold(example("b", "x", propensity=0.5), 1)
    assert learner.evaluation == learner_of().evaluation
    assert learner.counts[Outcome.LEARNED] == 2


def predicted_by(version: str | None, number: int, *, right: bool) -> Example:
    """An example whose label is `x`, and what a model of this version predicted for it."""
    said = Prediction("x" if right else "y", {"x": 0.4, "y": 0.6})
    stamp = None if version is None else ModelStamp("model", version, number)
    return Example(f"{version}{number}", "x", {"x": 1.0}, propensity=0.5, prediction=said, model=stamp)


def test_after_a_change_of_the_model_its_accuracy_is_its_own_and_the_old_one_stands_beside_it() -> None:
    """The new model learns the labels that the old one bought, and is not judged by the old predictions."""
    old, new = learner_of("GaussianNB()"), learner_of("HoeffdingTreeClassifier()")
    log = [predicted_by(old.version, number, right=False) for number in range(40)]
    log += [predicted_by(new.version, number, right=True) for number in range(10)]
    for offset, one in enumerate(log):
        for learner in (old, new):
            learner.fold(one, offset)
    assert new.model.examples == 50
    for learner, accuracy, other in ((new, 1.0, old), (old, 0.0, new)):
        current, previous = learner.evaluation.current, learner.evaluation.previous
        estimate = current.overall.estimate()
        assert estimate is not None
        assert (current.version, estimate.accuracy) == (learner.version, accuracy)
        assert current.per_class.classes["x"].labels == current.labels
        assert previous is not None
        assert (previous.version, previous.labels) == (other.version, 50 - current.labels)
        assert previous.overall.weight_correct == 2.0 * (50 - current.labels) * (1.0 - accuracy)


def test_only_two_versions_are_kept_and_a_prediction_of_an_unknown_model_is_never_the_own_one() -> None:
    """A message of an earlier service does not say which model made its prediction."""
    learner = learner_of()
    for number, version in enumerate(["a", "b", "b", None, None, None, learner.version]):
        learner.fold(predicted_by(version, number, right=True), number)
    previous = learner.evaluation.previous
    assert previous is not None
    assert (previous.version, previous.labels, learner.evaluation.current.labels) == (None, 3, 1)


def test_the_errors_of_another_model_are_no_drift() -> None:
    learner = learner_of()
    for number in range(600):
        learner.fold(predicted_by("other", number, right=number < 300), number)
    assert learner.drift.found == 0


def test_an_example_that_is_nested_too_deep_is_refused_and_the_next_one_is_learned() -> None:
    """The fold does not rest on the door of messages: what recursion cannot walk would end every replica."""
    deep: Any = 1.0
    for _ in range(100_000):
        deep = {"x": deep}
    learner = learner_of()
    assert learner.fold(Example("deep", "a", features={"x": deep}), 0) is Outcome.REFUSED
    assert learner.fold(example("next"), 1) is Outcome.LEARNED
    assert learner.refusals.last is not None
    assert learner.refusals.last.reason == "too_deep"
    assert learner.model.digest()
    while isinstance(deep, dict):  # otherwise the interpreter frees it by recursion
        deep = deep.pop("x")
