"""Rules from their published formulas: random, periodic, and those of River, Vowpal Wabbit and Prodigy.

The rules of River and Vowpal Wabbit know no budget. Each has a parameter that makes it buy more or fewer
labels, and this module controls it while the stream runs. The logarithm of the parameter moves by 0.2 for
every label that the rule is ahead of its budget or behind, and by 0.02 more for every 1/B samples for which
it stays so (proportional and integral control). So the rate is the one asked for, wherever the rule can reach
it. The rule of Prodigy has no such parameter. It gets a cap on labels bought / samples seen.
"""

from __future__ import annotations

from math import exp, log, log2, sqrt

import numpy as np

from stream_al.engine.randomness import uniform
from stream_al.messages import ClassLabel
from tests.benchmarks.efficiency.prequential import Baseline, Candidate, Terms
from tests.benchmarks.efficiency.streams import WARM_START, Sample

__all__ = ["Bernoulli", "EntropySampler", "ImportanceWeighted", "MovingAverage", "Periodic", "Uncapped"]

PROPORTIONAL, INTEGRAL = 0.2, 0.02  # of the logarithm: for a label ahead, and for 1/B samples so
REACH = 12.0  # the largest magnitude of the logarithm


class Bernoulli(Baseline):
    """Random: every label with probability B, independently. All policies are compared with it."""

    def __init__(self, terms: Terms) -> None:
        self.terms = terms

    def decide(self, candidate: Candidate) -> bool:
        return uniform(self.terms.seed, "random rival", candidate.sample.id) < self.terms.share


class Periodic(Baseline):
    """Periodic: every 1/B-th sample, from a random one on."""

    def __init__(self, terms: Terms) -> None:
        self.share = terms.share
        self.seen = uniform(terms.seed, "phase", "periodic") / terms.share

    def decide(self, candidate: Candidate) -> bool:
        self.seen += 1.0
        return int(self.seen * self.share) > int((self.seen - 1.0) * self.share)


class _Controlled(Baseline):
    """Buys with a probability that rises with `ease`, a factor controlled towards the budget."""

    def __init__(self, terms: Terms) -> None:
        self.terms = terms
        self.ahead = self.gathered = 0.0

    @property
    def ease(self) -> float:
        return exp(_within(-PROPORTIONAL * self.ahead - INTEGRAL * self.gathered))

    def decide(self, candidate: Candidate) -> bool:
        chance = self.chance(candidate)
        buys = uniform(self.terms.seed, "steered rival", candidate.sample.id) < chance
        self.ahead += buys - self.terms.share
        self.gathered = _within(self.gathered + self.terms.share * self.ahead, REACH / INTEGRAL)
        return buys

    def chance(self, candidate: Candidate) -> float:
        raise NotImplementedError


def _within(value: float, reach: float = REACH) -> float:
    return min(reach, max(-reach, value))


class EntropySampler(_Controlled):
    """River's `active.EntropySampler`: p = (H / log2 k)^d, k the classes with a probability above 0.

    The discount factor d is controlled. It starts at 1/B - 1, which is right for uniform entropies;
    River's default of 3 would buy a quarter of those.
    """

    def __init__(self, terms: Terms) -> None:
        super().__init__(terms)
        self.discount_factor = 1.0 / terms.share - 1.0

    def chance(self, candidate: Candidate) -> float:
        possible = [p for p in candidate.probabilities.tolist() if p > 0.0]
        if len(possible) < 2:
            return 0.0
        entropy = -sum(p * log2(p) for p in possible) / log2(len(possible))
        return float(min(1.0, entropy) ** (self.discount_factor / self.ease))


class ImportanceWeighted(_Controlled):
    """Vowpal Wabbit's `--active`: importance-weighted active learning (IWAL).

    Beygelzimer, Hsu, Langford, Zhang: Agnostic Active Learning Without Constraints (NIPS 2010), with
    m = c ln(t + 1) / t:

        p = 1                                             if G <= sqrt(m min(1, err + G)) + m
        p = ((sqrt(m) + sqrt(m + 4 G m)) / (2 G))^2       else

    G is how much worse, in error rate, the best model is that contradicts the present one here; for any
    learner that is the share of its examples that would have to change sides, estimated by the margin
    p1 - p2. err is the error rate over the labels bought, each weighted by 1/p as IWAL weighs it. The
    mellowness c is controlled and starts at B. The learners take no weights, so all examples weigh the same.
    """

    def __init__(self, terms: Terms) -> None:
        super().__init__(terms)
        self.seen = WARM_START
        self.weights = self.wrong = 0.0
        self.asked: dict[str, tuple[float, int]] = {}
        self.order: dict[ClassLabel, int] = {}

    def chance(self, candidate: Candidate) -> float:
        self.seen += 1
        order = np.sort(candidate.probabilities)
        gap = float(order[-1] - order[-2])
        m = self.terms.share * self.ease * log(self.seen + 1) / self.seen
        error = self.wrong / self.weights if self.weights else 0.5
        if gap <= sqrt(m * min(1.0, error + gap)) + m:
            chance = 1.0
        else:
            chance = min(1.0, ((sqrt(m) + sqrt(m + 4.0 * gap * m)) / (2.0 * gap)) ** 2)
        self.asked[candidate.sample.id] = chance, int(candidate.probabilities.argmax())
        return chance

    def label(self, sample: Sample, label: ClassLabel) -> None:
        position = self.order.setdefault(label, len(self.order))  # in which the learner learns them
        if sample.id in self.asked:
            chance, guess = self.asked[sample.id]
            self.weights += 1.0 / chance
            self.wrong += (guess != position) / chance


class Uncapped(Baseline):
    """Prodigy's `prefer_uncertain`: buys what is more uncertain than usual, by one standard deviation.

    "Usual" is an exponential moving average, over about 100 samples here, of the uncertainty 1 - p1 and of
    its squared distance to that average (support.prodi.gy, threads 131 and 657, by its author).
    """

    DECAY = 0.99

    def __init__(self, terms: Terms) -> None:
        self.terms = terms
        self.mean: float | None = None
        self.variance = 0.0

    def decide(self, candidate: Candidate) -> bool:
        uncertainty = 1.0 - float(candidate.probabilities.max())
        if self.mean is None:
            self.mean = uncertainty
        buys = uncertainty > self.mean + sqrt(self.variance)
        gap = uncertainty - self.mean
        self.mean += (1.0 - self.DECAY) * gap
        self.variance = self.DECAY * (self.variance + (1.0 - self.DECAY) * gap * gap)
        return buys


class MovingAverage(Uncapped):
    """The same with a cap: labels bought / samples seen stays below the budget."""

    def __init__(self, terms: Terms) -> None:
        super().__init__(terms)
        self.seen = self.spent = 0

    def decide(self, candidate: Candidate) -> bool:
        self.seen += 1
        buys = super().decide(candidate) and self.spent < self.terms.share * self.seen
        self.spent += buys
        return buys
