"""The laws of the advice about rare classes: when it is given, and that it can be followed as it stands."""

from __future__ import annotations

import re

import pytest

from stream_al.engine.labels.class_figures import PerClass
from stream_al.engine.labels.rare_classes import ENOUGH, FEW, SeenClass, advice, forewarning, seen_classes
from stream_al.engine.model.objective import ACCURACY, BALANCED, rule
from stream_al.messages import ClassLabel

RECALL = "recall of fraud at precision 0.5"


def seen(
    share: float, labels: int, recall: float | None, label: ClassLabel = "fraud", of: int = 1000
) -> list[SeenClass]:
    """Two classes, the first of which is looked at."""
    return [SeenClass(label, share, labels, recall), SeenClass("fine", 1 - share, of - labels, 1.0)]


@pytest.mark.parametrize(
    "classes",
    [
        seen(0.03, 30, 0.0),
        seen(0.03, 30, 0.099),
        seen(0.03, 1, 0.5),
        seen(0.03, 1, None),
        seen(0.05, 1, 0.0, of=12),  # a recall that is known counts however few the labels are
    ],
)
def test_a_rare_class_that_is_missed_or_has_few_labels_is_named(classes: list[SeenClass]) -> None:
    assert "the class fraud is rare" in (advice(classes, ACCURACY) or "")


@pytest.mark.parametrize(
    "classes",
    [
        [],
        seen(0.03, 30, 0.1),
        seen(0.03, FEW, None),
        seen(0.03, 1, None, of=ENOUGH - 1),  # so few labels say nothing yet
        seen(0.1, 0, 0.0),  # not rare
        [SeenClass(f"c{k}", 0.04, 40, 0.0) for k in range(25)],  # none of many equal classes is rare
        [SeenClass(f"c{k}", 0.001 * k, k, None) for k in range(25)],  # of many, some always have few labels
        [SeenClass("fine", 1.0, ENOUGH - 1, 1.0)],
    ],
)
def test_nothing_is_said_of_any_other_class(classes: list[SeenClass]) -> None:
    assert advice(classes, ACCURACY) is None


def test_the_settings_that_it_names_are_understood() -> None:
    """Each objective between the quotation marks, or after `=`, is one that the settings take."""
    told = advice(seen(0.03, 3, 0.0), ACCURACY) or ""
    named = re.findall(r"model\.objective=(?:'([^']+)'|(\w+))", told)
    assert [rule(quoted or plain).objective for quoted, plain in named] == [BALANCED, RECALL]
    assert "stream-al labels import" in told
    assert "RECIPES.md" in told


def test_a_class_that_another_one_is_misspelt_as_is_not_asked_for() -> None:
    """It is to be corrected, and no known cases of it are to be imported."""
    strange: list[ClassLabel] = ["Fraud", "FRAUD", 1, "1"]
    classes = [*seen(0.03, 30, 0.0), *(SeenClass(label, 0.001, 1, None) for label in strange)]
    told = advice(classes, ACCURACY) or ""
    assert told.startswith("the class fraud is rare (3.00% of the samples, and so is 1)")
    few = [SeenClass("fine", 0.9, 90), SeenClass("fraud", 0.02, 2), SeenClass("Fraud", 0.01, 1)]
    assert (forewarning(few, ACCURACY) or "").startswith("the class fraud is rare (2.00% of the labels)")


@pytest.mark.parametrize("label", ["a" * 300, "it's", "two\nlines", "\x1b[2J"])
def test_a_class_that_cannot_be_shown_as_it_is_written_names_no_objective(label: str) -> None:
    told = advice(seen(0.03, 3, 0.0, label), ACCURACY) or ""
    assert "model.objective=balanced" in told
    assert "recall of" not in told
    assert told.isprintable()
    assert len(told) < 500


@pytest.mark.parametrize("objective", [BALANCED, RECALL])
def test_with_such_an_objective_in_force_it_asks_for_labels(objective: str) -> None:
    told = advice(seen(0.03, 3, 0.0), objective) or ""
    assert "stream-al labels import" in told
    assert "budget.share" in told
    assert "model.objective=" not in told


def test_labels_of_one_class_alone_are_no_stream_to_learn_from() -> None:
    assert "all 50 labels are of one class, fine" in (
        advice([SeenClass("fine", 1.0, 50, 1.0)], ACCURACY) or ""
    )


def test_the_classes_missed_come_first_and_the_others_are_counted() -> None:
    rare = [SeenClass(f"r{k}", 0.01 + k / 1000, 2 if k else 9, None if k else 0.0) for k in range(6)]
    told = advice([*rare, SeenClass("fine", 0.9, 900, 1.0)], ACCURACY) or ""
    assert "the class r0 is rare (1.00% of the samples, and so are r5, r4 and 3 more)" in told


def test_the_share_is_that_of_the_stream_and_not_of_the_labels() -> None:
    """Half of the labels are fraud, and they stand for 2% of the samples."""
    figures = PerClass()
    for _ in range(30):
        figures.update("fraud", "fine", propensity=1.0)
        figures.update("fine", "fine", propensity=0.02)
    fraud, fine = seen_classes(figures, {})
    assert fraud.share == pytest.approx(0.0196, abs=1e-3)
    assert (fraud.labels, fraud.recall, fine.recall) == (30, 0.0, 1.0)
    assert "misses it" in (advice([fraud, fine], ACCURACY) or "")


def test_an_estimate_from_few_labels_is_none_and_imported_examples_count_as_labels() -> None:
    figures = PerClass()
    for _ in range(FEW - 1):
        figures.update("fraud", "fine", propensity=1.0)
    for _ in range(100):
        figures.update("fine", "fine", propensity=0.1)
    assert seen_classes(figures, {})[0].recall is None
    assert advice(seen_classes(figures, {}), ACCURACY)
    assert advice(seen_classes(figures, {"fraud": 20, "fine": 120}), ACCURACY) is None
