"""The laws of second labels in a simulation."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stream_al.datasets.rows import Row
from stream_al.engine.labels.corrections import Corrections
from stream_al.engine.labels.judge import same_label
from stream_al.engine.model.limits import Limits
from stream_al.engine.trust.again import Wanted
from stream_al.messages import ClassLabel
from stream_al.simulate.cases import Case, Terms, play, simulate
from stream_al.simulate.people import second_labels
from stream_al.simulate.people.second_labels import SecondLabels
from stream_al.simulate.run import Run
from stream_al.simulate.stream import Stream

ROWS = [Row({"x": k * 37 % 101, "y": k * 61 % 89}, "up" if k * 37 % 101 > 50 else "down") for k in range(600)]
STREAM = Stream("line", ROWS)
TERMS = Terms(exploration=0.1, most_pending=1000, limits=Limits(100))
THREE = "ann: error=0.2; bob: error=0.2; eve: error=0.2"
CASE = Case("margin", "stratified", "GaussianNB()", 0.5, "0", 0.0, 3, THREE, Wanted(2, 0.2))


def truth(sample_id: str) -> ClassLabel:
    return ROWS[int(sample_id) - 1].label


def played(case: Case = CASE) -> tuple[Run, SecondLabels]:
    done, labels = play(case, STREAM, TERMS)
    assert labels is not None
    return done, labels


def came(labels: SecondLabels) -> int:
    """How many labels have come."""
    return sum(not one.corrects for one in labels.log)


def test_without_second_labels_several_annotators_cost_and_give_what_they_did_before() -> None:
    """The learner of the service and the model alone give the same run."""
    for delay in ("0", "17"):
        case = replace(CASE, wanted=Wanted(), delay=delay)
        plain, nobody = play(replace(case, annotators="", annotator_error=0.0), STREAM, TERMS)
        assert nobody is None
        right, labels = played(replace(case, annotators="ann; bob"))
        assert (right.predicted, right.bought, right.learned) == (
            plain.predicted,
            plain.bought,
            plain.learned,
        )
        assert labels.asked == []
        assert [int(one.id) - 1 for one in labels.log] == [position for position, _ in plain.learned]


@pytest.mark.parametrize("delay", ["0", "23"])
def test_the_length_of_a_batch_changes_nothing(delay: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for batch in (1, 7, 256):
        monkeypatch.setattr("stream_al.simulate.cases.BATCH", batch)
        done, labels = played(replace(CASE, delay=delay))
        found.append((done, [(one.id, one.label, one.corrects) for one in labels.log]))
    assert found[0] == found[1] == found[2]


def test_first_and_second_labels_keep_the_one_budget() -> None:
    for wanted in (Wanted(1, 0.1), Wanted(1, 0.5), Wanted(2), Wanted(3, 0.2)):
        done, labels = played(replace(CASE, budget=0.2, wanted=wanted))
        assert len(done.bought) == came(labels) + len(labels._pending)
        assert 0.18 * len(ROWS) <= len(done.bought) <= 0.2 * len(ROWS) + 1 + wanted.extra
        first = len(done.bought) - len(labels.asked)
        assert len(labels.asked) == pytest.approx(wanted.extra * first, abs=2 + wanted.extra)


def test_another_annotator_labels_a_sample_again_and_disputes_get_a_third_label() -> None:
    _, labels = played()
    second = [one for one in labels.log if one.second_of is not None]
    assert all(one.annotator not in one.labelled_by for one in second)
    assert {len(one.labelled_by) for one in second} == {1, 2}
    assert len({one.id for one in labels.log if not one.corrects}) == came(labels)


def test_nobody_is_left_to_decide_between_two() -> None:
    done, labels = played(replace(CASE, annotators="ann: error=0.3; bob: error=0.3", wanted=Wanted(1, 0.5)))
    assert 0 < labels.unlabelled <= 5
    assert len(done.bought) == came(labels) + len(labels._pending)


@pytest.mark.parametrize("every", [7, 10_000])
def test_the_model_is_that_of_a_log_folded_with_the_corrections(
    every: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often copies are made. The corrections are taken up before the next sample is predicted."""
    monkeypatch.setattr(second_labels, "EVERY", every)
    _, labels = played()
    corrections = Corrections(labels.learner.ledger.labels(), len(labels.log))
    assert len(corrections.labels) > 3
    anew = labels.start()
    anew.correct(corrections)
    for offset, example in enumerate(labels.log):
        anew.fold(example, offset)
    assert anew.model.digest() == labels.learner.model.digest()
    assert anew.trust == labels.learner.trust
    assert not labels.learner.overdue


def test_an_audit_counts_what_became_of_wrong_labels() -> None:
    """Against the truth, by the labels that the model has learned in the end."""
    case = replace(CASE, wanted=Wanted(1, 0.5))
    _, labels = played(case)
    result = simulate(case, STREAM, TERMS)
    found = result.audit
    assert found is not None
    ledger = labels.learner.ledger.labels()
    first = [(n, one) for n, one in enumerate(labels.log) if one.second_of is None and not one.corrects]
    learned = [(ledger.get(n, one.label), truth(one.id)) for n, one in first]
    assert found.first == labels.queried
    assert found.wrong == sum(not same_label(one.label, truth(one.id)) for _, one in first) > 0
    assert found.wrong_left == sum(not same_label(*pair) for pair in learned)
    assert found.corrected_right + found.corrected_wrong == len(ledger)
    by_id = {one.id: one.label for _, one in first}
    second = [(by_id[str(one.second_of)], one) for one in labels.log if one.second_of is not None]
    against = {one.second_of for label, one in second if not same_label(label, one.label)}
    assert found.contradicted == len(against)
    assert found.found == sum(not same_label(by_id[str(name)], truth(str(name))) for name in against)
    assert 0 < found.corrected_right <= found.found <= found.contradicted
    assert found.wrong_left < found.wrong
    assert (result.labels, found.second) == (found.first + found.second, len(labels.asked))


def test_right_annotators_contradict_nobody() -> None:
    result = simulate(replace(CASE, annotators="ann; bob; eve"), STREAM, TERMS)
    assert result.audit is not None
    assert result.audit.second > 0
    assert (result.audit.wrong, result.audit.contradicted, result.audit.corrected_right) == (0, 0, 0)
