"""What the metrics and the status say of each class."""

from __future__ import annotations

from collections import Counter

import msgspec
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from stream_al.engine.labels.class_figures import MOST
from stream_al.engine.labels.judge import KnownLabels
from stream_al.engine.labels.learner import Learner
from stream_al.engine.model.model import Model
from stream_al.messages import ClassLabel, Example, ModelStamp, Prediction
from stream_al.service.http.status import describe_model
from stream_al.service.model.report import OTHERS, LearnerReport
from stream_al.service.telemetry.metrics import Metrics
from stream_al.service.telemetry.problems import Problems
from stream_al.service.timing.clock import SYSTEM_CLOCK
from tests.support.stream import stamped

HOSTILE: list[ClassLabel] = [
    "a\nb",
    "a\rb",
    'quo"te\\',
    "x" * 512,
    "x" * 511 + "y",
    OTHERS,
    "",
    "\u2028",
    "é",
    True,
]


def learner(*labels: ClassLabel, wrong: ClassLabel | None = None) -> Learner:
    """A learner of these labels. All were predicted, or the first and every second one wrongly as another."""
    found = Learner(Model("GaussianNB()", seed=0), KnownLabels(10_000))
    for number, label in enumerate(labels):
        said = Prediction(label if number % 2 or wrong is None else wrong, {})
        example = Example(f"{number}", label, {"x": 1.0}, propensity=0.5, prediction=said)
        found.fold(stamped(example, found), number)
    return found


def series(metrics: Metrics, name: str) -> dict[str, float]:
    """The values of a metric by class, as a scraper reads them."""
    families = text_string_to_metric_families(generate_latest(metrics.registry).decode())
    samples = [
        sample for family in families for sample in family.samples if sample.name == f"stream_al_{name}"
    ]
    return {s.labels["class"]: s.value for s in samples if s.labels.get("bound", "estimate") == "estimate"}


def reporter(metrics: Metrics) -> LearnerReport:
    return LearnerReport(metrics, Problems(metrics, SYSTEM_CLOCK))


def test_every_class_has_a_series_of_its_own_whatever_its_text() -> None:
    metrics = Metrics("test")
    reporter(metrics).learned(learner(*HOSTILE, *HOSTILE), Counter())
    found = series(metrics, "class_labels")
    assert list(found.values()) == [2.0] * len(HOSTILE)
    assert all(len(name) < 80 and name.isprintable() for name in found)
    assert found.keys() == series(metrics, "class_recall_ratio").keys()


def test_the_number_of_series_is_bounded_and_the_other_classes_share_one() -> None:
    metrics = Metrics("test")
    reporter(metrics).learned(learner(*range(MOST + 25)), Counter())
    found = series(metrics, "class_labels")
    assert len(found) == MOST + 1
    assert found[OTHERS] == 25


def test_a_learner_that_replaces_another_leaves_none_of_its_classes() -> None:
    metrics = Metrics("test")
    report = reporter(metrics)
    report.learned(learner("a", "b"), Counter())
    report.start(learner("c"))
    assert series(metrics, "class_labels") == {"c": 1.0}


def test_the_status_lists_recall_precision_and_labels_of_each_class() -> None:
    found = describe_model("model", learner("spam", "spam", "1", 1, wrong="1"))["per_class"]
    spam, text, number = found["classes"]
    assert (spam["class"], text["class"], number["class"]) == ("spam", "1", 1)
    assert spam["labels"] == 2
    assert spam["recall"]["estimate"] == 0.5
    assert 0.0 < spam["recall"]["low"] < 0.5 < spam["recall"]["high"] < 1.0
    assert (spam["precision"]["estimate"], text["precision"]["estimate"]) == (1.0, 0.5)
    assert found["others"] == {"labels": 0, "recall": None, "precision": None}


def test_the_status_and_the_metrics_show_the_accuracy_of_the_model_before_beside_its_own() -> None:
    metrics, found = Metrics("test"), learner("spam", "spam", wrong="ham")
    assert describe_model("model", found)["previous"] is None
    old = Example("old", "spam", {"x": 1.0}, propensity=0.5, prediction=Prediction("ham", {}))
    found.fold(msgspec.structs.replace(old, model=ModelStamp("model", "old version", 5)), 2)
    reporter(metrics).start(found)
    shown = describe_model("model", found)
    assert shown["accuracy"]["all"]["accuracy"] == 0.5
    assert shown["previous"]["accuracy"]["all"]["accuracy"] == 0.0
    assert (shown["previous"]["version"], shown["previous"]["labels"]) == ("old version", 1)
    value = metrics.registry.get_sample_value
    for span, accuracy in (("all", 0.5), ("previous", 0.0)):
        assert value("stream_al_accuracy_ratio", {"span": span, "bound": "estimate"}) == accuracy


def test_the_status_and_the_metrics_never_show_two_classes_as_one() -> None:
    """1 and "1" are two classes, whichever came first; 1.0 is 1."""
    for labels in ((1, "1", 1.0), ("1", 1, 1.0)):
        metrics, found = Metrics("test"), learner(*labels)
        shown = describe_model("model", found)["classes"]
        assert {(type(one["class"]), one["examples"]) for one in shown} == {
            (int, 2),
            (str, 1),
        }
        reporter(metrics).learned(found, Counter())
        assert series(metrics, "class_labels") == {"1": 2.0, '"1"': 1.0}
