"""Query strategies: how informative would this sample's label be?

A strategy gives a sample its *utility*, a float in [0, 1]. Only the order of the utilities of one
strategy has a meaning; a budget manager turns them into yes or no.

A strategy is a product of *factors* (see `product`). Most judge by the model alone, and do so while a
sample is read; others judge by what the partition remembers of its last samples and queries, and do so
when it is decided about, since what is decided about one sample changes the memory for the next.

A new factor is one file with one function and one line in `STRATEGIES`; it takes samples side by side, or one
at a time, as an `each`. It is asked only about samples
that the model gives two probabilities or more; for the others every utility is 1 (see `Selector.look`).
"""

from __future__ import annotations

from stream_al.engine.strategies.base import (
    Arrival,
    ByHistory,
    ByModel,
    Candidate,
    Candidates,
    Factor,
    Need,
    each,
)
from stream_al.engine.strategies.class_balance import class_balance
from stream_al.engine.strategies.consensus_entropy import consensus_entropy
from stream_al.engine.strategies.density import density
from stream_al.engine.strategies.diversity import diversity
from stream_al.engine.strategies.entropy import entropy
from stream_al.engine.strategies.error_reduction import error_reduction
from stream_al.engine.strategies.gradient_length import gradient_length
from stream_al.engine.strategies.least_confidence import least_confidence
from stream_al.engine.strategies.margin import margin
from stream_al.engine.strategies.mean_kl import mean_kl
from stream_al.engine.strategies.model_change import model_change
from stream_al.engine.strategies.novelty import novelty
from stream_al.engine.strategies.probabilistic_gain import probabilistic_gain
from stream_al.engine.strategies.product import Strategy, factors
from stream_al.engine.strategies.random import random
from stream_al.engine.strategies.vote_entropy import vote_entropy

__all__ = [
    "STRATEGIES",
    "Arrival",
    "Candidate",
    "Candidates",
    "Factor",
    "Need",
    "Strategy",
    "factors",
    "strategy",
]

_MEMBERS = frozenset({Need.MEMBERS})
_REFERENCE_SET = frozenset({Need.REFERENCE_SET})

STRATEGIES: dict[str, Factor] = {
    "margin": ByModel(margin),
    "entropy": ByModel(each(entropy)),
    "least_confidence": ByModel(least_confidence),
    "random": ByModel(each(random)),
    "vote_entropy": ByModel(each(vote_entropy), _MEMBERS),
    "consensus_entropy": ByModel(each(consensus_entropy), _MEMBERS),
    "mean_kl": ByModel(each(mean_kl), _MEMBERS),
    "gradient_length": ByModel(each(gradient_length), frozenset({Need.GRADIENT})),
    "model_change": ByModel(each(model_change), _REFERENCE_SET),
    "error_reduction": ByModel(each(error_reduction), _REFERENCE_SET),
    "probabilistic_gain": ByModel(each(probabilistic_gain), _REFERENCE_SET),
    "class_balance": ByModel(class_balance),
    "diversity": ByHistory(diversity),
    "density": ByHistory(density),
    "novelty": ByHistory(novelty, by_samples=False),
}


def strategy(text: str) -> Strategy:
    """The strategy that an expression names.

    Raises:
        Misconfigured: It is no expression of factors, or names one that there is not.

    >>> strategy("margin * diversity^0.5").remembers
    True
    """
    return Strategy(text, STRATEGIES)
