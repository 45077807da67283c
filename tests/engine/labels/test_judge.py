"""The laws of the first label: what a label means, and what is remembered of a sample."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_al.engine.labels.judge import KnownLabels, judge, same_label
from stream_al.engine.labels.lifecycle import Event, Stage
from stream_al.messages import ClassLabel

law = settings(derandomize=True, deadline=None, max_examples=150)
labels: st.SearchStrategy[ClassLabel] = st.sampled_from(["x", "y", "", 0, 1, True, False, 1.0, 2.5])
histories = st.lists(st.tuples(st.sampled_from("pqrs"), labels), max_size=30)


@pytest.mark.parametrize("label", ["x", "", 0, False, 0.0, 2.5])
def test_a_label_is_the_first_or_the_same_or_another(label: ClassLabel) -> None:
    assert judge(None, label) is Event.LABEL
    assert judge(label, label) is Event.SAME_LABEL
    assert judge(label, "another") is judge("another", label) is Event.OTHER_LABEL


def test_labels_that_are_equal_in_python_are_one_label() -> None:
    assert same_label(True, 1)
    assert same_label(1, 1.0)
    assert not same_label("1", 1)


@law
@given(histories)
def test_the_first_label_stays_whatever_follows(history: list[tuple[str, ClassLabel]]) -> None:
    known = KnownLabels(remember=10)
    first: dict[str, ClassLabel] = {}
    for sample_id, label in history:
        assert known.judge(sample_id, label) is known.add(sample_id, label)  # judging alone changes nothing
        assert known[sample_id] is first.setdefault(sample_id, known[sample_id])
    assert known.conflicted == {name for name, label in history if label != first[name]}


@law
@given(histories, st.integers(1, 3))
def test_what_is_remembered_is_bounded_and_the_oldest_is_forgotten_first(
    history: list[tuple[str, ClassLabel]], remember: int
) -> None:
    known = KnownLabels(remember)
    order: list[str] = []
    for sample_id, label in history:
        if known.add(sample_id, label) is Event.LABEL:
            order = [*order, sample_id][-remember:]
        assert list(known) == order
        assert known.conflicted <= known.keys()


def test_a_forgotten_sample_begins_anew() -> None:
    known = KnownLabels(remember=1)
    for sample_id, label in [("a", "x"), ("a", "y"), ("b", "x")]:
        known.add(sample_id, label)
    assert known.stage("a") is Stage.PENDING
    assert known.add("a", "y") is Event.LABEL
    assert known.stage("a") is Stage.LABELLED


def test_fewer_are_remembered_from_the_next_label_on_once_the_bound_is_lowered() -> None:
    known = KnownLabels(remember=3)
    for sample_id in "abc":
        known.add(sample_id, "x")
    known.remember = 1
    known.add("d", "x")
    assert dict(known) == {"d": "x"}


def test_known_labels_survive_pickling() -> None:
    known = KnownLabels(remember=2)
    for sample_id, label in [("a", "x"), ("b", "x"), ("b", "y")]:
        known.add(sample_id, label)
    again = pickle.loads(pickle.dumps(known))  # noqa: S301 -- our own bytes
    assert (again, again.conflicted, again.remember) == (known, {"b"}, 2)
    again.add("c", "x")
    assert list(again) == ["b", "c"]
