"""What the model could not learn: why, on which feature or class, how often, and what to do."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from typing import Any

import pytest

from stream_al.engine.labels.judge import KnownLabels
from stream_al.engine.labels.learner import Learner, Outcome
from stream_al.engine.labels.refusals import MOST, OTHERS, Refusal, Refusals
from stream_al.engine.model.faults import features_at_fault
from stream_al.engine.model.model import Model
from stream_al.engine.recent import RECENT
from stream_al.errors import BadMessage
from stream_al.messages import ClassLabel, Example

LINEAR = "StandardScaler() | LogisticRegression()"


def fold(definition: str, number: int, label: Any = None, **features: object) -> Learner:
    learner = Learner(Model(definition, seed=0), KnownLabels(10_000))
    for i in range(number):
        given = {"amount": float(i), **features}
        learner.fold(Example(f"s{i}", label(i) if label else "ab"[i % 2], features=given), i)
    return learner


def row(learner: Learner) -> Refusal:
    (found,) = learner.refusals
    return found


def test_every_refused_label_is_counted_under_the_feature_that_the_model_cannot_take() -> None:
    learner = fold(LINEAR, 40, currency="EUR", flag=True)
    assert learner.counts[Outcome.REFUSED] == 40
    found = row(learner)
    assert (found.reason, found.subject, found.count, found.id) == ("model_error", "currency", 40, "s39")
    for part in (LINEAR, "text", "'currency'", "input.exclude", "auto"):
        assert part in found.message
    assert "'flag'" not in found.message
    assert learner.refusals.recent.share == 1.0


def test_several_features_of_a_kind_are_named_together() -> None:
    assert "'currency', 'merchant'" in row(fold(LINEAR, 3, currency="EUR", merchant="x")).message


def test_a_value_that_is_too_large_is_named_and_not_the_numbers_beside_it() -> None:
    def works(features: Mapping[str, object]) -> bool:
        return all(abs(float(str(value))) < 1e300 for value in features.values())

    assert features_at_fault({"a": 1.0, "b": 1.7e308, "c": 2.0}, works) == ("b",)
    assert features_at_fault({"a": 1.0}, lambda features: False) == ()


def test_a_third_class_for_a_binary_model_is_named_with_the_remedy() -> None:
    learner = fold("LogisticRegression()", 30, label=lambda i: ["ham", "spam", "eggs"][i % 3])
    found = row(learner)
    assert (found.reason, found.subject, found.count) == ("binary_model", "'eggs'", 10)
    assert "OneVsRestClassifier" in found.message


@pytest.mark.parametrize("definition", [LINEAR, "GaussianNB()", "BaggingClassifier(GaussianNB(), seed=3)"])
def test_finding_the_feature_at_fault_changes_nothing_of_the_fold(
    monkeypatch: pytest.MonkeyPatch, definition: str
) -> None:
    """A replica of a version that explains otherwise, or not at all, must hold the same model."""

    def model() -> str:
        learner = Learner(Model(definition, seed=0), KnownLabels(100))
        for i in range(60):
            given: dict[str, object] = {"x": float(i % 7), "y": "text" if i % 3 == 0 else 1.0}
            learner.fold(Example(f"s{i}", "ab"[i % 2], features=given), i)
        assert learner.counts[Outcome.REFUSED] > 0 < learner.counts[Outcome.LEARNED]
        return learner.model.digest()

    explained = model()
    monkeypatch.setattr(Model, "explain", lambda *of: ("", ""))
    assert model() == explained


def test_the_tries_for_an_explanation_grow_with_the_logarithm_of_the_refusals() -> None:
    """Otherwise a stream of bad examples would cost many times what good ones cost."""
    refusals, tries = Refusals(), list[int]()

    def explain() -> tuple[str, str]:
        tries.append(1)
        return "", "nobody knows"

    for i in range(1000):
        refusals.refused(f"s{i}", {"x": "text"}, BadMessage("model_error", "River fails"), explain)
    assert len(tries) == 10
    (found,) = refusals
    assert (found.count, found.message) == (1000, "nobody knows")

    known, asked = Refusals(), list[int]()

    def named() -> tuple[str, str]:
        asked.append(1)
        return "x", "x is at fault"

    for i in range(1000):
        known.refused(f"s{i}", {"x": "text"}, BadMessage("model_error", "River fails"), named)
    assert len(asked) == 1
    known.refused("other", {"x": 1.0}, BadMessage("model_error", "River fails"), named)
    assert len(asked) == 2, "a number in the place of a text is something else"


def test_rows_and_texts_have_bounds_and_no_refusal_is_left_out() -> None:
    refusals = Refusals()
    for i in range(3 * MOST):
        subject = f"class {i} " + "x" * 10_000
        refusals.refused("i" * 10_000, {}, BadMessage("too_many_classes", "m" * 10_000, subject=subject))
    rows = list(refusals)
    assert len(rows) == MOST + 1
    assert sum(one.count for one in rows) == 3 * MOST
    assert rows[0].subject == OTHERS
    assert max(len(text) for one in rows for text in (one.id, one.subject, one.message)) <= 300


def test_the_recent_share_forgets_what_is_long_over() -> None:
    learner = fold(LINEAR, 30, currency="EUR")
    for i in range(30, 30 + RECENT):
        learner.fold(Example(f"s{i}", "ab"[i % 2], features={"amount": float(i)}), i)
    assert learner.refusals.recent.share == 0.0
    assert row(learner).count == 30


def test_a_snapshot_keeps_the_refusals_and_goes_on_counting_alike() -> None:
    learner = fold(LINEAR, 20, currency="EUR")
    copy: Learner = pickle.loads(pickle.dumps(learner))  # noqa: S301 -- of this test
    for one in (learner, copy):
        one.fold(Example("next", "a", features={"amount": 1.0, "currency": "EUR"}), 20)
    assert row(copy) == row(learner)
    assert copy.refusals.recent.events.maxlen == RECENT


def test_only_first_labels_that_the_model_was_given_count_as_recent() -> None:
    learner = fold(LINEAR, 4)
    before = learner.refusals.recent.total
    again: tuple[ClassLabel, ...] = ("a", "b")
    for offset, label in enumerate(again, start=4):
        learner.fold(Example("s0", label, features={"amount": 0.0}), offset)
    assert learner.refusals.recent.total == before
