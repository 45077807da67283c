"""CROWDLAB: the class of a sample, from several labels and the model (Goh, Tkachenko, Mueller 2022).

Annotators and the model vote. A vote weighs more, the fewer errors its voter makes in comparison with a voter
who always names the commonest class, whose error is E:

    A_j   agreement of annotator j with the other annotators of the same samples
    w_j = max(eps, 1 - (1 - A_j) / E)
    w_m = max(eps, 1 - error of the model / E) * sqrt(mean number of labels of a sample)
    L     mean agreement of the labels of a sample with its consensus

    posterior of class k ~ w_m p_k + sum over annotators j of w_j (L if y_j = k, else (1 - L) / (K - 1))

Everything but the labels and probabilities of the one sample is a quotient of counts. `Tally` holds these
counts, so a new label costs the same after a million labels, and a sample that is forgotten still counts. A
sample with one label says nothing of agreement; it counts in the mean number of labels alone.

The counts take the majority of a sample's labels for its consensus, as `Opinions.majority` says. The tests
compare weights and posteriors with those of the package `cleanlab` on the same inputs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import sqrt

from stream_al.engine.trust.annotators import Annotators
from stream_al.engine.trust.opinions import Opinions, most_probable

__all__ = ["EQUAL", "Tally", "Weights", "posterior"]

SMALLEST = 1e-6  # of a weight, and of E
MOST_CLASSES = 100


@dataclass(frozen=True, slots=True)
class Weights:
    """How much each voter counts.

    Attributes:
        model: The weight of the model.
        annotators: The weights of the annotators whose agreement is known.
        other: The weight of any other annotator: that of their mean agreement.
        likelihood: The probability that a label is the consensus.
    """

    model: float
    annotators: Mapping[str, float]
    other: float
    likelihood: float

    def of(self, annotator: str | None) -> float:
        """The weight of an annotator."""
        return self.other if annotator is None else self.annotators.get(annotator, self.other)

    @property
    def mean(self) -> float:
        """The mean weight of the annotators."""
        return sum(self.annotators.values()) / len(self.annotators) if self.annotators else self.other


EQUAL = Weights(model=1.0, annotators={}, other=1.0, likelihood=1.0)
"""While no sample has two labels, all voters count alike, as in `cleanlab`."""


@dataclass(slots=True)
class Tally:
    """The counts that the weights are made of.

    Attributes:
        items: Samples with a label.
        labels: Their labels.
        several: Samples with several labels.
        agreement: Of these, the sum of the share of labels that are the consensus.
        model_wrong: Of these, those where the model's most probable class is another one.
        consensus: Of these, how many have each class as consensus.
        annotators: Who agrees with whom.

    >>> from stream_al.engine.trust.opinions import Given
    >>> tally = Tally()
    >>> for label in ("ham", "spam"):
    ...     both = (Given("ann", label), Given("bob", label))
    ...     tally.add(Opinions(both, {"ham": 0.4, "spam": 0.6}, 2))
    >>> weights = tally.weights()
    >>> weights.likelihood, weights.of("ann")
    (1.0, 1.0)
    """

    items: int = 0
    labels: int = 0
    several: int = 0
    agreement: float = 0.0
    model_wrong: int = 0
    consensus: Counter[str] = field(default_factory=Counter)
    annotators: Annotators = field(default_factory=Annotators)

    def add(self, opinions: Opinions, consensus: str | None = None) -> None:
        """Count a sample.

        Args:
            opinions: What is known of it.
            consensus: The key of its class; None for the majority of its labels.
        """
        self._count(opinions, consensus, 1)

    def remove(self, opinions: Opinions, consensus: str | None = None) -> None:
        """Take back what `add` has counted, before the sample is counted with one more label."""
        self._count(opinions, consensus, -1)

    def weights(self) -> Weights:
        """The weights by the counts so far."""
        if not self.several:
            return EQUAL
        commonest = max(self.consensus.values(), default=0)
        error = max(SMALLEST, 1.0 - commonest / self.several)
        agreements = self.annotators.agreements()
        by_annotator = {name: _weight(1.0 - share, error) for name, share in agreements.items()}
        mean = sum(agreements.values()) / len(agreements) if agreements else 1.0
        model = _weight(self.model_wrong / self.several, error) * sqrt(self.labels / max(1, self.items))
        likelihood = min(1.0, max(0.0, self.agreement / self.several))
        return Weights(model, by_annotator, _weight(1.0 - mean, error), likelihood)

    def _count(self, opinions: Opinions, consensus: str | None, sign: int) -> None:
        keys = opinions.keys()
        self.items += sign
        self.labels += sign * len(keys)
        if len(keys) < 2:
            return
        agreed = consensus if consensus is not None else opinions.majority()
        self.several += sign
        self.agreement += sign * keys.count(agreed) / len(keys)
        self.model_wrong += sign * (most_probable(opinions.probabilities) != agreed)
        if agreed in self.consensus or len(self.consensus) < MOST_CLASSES:
            self.consensus[agreed] += sign
            if not self.consensus[agreed]:
                del self.consensus[agreed]
        self.annotators.count([given.annotator for given in opinions.labels], keys, agreed, sign)


def posterior(opinions: Opinions, weights: Weights) -> dict[str, float]:
    """The probability of each class of a sample: those that the model named, and those of its labels.

    >>> from stream_al.engine.trust.opinions import Given
    >>> labels = (Given("ann", "ham"), Given("bob", "spam"))
    >>> found = posterior(Opinions(labels, {"ham": 0.2, "spam": 0.8}, 2), EQUAL)
    >>> {key: round(probability, 3) for key, probability in found.items()}
    {'ham': 0.4, 'spam': 0.6}
    """
    keys, most = opinions.keys(), weights.likelihood
    rest = (1.0 - most) / max(1, opinions.classes - 1)
    votes = [(key, weights.of(given.annotator)) for key, given in zip(keys, opinions.labels, strict=True)]
    total = weights.model + sum(weight for _, weight in votes)
    return {
        key: (
            weights.model * opinions.probabilities.get(key, 0.0)
            + sum(weight * (most if voted == key else rest) for voted, weight in votes)
        )
        / total
        for key in dict.fromkeys([*opinions.probabilities, *keys])
    }


def _weight(error: float, base: float) -> float:
    return max(SMALLEST, 1.0 - error / base)
