"""MOA's four rules: `moa.classifiers.active.ALUncertainty`, class by class from its source.

Zliobaite, Bifet, Pfahringer, Holmes: Active Learning With Drifting Streaming Data (IEEE Trans. Neural
Networks and Learning Systems 25(1), 2014). All four have one cap: labels bought / samples seen stays
below the budget. What is not spent can be spent later.
"""

from __future__ import annotations

import numpy as np

from tests.benchmarks.efficiency.prequential import Baseline, Candidate, Terms

__all__ = ["Fixed", "RandomVariable", "Selective", "Variable"]

THRESHOLD = 0.9  # fixedThreshold
STEP = 0.01  # step


class _Capped(Baseline):
    def __init__(self, terms: Terms) -> None:
        self.terms = terms
        self.random = np.random.default_rng(terms.seed)
        self.seen = self.spent = 0

    def decide(self, candidate: Candidate) -> bool:
        allowed = self.spent < self.terms.share * (self.seen + 1)
        self.seen += 1
        buys = allowed and self.wants(float(candidate.probabilities.max()))
        self.spent += buys
        return buys

    def wants(self, confidence: float) -> bool:
        """Whether it buys at this highest class probability. It is not called while the budget is spent."""
        raise NotImplementedError


class Fixed(_Capped):
    """Buys below a confidence of 0.9."""

    def wants(self, confidence: float) -> bool:
        return confidence < THRESHOLD


class Variable(_Capped):
    """Buys below a threshold that falls by 1% at each purchase and rises by 1% at each other sample."""

    threshold = 1.0

    def wants(self, confidence: float) -> bool:
        buys = confidence < self.threshold
        self.threshold *= 1.0 - STEP if buys else 1.0 + STEP
        return buys


class RandomVariable(Variable):
    """The same, with the confidence divided by 1 + N(0, 1)."""

    def wants(self, confidence: float) -> bool:
        return super().wants(confidence / (1.0 + self.random.standard_normal()))


class Selective(_Capped):
    """Buys with probability B / (B + |confidence - 1/k|) at k classes (Cesa-Bianchi et al. 2006)."""

    def wants(self, confidence: float) -> bool:
        share = self.terms.share
        return bool(self.random.random() < share / (share + abs(confidence - 1.0 / self.terms.classes)))
