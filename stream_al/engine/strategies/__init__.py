"""Query strategies: how informative would this sample's label be?

A strategy gives a sample its *utility*, a float in [0, 1]. Only the order of the utilities of one strategy
has a meaning. A budget manager decides by them which labels to buy.

A strategy is a product of *factors* (see `product`). Most depend on the model alone, and are computed when a
sample is read. The others depend on the partition's history of samples and queries. They are computed when
the sample is decided about, since each decision changes the history for the next sample.

Factors of one kind share a folder: those that compare the members of a committee (`committee`), those that
compare a sample with the history (`history`), and those that learn the sample on a copy of the model
(`lookahead`).

A new factor is one file with one function and one line in `STRATEGIES`. The function takes a batch of
candidates, or one candidate and is wrapped in `each`. It gets only samples with the probabilities of two
classes or more; the utility of all others is a law of the selector (`engine.selector`).
"""

from __future__ import annotations

from stream_al.engine.strategies.base import (
    Candidate,
    Candidates,
    Factor,
    Failure,
    HistoryFactor,
    ModelFactor,
    Need,
    ScoredSample,
    each,
)
from stream_al.engine.strategies.class_balance import class_balance
from stream_al.engine.strategies.committee.consensus_entropy import consensus
from stream_al.engine.strategies.committee.mean_kl import divergence
from stream_al.engine.strategies.committee.members import by_committees
from stream_al.engine.strategies.committee.vote_entropy import votes
from stream_al.engine.strategies.entropy import entropy
from stream_al.engine.strategies.gradient_length import gradient_length
from stream_al.engine.strategies.history.density import density
from stream_al.engine.strategies.history.diversity import diversity
from stream_al.engine.strategies.history.novelty import novelty
from stream_al.engine.strategies.least_confidence import least_confidence
from stream_al.engine.strategies.lookahead.error_reduction import error_reduction
from stream_al.engine.strategies.lookahead.model_change import model_change
from stream_al.engine.strategies.margin import margin
from stream_al.engine.strategies.probabilistic_gain import probabilistic_gain
from stream_al.engine.strategies.product import Strategy, factors
from stream_al.engine.strategies.random import random

__all__ = [
    "STRATEGIES",
    "Candidate",
    "Candidates",
    "Factor",
    "Failure",
    "HistoryFactor",
    "ModelFactor",
    "Need",
    "ScoredSample",
    "Strategy",
    "factors",
    "strategy",
]

_MEMBERS = frozenset({Need.MEMBERS})
_REFERENCE_SET = frozenset({Need.REFERENCE_SET})

STRATEGIES: dict[str, Factor] = {
    "margin": ModelFactor(margin),
    "entropy": ModelFactor(each(entropy)),
    "least_confidence": ModelFactor(least_confidence),
    "random": ModelFactor(each(random)),
    "vote_entropy": ModelFactor(by_committees(votes), _MEMBERS),
    "consensus_entropy": ModelFactor(by_committees(consensus), _MEMBERS),
    "mean_kl": ModelFactor(by_committees(divergence), _MEMBERS),
    "gradient_length": ModelFactor(each(gradient_length), frozenset({Need.GRADIENT})),
    "model_change": ModelFactor(each(model_change), _REFERENCE_SET, looks_ahead=True),
    "error_reduction": ModelFactor(each(error_reduction), _REFERENCE_SET, looks_ahead=True),
    "probabilistic_gain": ModelFactor(each(probabilistic_gain), _REFERENCE_SET),
    "class_balance": ModelFactor(class_balance),
    "diversity": HistoryFactor(diversity),
    "density": HistoryFactor(density),
    "novelty": HistoryFactor(novelty, uses_samples=False),
}


def strategy(text: str) -> Strategy:
    """The strategy that an expression names.

    Raises:
        Misconfigured: It is no expression of factors, or names one that does not exist.

    >>> strategy("margin * diversity^0.5").uses_history
    True
    """
    return Strategy(text, STRATEGIES)
