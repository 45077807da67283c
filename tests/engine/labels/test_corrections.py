"""The laws of corrections: the model is that of a log whose labels were right at once."""

from __future__ import annotations

import pickle
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_al.engine.labels import ledger as ledgers
from stream_al.engine.labels.corrections import (
    CONSENSUS,
    Author,
    Corrections,
    Given,
    NotCorrected,
    check_rights,
    correction,
)
from stream_al.engine.labels.exclusions import Exclusions
from stream_al.engine.labels.judge import KnownLabels
from stream_al.engine.labels.learner import Learner, Outcome
from stream_al.engine.labels.ledger import Ledger
from stream_al.engine.model.model import Model
from stream_al.messages import Example, ModelStamp, Prediction

law = settings(derandomize=True, deadline=None, max_examples=60)


def learner_of(remember: int = 100) -> Learner:
    return Learner(Model("StandardScaler() | GaussianNB()", seed=0), KnownLabels(remember))


def example(sample_id: str, label: Any, x: float = 0.0) -> Example:
    """A label that was bought, so that it also counts in the evaluation."""
    predicted = Prediction("a", {"a": 0.75, "b": 0.25})
    stamp = ModelStamp("m", learner_of().version, 1)
    return Example(sample_id, label, {"x": x}, propensity=0.5, prediction=predicted, model=stamp)


labels = st.sampled_from("abc")
logs = st.lists(
    st.one_of(
        st.builds(lambda i, label: example(i, label, float(ord(i))), st.sampled_from("pq"), labels),
        st.builds(Example, st.sampled_from("pq"), labels),
        st.builds(lambda i, label: Example(i, label, corrects=True), st.sampled_from("pq"), labels),
    ),
    min_size=3,
    max_size=20,
)
ranges = st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), max_size=2)


def right_at_once(log: list[Example], excluded: Exclusions) -> Learner:
    """The law, computed in the simplest way: write the right labels into the log, and fold that."""
    counted = [(at, one) for at, one in enumerate(log) if at not in excluded]
    first: dict[str, int] = {}
    right: dict[int, Any] = {}
    for at, one in counted:
        if one.corrects and one.id in first:
            right[first[one.id]] = one.label
        elif one.features is not None:
            first.setdefault(one.id, at)
    learner = learner_of()
    for at, one in counted:
        if not one.corrects:
            learner.fold(msgspec.structs.replace(one, label=right.get(at, one.label)), at)
    return learner


def seen(log: list[Example], excluded: Exclusions) -> Corrections:
    """What a fold of this log knows in advance."""
    ledger = Ledger(KnownLabels(100))
    for at, one in enumerate(log):
        if at not in excluded:
            ledger.enter(one, at)
    return Corrections(ledger.labels(), len(log))


def folded(log: list[Example], learner: Learner) -> Learner:
    for at in range(learner.offset, len(log)):
        learner.fold(log[at], at)
    return learner


def facts(learner: Learner) -> Any:
    """All that corrections may change."""
    figures = learner.evaluation.current
    return (
        learner.model.digest(),
        dict(learner.model.classes),
        dict(learner.known),
        learner.known.remember,
        figures.overall,
        figures.per_class,
        learner.drift.last,
    )


@law
@given(log=logs, ranges=ranges, restart=st.integers(0, 9), known=st.integers(0, 9))
def test_the_model_is_that_of_a_log_whose_labels_were_right_at_once(
    log: list[Example], ranges: list[tuple[int, int]], restart: int, known: int
) -> None:
    """Whatever is excluded; whatever snapshot a fold begins from; however much it knew in advance."""
    excluded = Exclusions.of(ranges)
    wanted = facts(right_at_once(log, excluded))
    corrections = seen(log, excluded)
    fresh = learner_of()
    fresh.excluded = excluded
    fresh.correct(corrections)
    assert facts(folded(log, fresh)) == wanted
    assert not fresh.overdue
    early = learner_of()
    early.excluded = excluded
    early.correct(seen(log[:known], excluded))
    early = pickle.loads(pickle.dumps(folded(log[:restart], early)))  # noqa: S301 - our own
    if early.is_corrected_by(corrections):
        early.correct(corrections)
        assert facts(folded(log, early)) == wanted
        assert not early.overdue


@law
@given(log=logs, ranges=ranges)
def test_a_model_that_is_not_overdue_is_right(log: list[Example], ranges: list[tuple[int, int]]) -> None:
    """A fold that knew nothing in advance says itself whether it has to be done anew."""
    excluded = Exclusions.of(ranges)
    learner = learner_of()
    learner.excluded = excluded
    for at in range(len(log)):
        folded(log[: at + 1], learner)
        right = right_at_once(log[: at + 1], excluded)
        assert dict(learner.known) == dict(right.known), "the labels that count are known at once"
        if not learner.overdue:
            assert facts(learner) == facts(right)


@law
@given(log=logs, known=st.integers(0, 20))
def test_what_becomes_of_an_example_does_not_depend_on_rebuilds(log: list[Example], known: int) -> None:
    late, early = learner_of(), learner_of()
    early.correct(seen(log[:known], Exclusions()))
    assert [late.fold(one, at) for at, one in enumerate(log)] == [
        early.fold(one, at) for at, one in enumerate(log)
    ]


def test_a_plain_second_label_never_un_learns_the_first() -> None:
    learner = learner_of()
    learner.fold(example("p", "a"), 0)
    assert learner.fold(Example("p", "b"), 1) is Outcome.CONFLICT
    assert learner.fold(example("p", "b"), 2) is Outcome.CONFLICT
    assert (learner.known["p"], learner.overdue, learner.ledger.corrected) == ("a", set(), {})


def test_labels_after_a_correction_are_judged_by_it() -> None:
    learner = learner_of()
    outcomes = [
        learner.fold(one, at)
        for at, one in enumerate(
            [example("p", "a"), Example("p", "b", corrects=True), Example("p", "b"), Example("p", "a")]
        )
    ]
    assert outcomes == [Outcome.LEARNED, Outcome.CORRECTED, Outcome.DUPLICATE, Outcome.CONFLICT]


def test_a_correction_of_a_sample_that_is_not_remembered_has_no_effect() -> None:
    learner = learner_of(remember=1)
    learner.fold(example("p", "a"), 0)
    learner.fold(example("q", "a"), 1)
    assert learner.fold(Example("p", "b", corrects=True), 2) is Outcome.UNCORRECTED
    assert not learner.overdue


def test_the_number_of_corrections_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """One sample too many is refused; a corrected one may be corrected again."""
    monkeypatch.setattr(ledgers, "MOST", 1)
    ledger = Ledger(KnownLabels(10))
    for at, name in enumerate("pq"):
        ledger.enter(example(name, "a"), at)
    assert ledger.enter(Example("p", "b", corrects=True), 2) is Outcome.CORRECTED
    assert ledger.enter(Example("q", "b", corrects=True), 3) is Outcome.UNCORRECTED
    assert ledger.enter(Example("p", "c", corrects=True), 4) is Outcome.CORRECTED
    assert ledger.labels() == {0: "c"}


def test_every_reason_why_a_label_cannot_be_corrected_has_its_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ledger = Ledger(KnownLabels(10))
    ledger.enter(example("p", "a"), 0)
    ledger.enter(example("q", "a"), 1)
    ledger.pass_over(example("x", "a"))
    with pytest.raises(NotCorrected, match="has no label yet: send its label as a label"):
        correction(ledger, "z", "b", Author(), pending=True)
    with pytest.raises(NotCorrected, match="excluded by an operator: restore it first, or label it anew"):
        correction(ledger, "x", "b", Author())
    with pytest.raises(NotCorrected, match="no label of 'z' is known: check the id"):
        correction(ledger, "z", "b", Author())
    monkeypatch.setattr(ledgers, "MOST", 1)
    monkeypatch.setattr("stream_al.engine.labels.corrections.MOST", 1)
    ledger.enter(Example("p", "b", corrects=True), 2)
    with pytest.raises(NotCorrected, match="labels are corrected already, and no more can be"):
        correction(ledger, "q", "b", Author())
    again = correction(ledger, "p", "c", Author(how=CONSENSUS))
    assert again is not None
    assert (again.label, again.reason, again.corrects, again.features) == ("c", "consensus", True, None)


def test_a_consensus_never_takes_the_place_of_a_correction() -> None:
    """It may be written by a replica that did not know of the correction; a person's one always counts."""
    ledger = Ledger(KnownLabels(10))
    ledger.enter(example("p", "a"), 0)
    by_consensus = Example("p", "c", corrects=True, reason=CONSENSUS)
    assert ledger.enter(by_consensus, 1) is Outcome.CORRECTED
    assert ledger.enter(Example("p", "d", corrects=True, reason=CONSENSUS), 2) is Outcome.DUPLICATE
    assert ledger.known["p"] == "c"
    assert ledger.enter(Example("p", "b", corrects=True), 3) is Outcome.CORRECTED
    assert ledger.enter(by_consensus, 4) is Outcome.DUPLICATE
    assert (ledger.known["p"], ledger.decided_at("p")) == ("b", 3)


@pytest.mark.parametrize(
    ("via", "at_ms", "now_ms", "minutes", "reason"),
    [
        ("ann", 0, 599_999, 10, None),
        ("ann", 0, 600_000, 10, "too_late"),
        ("ann", 0, 0, 0, "too_late"),
        ("bob", 0, 1, 10, "not_yours"),
        (None, 0, 1, 10, "not_yours"),
    ],
)
def test_a_label_may_be_corrected_by_its_own_token_for_some_minutes(
    via: str | None, at_ms: int, now_ms: int, minutes: float, reason: str | None
) -> None:
    given = Given(via, at_ms)
    if reason is None:
        check_rights(given, caller="ann", now_ms=now_ms, minutes=minutes)
        return
    with pytest.raises(NotCorrected) as refused:
        check_rights(given, caller="ann", now_ms=now_ms, minutes=minutes)
    assert refused.value.reason == reason


def test_a_caller_without_a_token_owns_no_label() -> None:
    """Else everybody without a token would own what came without one."""
    with pytest.raises(NotCorrected, match="another token"):
        check_rights(Given(None, 0), caller=None, now_ms=0, minutes=10)


def test_a_corrected_second_label_leaves_the_trust_of_a_log_in_which_it_was_right_at_once() -> None:
    """No model learns second labels, so nothing is folded anew; who gave the label stays its annotator."""

    def second(label: str) -> Example:
        given = Prediction("a", {"a": 0.75, "b": 0.25})
        known = learner_of()
        known.fold(example("p", "a"), 0)
        version = known.known.version("p")
        return Example(
            "p~2",
            label,
            annotator="bob",
            version=version,
            second_of="p",
            prediction=given,
            labelled_by=["ann"],
        )

    late, right = learner_of(), learner_of()
    for learner, label in ((late, "b"), (right, "a")):
        learner.fold(msgspec.structs.replace(example("p", "a"), annotator="ann"), 0)
        assert learner.fold(second(label), 1) is Outcome.SECOND
    assert late.known.further_offset("p~2") == late.ledger.decided_at("p~2") == 1
    before = late.model.digest()
    made = correction(late.ledger, "p~2", "a", Author("bob", "token"))
    assert made is not None
    assert (made.second_of, made.corrects, made.features) == ("p", True, None)
    assert late.fold(made, 2) is Outcome.CORRECTED
    assert correction(late.ledger, "p~2", "a", Author()) is None
    assert (late.known["p~2"], late.ledger.decided_at("p~2"), late.overdue) == ("a", 2, set())
    assert late.model.digest() == before
    assert late.trust.item("p") == right.trust.item("p")
    assert (late.trust.second_labels, late.trust.agreeing) == (1, 1)
    assert late.trust.tally.weights() == right.trust.tally.weights()
    assert late.trust.last.samples["p"].notes == right.trust.last.samples["p"].notes
    assert late.fold(Example("unknown~2", "a", corrects=True, second_of="unknown"), 3) is Outcome.UNCORRECTED
