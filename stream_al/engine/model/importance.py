"""Feature importance: how much the predictions of a model depend on each feature.

A model depends on a feature if another value of it leads to another prediction. So the value that the feature
has in an example is replaced by its value in another example (permutation importance), and the distance
between the two predictions is measured. No label is needed, and any model will do:

    importance(f) = mean over examples x of  1/2 sum_k |p_k(x) - p_k(x with the f of another example)|

This is the mean total variation distance: 0 for a feature that the model does not use, 1 at most. A feature
that another example lacks is taken away, and one that it has is added.

For one sample, c being the class that the model predicts, the same replacements say which features speak for
this prediction (above 0) or against it (below 0):

    effect(f, x) = p_c(x) - mean over examples z of p_c(x with the f of z)

Two features that say the same may both have small values, because the other one is still there when one is
replaced.

    Breiman: Random forests. Machine Learning 45, 2001.
    Robnik-Sikonja, Kononenko: Explaining classifications for individual instances. IEEE TKDE 20(5), 2008.

The work is bounded: `KEPT` examples, `FEATURES` features, and about `PREDICTIONS` predictions. A model that
learns costs more than this, and no sample waits for it. It is done in steps, each of as many
predictions as take a few milliseconds, or of one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from stream_al.engine.model.predictions import Predictions
from stream_al.engine.randomness import uniform
from stream_al.engine.samples.table import Sample, is_numeric, sample_of, with_shared_shapes
from stream_al.engine.steps import finished

if TYPE_CHECKING:
    from stream_al.engine.model.model import Model

__all__ = [
    "RecentFeatures",
    "effects",
    "explain",
    "feature_importance",
    "feature_names",
    "importances",
    "predict_in_steps",
    "ranked",
]

KEPT = 32  # examples
LARGEST_BYTES = 2**16  # of one example that is kept
FEATURES = 1000  # that are examined
PREDICTIONS = 4000
FEWEST = 4  # examples of which the mean is taken, however many features they have
AT_ONCE = 500  # predictions
VALUES_AT_ONCE = 2_500  # of the samples of these predictions, times `Model.relative_work`
DIGITS = 6


class RecentFeatures:
    """The features of the last examples, `KEPT` at most, none larger than `LARGEST_BYTES`.

    >>> recent = RecentFeatures()
    >>> recent.keep({"x": 1.0})
    >>> recent.keep({"x": 2.0, "text": "long" * 100_000})
    >>> [sample.features for sample in recent.samples()]
    [{'x': 1.0}]
    """

    def __init__(self) -> None:
        self._kept: deque[Mapping[str, object]] = deque(maxlen=KEPT)

    def keep(self, features: Mapping[str, object]) -> None:
        """Keep the features of an example, unless they are too large."""
        size = 32 * len(features)
        for value in features.values():
            if type(value) is str:
                size += 4 * len(value)
        if size <= LARGEST_BYTES:
            self._kept.append(features)

    def samples(self) -> list[Sample]:
        """The examples to examine, the latest ones; the more features they have, the fewer."""
        if not self._kept:
            return []
        width = sum(map(len, self._kept)) / len(self._kept)
        number = max(FEWEST, int(PREDICTIONS / max(width, 1.0)))
        latest = list(self._kept)[-number:]
        return with_shared_shapes(sample_of(str(place), features) for place, features in enumerate(latest))


def feature_names(samples: Iterable[Sample]) -> list[str]:
    """The features that occur, the first `FEATURES` of them."""
    names = dict.fromkeys(name for sample in samples for name in sample.shape.names)
    return list(names)[:FEATURES]


def feature_importance(model: Model, recent: RecentFeatures) -> dict[str, float]:
    """The importance of each feature, the largest first.

    Args:
        model: The model, which does not change.
        recent: Its last examples.

    Returns:
        Numbers from 0 to 1; nothing for a model that knows fewer than two classes.
    """
    samples = recent.samples()
    names, found = feature_names(samples), dict[str, float]()
    each = max(1, AT_ONCE // max(len(samples), 1))
    for begin in range(0, len(names), each):
        found |= finished(importances(model, samples, names[begin : begin + each]))
    return ranked(found)


def ranked(found: Mapping[str, float]) -> dict[str, float]:
    """Features by importance, the largest first; equal ones in their order."""
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def predict_in_steps(model: Model, samples: Sequence[Sample]) -> Generator[None, None, Predictions]:
    """Return the predictions of a sample or more, and yield before each step.

    The model may learn meanwhile: then some are of the model before, and some of the model after that.
    """
    width = max(1, *(len(sample.values) for sample in samples))
    each = max(1, min(AT_ONCE, int(VALUES_AT_ONCE / (width * model.relative_work()))))
    parts = []
    for begin in range(0, len(samples), each):
        yield
        parts.append(model.predict_proba_many(samples[begin : begin + each]))
    return Predictions.joined(parts)


def importances(
    model: Model, samples: Sequence[Sample], names: Sequence[str]
) -> Generator[None, None, dict[str, float]]:
    """Return the importance of some features, in steps.

    Args:
        model: The model, which does not change.
        samples: Those that values are replaced in, and taken from.
        names: The features.
    """
    number = len(samples)
    if number < 2 or not model.ready:
        return {}
    altered: list[Sample] = []
    owners: list[tuple[int, int]] = []
    for column, name in enumerate(names):
        # Each example gets the value of the one that lies a random number of places further.
        shift = 1 + int(uniform(0, "importance", name) * (number - 1))
        for place, sample in enumerate(samples):
            changed = _with_value(sample, samples[(place + shift) % number], name)
            if changed is not None:
                altered.append(changed)
                owners.append((column, place))
    totals = np.zeros(len(names))
    if altered:
        before = yield from predict_in_steps(model, samples)
        after = yield from predict_in_steps(model, with_shared_shapes(altered))
        columns, places = np.asarray(owners).T
        known = len(before.labels)  # the model may know more classes by now
        gaps = 0.5 * np.abs(after.probabilities[:, :known] - before.probabilities[places]).sum(axis=1)
        usable = after.known & before.known[places]
        np.add.at(totals, columns[usable], gaps[usable])
    return {name: round(total / number, DIGITS) for name, total in zip(names, totals.tolist(), strict=True)}


def explain(model: Model, features: Mapping[str, object], recent: RecentFeatures) -> dict[str, float]:
    """What each feature of a sample does for the class that the model predicts, the largest effect first.

    Args:
        model: The model, which does not change.
        features: The sample.
        recent: The last examples of the model.

    Returns:
        From -1 to 1, the part of the probability of this class that the value of the feature brings; nothing
        without a prediction.
    """
    sample = sample_of("", features)
    found = finished(effects(model, sample, recent.samples(), feature_names([sample])))
    return dict(sorted(found.items(), key=lambda item: -abs(item[1])))


def effects(
    model: Model, sample: Sample, others: Sequence[Sample], names: Sequence[str]
) -> Generator[None, None, dict[str, float]]:
    """Return what some features of a sample do, as in `explain`, in steps.

    Args:
        model: The model, which does not change.
        sample: The sample.
        others: Those that values are taken from.
        names: The features.
    """
    before = yield from predict_in_steps(model, [sample])
    if not others or not model.ready or not before.known[0]:
        return {}
    chosen = int(before.probabilities[0].argmax())
    found: dict[str, float] = {}
    for name in names:
        altered = [changed for other in others if (changed := _with_value(sample, other, name)) is not None]
        if not altered:
            found[name] = 0.0
            continue
        after = yield from predict_in_steps(model, with_shared_shapes(altered))
        gaps = before.probabilities[0, chosen] - after.probabilities[after.known, chosen]
        found[name] = round(float(gaps.sum()) / len(others), DIGITS)
    return found


def _with_value(sample: Sample, other: Sample, name: str) -> Sample | None:
    """The sample with the value of a feature from another one; None where both have the same."""
    names = sample.shape.names
    here = sample.values[names.index(name)] if name in names else None
    there = other.values[other.shape.names.index(name)] if name in other.shape.names else None
    if type(here) is type(there) and here == there:
        return None
    if here is not None and there is not None and sample.shape.numeric and is_numeric((there,)):
        place = names.index(name)
        return Sample(sample.id, sample.shape, (*sample.values[:place], there, *sample.values[place + 1 :]))
    features = sample.features
    if there is None:
        del features[name]
    else:
        features[name] = there
    return sample_of(sample.id, features)
