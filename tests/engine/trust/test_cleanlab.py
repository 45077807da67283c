"""Consensus, weights, scores and thresholds are those of the package `cleanlab` on the same inputs."""

import numpy as np
import pytest
from cleanlab.count import get_confident_thresholds
from cleanlab.internal.multiannotator_utils import find_best_temp_scaler, temp_scale_pred_probs
from cleanlab.multiannotator import get_active_learning_scores, get_label_quality_multiannotator
from cleanlab.rank import get_normalized_margin_for_each_label, get_self_confidence_for_each_label

from stream_al.engine.trust.activelab import consensus_quality, labelled_score, unlabelled_score
from stream_al.engine.trust.crowdlab import Tally, Weights, posterior
from stream_al.engine.trust.opinions import Given, Opinions
from stream_al.engine.trust.thresholds import Thresholds, normalised_margin, self_confidence

ITEMS, ANNOTATORS = 300, 5
every_stream = pytest.mark.parametrize(("classes", "seed"), [(2, 1), (3, 2), (5, 3)])


def stream(classes: int, seed: int, most: int = ANNOTATORS) -> tuple[np.ndarray, np.ndarray]:
    """Labels of annotators of different reliability (nan: none), and a model's probabilities."""
    random = np.random.default_rng(seed)
    truth = random.integers(classes, size=ITEMS)
    probabilities = random.dirichlet(np.ones(classes), size=ITEMS)
    probabilities[np.arange(ITEMS), truth] += random.uniform(0.2, 1.5, size=ITEMS)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    labels = np.full((ITEMS, ANNOTATORS), np.nan)
    for item in range(ITEMS):
        for annotator in random.choice(ANNOTATORS, size=random.integers(1, most + 1), replace=False):
            wrong = random.random() < 0.05 + 0.08 * annotator
            labels[item, annotator] = random.integers(classes) if wrong else truth[item]
    return labels, probabilities


def opinions(labels: np.ndarray, probabilities: np.ndarray) -> list[Opinions]:
    """The same as opinions; the classes are whole numbers."""
    classes = probabilities.shape[1]
    return [
        Opinions(
            tuple(Given(f"a{j}", int(label)) for j, label in enumerate(given) if not np.isnan(label)),
            {str(k): float(p) for k, p in enumerate(row)},
            classes,
        )
        for given, row in zip(labels, probabilities, strict=True)
    ]


def weights(items: list[Opinions], consensus: list[str | None]) -> Weights:
    tally = Tally()
    for item, agreed in zip(items, consensus, strict=True):
        tally.add(item, agreed)
    return tally.weights()


def cleanlabs(labels: np.ndarray, probabilities: np.ndarray, method: str) -> dict[str, object]:
    found: dict[str, object] = get_label_quality_multiannotator(
        labels,
        probabilities,
        consensus_method=method,
        return_weights=True,
        return_detailed_quality=False,
        return_annotator_stats=False,
        verbose=False,
    )
    return found


def best(items: list[Opinions]) -> list[str | None]:
    """The consensus that `cleanlab` calls `best_quality`: the class of the greatest posterior."""
    found = weights(items, [None] * len(items))
    posteriors = [posterior(item, found) for item in items]
    return [max(one, key=one.__getitem__) for one in posteriors]


@every_stream
@pytest.mark.parametrize("method", ["majority_vote", "best_quality"])
def test_crowdlab_is_cleanlabs(classes: int, seed: int, method: str) -> None:
    labels, probabilities = stream(classes, seed)
    items = opinions(labels, probabilities)
    consensus = best(items)
    if method == "majority_vote":
        consensus = [item.majority() for item in items]
    ours, theirs = weights(items, consensus), cleanlabs(labels, probabilities, method)
    assert ours.model == pytest.approx(theirs["model_weight"])
    assert [ours.of(f"a{j}") for j in range(ANNOTATORS)] == pytest.approx(theirs["annotator_weight"])
    table: dict[str, list[float]] = theirs["label_quality"]  # type: ignore[assignment]  # a data frame
    assert consensus == [str(label) for label in table["consensus_label"]]
    quality = [posterior(item, ours)[key or ""] for item, key in zip(items, consensus, strict=True)]
    assert quality == pytest.approx(list(table["consensus_quality_score"]))


@every_stream
def test_the_counts_of_a_sample_are_taken_back_exactly_when_it_gets_one_more_label(
    classes: int, seed: int
) -> None:
    labels, probabilities = stream(classes, seed)
    tally, items = Tally(), opinions(labels, probabilities)
    for item in items:
        tally.add(Opinions(item.labels[:1], item.probabilities, classes))
    for item in items:
        for number in range(2, len(item.labels) + 1):
            tally.remove(Opinions(item.labels[: number - 1], item.probabilities, classes))
            tally.add(Opinions(item.labels[:number], item.probabilities, classes))
    found, at_once = tally.weights(), weights(items, [None] * len(items))
    assert (found.model, found.likelihood) == pytest.approx((at_once.model, at_once.likelihood))
    assert found.annotators == pytest.approx(at_once.annotators)


@every_stream
def test_activelab_is_cleanlabs(classes: int, seed: int) -> None:
    labels, probabilities = stream(classes, seed)
    _, unlabelled = stream(classes, seed + 100)
    theirs, theirs_unlabelled = get_active_learning_scores(labels, probabilities, unlabelled)
    heat = find_best_temp_scaler(labels, probabilities)  # which is cleanlab's own step before the formulas
    items = opinions(labels, temp_scale_pred_probs(probabilities, heat))
    consensus = best(items)
    found = weights(items, consensus)
    ours = [
        labelled_score(item, posterior(item, found)[key or ""], found)
        for item, key in zip(items, consensus, strict=True)
    ]
    assert ours == pytest.approx(list(theirs))
    scaled = opinions(labels, temp_scale_pred_probs(unlabelled, heat))
    ours_unlabelled = [unlabelled_score(item.probabilities, classes, found) for item in scaled]
    assert ours_unlabelled == pytest.approx(list(theirs_unlabelled))


@every_stream
def test_activelab_is_cleanlabs_while_every_sample_has_one_label(classes: int, seed: int) -> None:
    labels, probabilities = stream(classes, seed, most=1)
    items = opinions(labels, probabilities)
    equal = weights(items, [None] * len(items))
    ours = [labelled_score(item, consensus_quality(item, equal), equal) for item in items]
    assert ours == pytest.approx(list(get_active_learning_scores(labels, probabilities)[0]))


@every_stream
def test_scores_and_confident_thresholds_are_cleanlabs(classes: int, seed: int) -> None:
    labels, probabilities = stream(classes, seed, most=1)
    given = np.nanmax(labels, axis=1).astype(int)
    thresholds, rows = Thresholds(decay=1.0), [item.probabilities for item in opinions(labels, probabilities)]
    for label, row in zip(given.tolist(), rows, strict=True):
        thresholds.add(label, row)
    ours = [thresholds.of(str(k)) for k in range(classes)]
    assert ours == pytest.approx(list(get_confident_thresholds(given, probabilities)))
    pairs = list(zip(given.tolist(), rows, strict=True))
    confidences = [self_confidence(label, row) for label, row in pairs]
    assert confidences == pytest.approx(list(get_self_confidence_for_each_label(given, probabilities)))
    margins = [normalised_margin(label, row) for label, row in pairs]
    assert margins == pytest.approx(list(get_normalized_margin_for_each_label(given, probabilities)))
