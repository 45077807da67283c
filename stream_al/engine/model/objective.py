"""The objective: which label to serve, given the probabilities of the classes.

    objective                           label that is served
    accuracy                            the most probable class
    balanced                            argmax of p_k / prior_k
    recall of CLASS at precision P      CLASS if its probability reaches a threshold, else the most probable
                                        of the other classes

The most probable class makes the fewest errors. Where a class is rare, it hardly ever is the most probable
one, and the fewest errors are made by never naming it.

*Balanced.* A class is named where it is more probable than usual. The division takes the prior out of the
posterior, so every class counts alike, whatever its share: the label is the best one for the mean of the
recalls of all classes (Saerens, Latinne, Decaestecker: Adjusting the Outputs of a Classifier to New a Priori
Probabilities, Neural Computation 2002). The prior to take out is the one that the model has, and it has
learned the labelled examples, not the stream. So prior_k is the mean of p_k over the labelled examples, as
it was predicted at their queries, fading by `FADING` with each. (Weighted by inverse propensity it would be
the prior of the stream. On three streams with rare classes that gives a lower G-mean at a lower accuracy, as
do the shares of the labels: tests/benchmarks/README.md.) `PRIOR` of one example with equal probabilities is
added, so that no prior is 0.

*Recall at precision.* The labelled examples with their inverse propensities estimate the precision of every
threshold t over the whole stream (`engine.labels.evaluation`):

    precision(t) = sum(w c) / sum(w),   over the examples with p >= t; c = 1 for one of the CLASS

The lowest threshold with a precision of at least P has the highest recall of these. But the best of many
estimates is too good on average. So the lower end of its interval (`engine.intervals`), `CAUTION` standard
errors below, must be at least P. Where no threshold reaches that, CLASS is not named. Before `EVIDENCE`
examples of the class are among the last `RECENT`, the label is that of accuracy.

A rule changes with examples alone, in their order, so all replicas serve the same label. Its memory is
bounded: a number for each class up to a limit, or `RECENT` examples.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from stream_al.engine.intervals import wilson
from stream_al.engine.model.predictions import likeliest_label
from stream_al.engine.trust.opinions import class_key
from stream_al.errors import Misconfigured
from stream_al.messages import ClassLabel, class_names

__all__ = ["ACCURACY", "BALANCED", "EVIDENCE", "Balanced", "RecallAtPrecision", "Rule", "rule"]

ACCURACY = "accuracy"
BALANCED = "balanced"
FADING = 0.97  # about the last 33 examples: a model that learns changes what is usual
PRIOR = 0.1
RECENT = 500
EVIDENCE = 5
CAUTION = 1.0  # standard errors
NEVER = 2.0  # a threshold that no probability reaches
_RECALL = re.compile(r"recall of (.{1,512}) at precision (\d{0,3}(?:\.\d{0,9})?)", re.DOTALL)


def rule(objective: str, max_classes: int = 1000) -> Rule:
    """The rule of an objective, before the first example.

    Args:
        objective: As the settings name it.
        max_classes: The most classes of the model.

    Raises:
        Misconfigured: There is no such objective.

    >>> balanced = rule("balanced")
    >>> for _ in range(100):
    ...     balanced.learn({"fraud": 0.03, "fine": 0.97}, "fine", propensity=1.0)
    >>> balanced.label({"fraud": 0.2, "fine": 0.8}), rule("accuracy").label({"fraud": 0.2, "fine": 0.8})
    ('fraud', 'fine')
    """
    text = " ".join(objective[:1000].split())
    if text == ACCURACY:
        return Rule()
    if text == BALANCED:
        return Balanced(max_classes=max_classes)
    if (match := _RECALL.fullmatch(objective.strip())) and (precision := _share(match[2])):
        return RecallAtPrecision(f"recall of {match[1]} at precision {precision:g}", match[1], precision)
    raise Misconfigured(
        f"write accuracy, balanced, or recall of CLASS at precision P with a P above 0 and below 1, such as "
        f"recall of fraud at precision 0.5, not {text[:60]!r}"
    )


@dataclass
class Rule:
    """The rule of the objective `accuracy`, and what all rules have.

    Attributes:
        objective: The objective in its normal form.
    """

    objective: str = ACCURACY

    @property
    def threshold(self) -> float | None:
        """The probability from which on the class of the objective is served; None if there is none."""
        return None

    def learn(self, predicted: Mapping[str, float], label: ClassLabel, *, propensity: float) -> None:
        """Take in one labelled example.

        Args:
            predicted: The probabilities at its query, by class as text; empty without a prediction.
            label: Its label.
            propensity: The probability with which it was selected, in (0, 1].
        """

    def label(self, probabilities: Mapping[ClassLabel, float]) -> ClassLabel | None:
        """The label to serve; None without probabilities."""
        return likeliest_label(probabilities)


@dataclass
class Balanced(Rule):
    """The rule of the objective `balanced`.

    Attributes:
        max_classes: The most classes to remember.
        sums: The fading sum of the probabilities of each class, by class as text.
    """

    objective: str = BALANCED
    max_classes: int = 1000
    sums: dict[str, float] = field(default_factory=dict)

    def learn(self, predicted: Mapping[str, float], label: ClassLabel, *, propensity: float) -> None:
        """Let what was predicted count among what is usual."""
        if len(predicted) < 2:  # a model that knows one class has nothing to compare
            return
        self.sums = {text: FADING * value for text, value in self.sums.items()}
        for text, p in predicted.items():
            if 0.0 <= p <= 1.0 and (text in self.sums or len(self.sums) < self.max_classes):
                self.sums[text] = self.sums.get(text, 0.0) + p

    def label(self, probabilities: Mapping[ClassLabel, float]) -> ClassLabel | None:
        """The class that is most probable for its prior."""
        least, names = PRIOR / max(1, len(probabilities)), class_names(*probabilities)
        priors = [self.sums.get(name, 0.0) + least for name in names]
        ratios = [p / prior for p, prior in zip(probabilities.values(), priors, strict=True)]
        return likeliest_label(dict(zip(probabilities, ratios, strict=True)))


@dataclass
class RecallAtPrecision(Rule):
    """The rule of the objective `recall of CLASS at precision P`.

    Attributes:
        wanted: The class, as the key that it has in a prediction (`stream_al.class_names`).
        precision: The precision that is asked for.
        recent: Of the last examples with a prediction: the probability of the class, whether it is the label,
            and the inverse propensity.
    """

    wanted: str = ""
    precision: float = 0.5
    recent: deque[tuple[float, bool, float]] = field(default_factory=lambda: deque(maxlen=RECENT))
    _found: list[float | None] = field(default_factory=list, compare=False, repr=False)

    @property
    def threshold(self) -> float | None:
        """The probability from which on the class is served, above 1 if it never is; None before evidence."""
        if not self._found:
            self._found = [self._threshold()]
        return self._found[0]

    def learn(self, predicted: Mapping[str, float], label: ClassLabel, *, propensity: float) -> None:
        """Let the example count in the estimates of precision."""
        if len(predicted) > 1 and 0.0 <= (p := predicted.get(self.wanted, 0.0)) <= 1.0:
            self.recent.append((p, class_key(label, predicted) == self.wanted, 1.0 / propensity))
            self._found = []

    def label(self, probabilities: Mapping[ClassLabel, float]) -> ClassLabel | None:
        """The class if its probability reaches the threshold, else the most probable of the others."""
        names = zip(class_names(*probabilities), probabilities, strict=True)
        wanted = next((label for name, label in names if name == self.wanted), None)
        threshold = self.threshold
        if wanted is None or threshold is None or len(probabilities) < 2:
            return likeliest_label(probabilities)
        if probabilities[wanted] >= threshold:
            return wanted
        return likeliest_label({label: p for label, p in probabilities.items() if label != wanted})

    def _threshold(self) -> float | None:
        if sum(hit for _, hit, _ in self.recent) < EVIDENCE:
            return None
        p, hits, weights = np.array(sorted(self.recent, reverse=True), dtype=np.float64).T
        weight = np.cumsum(weights)
        precision = np.minimum(1.0, np.cumsum(hits * weights) / weight)
        lower, _ = wilson(precision, weight**2 / np.cumsum(weights**2), CAUTION)
        last_of_equals = np.append(p[1:] != p[:-1], True)
        enough = np.flatnonzero(last_of_equals & (lower >= self.precision))
        return float(p[enough[-1]]) if len(enough) else NEVER


def _share(text: str) -> float | None:
    """A share above 0 and below 1; None if it is none."""
    try:
        share = float(text)
    except ValueError:
        return None
    return share if 0.0 < share < 1.0 else None
